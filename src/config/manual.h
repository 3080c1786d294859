/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The documents that the program prints of itself, from the option table and the catalogue of
 * metrics: the man page (--help=man), REFERENCE.md (--help=markdown), completions for shells.
 * Private to this folder; one thread, at start.
 */
#ifndef PE_DAEMON_MANUAL_H
#define PE_DAEMON_MANUAL_H

#include <stdio.h>

void pe_manual_print_man(FILE *out);
/* The table of its section KERNELS. */
void pe_manual_print_kernels(FILE *out);
void pe_manual_print_markdown(FILE *out);
void pe_manual_print_bash(FILE *out);
void pe_manual_print_zsh(FILE *out);

/* What --help can be, separated by '|'. */
#define PE_MANUAL_FORMATS "man|markdown|bash-completion|zsh-completion"

/* Paragraphs of both documents, in their one markup: `x` is a literal. The last one is NULL. */
extern const char *const pe_manual_about_options[];
extern const char *const pe_manual_about_metrics[];

#endif
