/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sink: a destination to which the exporter itself delivers, with a thread, a schedule and
 * statistics of its own. So a sink that stalls delays no other.
 *
 * Deliveries are made at an interval, the first at once, and earlier on request. A failure is
 * retried with jittered exponential back-off up to the interval, each time with the state of that
 * moment; what is refused waits for the next interval. Each kind of sink has a header with its
 * options and its constructor, such as push.h.
 */
#ifndef PE_SINK_H
#define PE_SINK_H

#include <stddef.h>
#include <stdint.h>

struct pe_sink;
struct pe_sink_sample;

/*
 * Stops these sinks after what each has to send at its end, all at the same time. Blocks for that,
 * at most `timeout_ns`. Statistics can still be read. NULL among them, and a second time, is fine.
 * One thread.
 */
void pe_sinks_stop(struct pe_sink *const sinks[], size_t count, uint64_t timeout_ns);

/* Frees a sink; one that was not stopped stops without the time to send anything. NULL is fine.
 * Returns NULL. */
struct pe_sink *pe_sink_free(struct pe_sink *sink);

/* Requests a delivery within delay_ns; requests that come meanwhile join it. Any thread; never
 * blocks. NULL is fine. */
void pe_sink_request(struct pe_sink *sink, uint64_t delay_ns);

/* Requests a delivery at once, before which the sink reads anew what may have changed. Any thread;
 * never blocks. NULL is fine. */
void pe_sink_reload(struct pe_sink *sink);

/* Its statistics so far; times are monotonic. Any thread. */
void pe_sink_get_stats(const struct pe_sink *sink, struct pe_sink_sample *ret_sample);

#endif
