/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See online.h. */
#include "online.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "pe/cleanup.h"

#define LIST	 "/sys/devices/system/cpu/online"
#define LIST_MAX 4096

static bool take_number(const char **at, unsigned long *ret_number)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*ret_number = strtoul(*at, &end, 10);
	*at = end;
	return true;
}

unsigned int pe_cpus_parse(const char *list, unsigned int *ret_cpu, unsigned int max)
{
	unsigned long first, last, next = 0;
	unsigned int count = 0;

	do {
		if (!take_number(&list, &first))
			return 0;
		last = first;
		if (*list == '-' && (list++, !take_number(&list, &last)))
			return 0;
		if (first < next || last < first)
			return 0;
		next = last + 1;
		for (; first <= last && first < max; first++)
			ret_cpu[count++] = (unsigned int)first;
	} while (*list++ == ',');
	return count;
}

unsigned int pe_cpus_online(unsigned int *ret_cpu, unsigned int max)
{
	_cleanup_close_ int fd = open(LIST, O_RDONLY | O_CLOEXEC);
	char list[LIST_MAX];
	ssize_t length = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
	unsigned int count = 0;

	if (length > 0) {
		list[length] = '\0';
		count = pe_cpus_parse(list, ret_cpu, max);
	}
	if (!count) {
		for (; count < max; count++)
			ret_cpu[count] = count;
	}
	return count;
}
