/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resident memory of the process. Only the daemon calls this: it concerns everything in the
 * process.
 */
#ifndef PE_MEMORY_H
#define PE_MEMORY_H

/* Memory that was needed once goes back to the kernel when it is freed. Call before anything is
 * allocated. Never blocks or fails. */
void pe_memory_init(void);

/*
 * Gives back what only the start needed: free heap, and the pages of code and constants, of all
 * libraries, that relocation and constructors have read. What is used again comes from the page
 * cache. Any thread, while others run; takes some 100 µs.
 */
void pe_memory_settle(void);

#endif
