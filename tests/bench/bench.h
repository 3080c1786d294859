/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmarks share: medians, figures as JSON lines, and how much work to do.
 *
 * PE_BENCH_QUICK=1 asks for about a tenth of the work: enough to see that all of it runs, too
 * little for figures.
 */
#ifndef PE_BENCH_H
#define PE_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_CANNOT_RUN 77

struct bench_figure {
	const char *name;
	double value;
	const char *unit;
	double baseline;
	const char *baseline_name;
	const char *target; /* NULL: none is set */
};

static inline void bench_print(struct bench_figure figure)
{
	printf("{\"name\":\"%s\",\"value\":%.12g,\"unit\":\"%s\",\"baseline\":%.12g,"
	       "\"baseline_name\":\"%s\"",
	       figure.name, figure.value, figure.unit, figure.baseline, figure.baseline_name);
	if (figure.target)
		printf(",\"target\":\"%s\"", figure.target);
	printf("}\n");
	fflush(stdout);
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), bench_compare);
	return values[count / 2];
}

static inline bool bench_quick(void)
{
	const char *quick = getenv("PE_BENCH_QUICK");

	return quick && strcmp(quick, "1") == 0;
}

/* Keeps this thread, and those it makes, on one of the CPUs that it may use. */
static inline void bench_pin(unsigned int nth)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	nth %= (unsigned int)CPU_COUNT(&allowed);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
			CPU_SET(cpu, &one);
	}
	sched_setaffinity(0, sizeof(one), &one);
}

#endif
