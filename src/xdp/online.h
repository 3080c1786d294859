/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CPUs that are online. */
#ifndef PE_XDP_ONLINE_H
#define PE_XDP_ONLINE_H

/* Of a list such as "0-3,8", the numbers below `max`, in order, each once; how many. 0 if it is no
 * such list. */
unsigned int pe_cpus_parse(const char *list, unsigned int *ret_cpu, unsigned int max);

/* Those that are online, as the kernel lists them in /sys/devices/system/cpu/online
 * (Documentation/admin-guide/cputopology.rst); all below `max` if it does not. */
unsigned int pe_cpus_online(unsigned int *ret_cpu, unsigned int max);

#endif
