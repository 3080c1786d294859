/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resident memory of the process. Only the daemon calls this: it concerns everything in the
 * process.
 */
#ifndef PE_MEMORY_H
#define PE_MEMORY_H

/* Memory that was needed once goes back to the kernel when it is freed. Call before much of it is
 * allocated, and before there are threads. Never blocks or fails. */
void pe_memory_init(void);

/*
 * Gives back what only the start needed: free heap, and the pages of code and constants that
 * relocation and constructors have read, where nobody has written to them. What is used again comes
 * from the page cache. Any thread, while others run; takes less than 1 ms. Without /proc only the
 * heap is given back.
 */
void pe_memory_release_start(void);

/* Gives free heap back to the kernel: what small blocks leave stays otherwise, for a caller
 * that needs as many again. Any thread, while others run; takes some ms if there is much. */
void pe_memory_trim(void);

#endif
