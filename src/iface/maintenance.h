/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done when no events of interfaces wait: XDP follows to new ones, what failed is tried
 * again, and ours is compared with the kernel's counters. Here is when, and to how many at a time;
 * watch.c has the steps. The supervisor's thread.
 */
#ifndef PE_MAINTENANCE_H
#define PE_MAINTENANCE_H

#include <stdbool.h>
#include <stdint.h>

struct pe_engine;
struct pe_iface;
struct pe_maintenance;

/* 0 or -ENOMEM. `engine` is borrowed; the caller owns *ret_maintenance. */
int pe_maintenance_new(const struct pe_engine *engine, struct pe_maintenance **ret_maintenance);

/* NULL is fine. Returns NULL. */
struct pe_maintenance *pe_maintenance_free(struct pe_maintenance *maintenance);

/* This one is watched from now on, and may be pending. */
void pe_maintenance_began(struct pe_maintenance *maintenance, const struct pe_iface *iface);

/* A slot has become free: those that wait for one are tried again in the next round. */
void pe_maintenance_freed_slot(struct pe_maintenance *maintenance);

/* Lets XDP follow to all that are pending, events or not. */
void pe_maintenance_promote_all(struct pe_maintenance *maintenance);

/* As pe_interfaces_promote_at() and pe_interfaces_promote(). `events_ns`: the last events were
 * handled then. */
uint64_t pe_maintenance_promote_at(const struct pe_maintenance *maintenance, uint64_t events_ns);
void pe_maintenance_promote(struct pe_maintenance *maintenance, uint64_t events_ns);

/* As pe_interfaces_retry() and pe_interfaces_audit(), as far as watched interfaces go. */
void pe_maintenance_retry(struct pe_maintenance *maintenance);
void pe_maintenance_audit(struct pe_maintenance *maintenance);

#endif
