/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a program at that rate for so long: this one, which is static and then ends at once, so
 * that a start is as cheap as one can be. Where the machine is slower, there are fewer.
 *
 *   execs PER_SECOND MS     {"execs":how many,"ns":in which time,"cpu_ns":of all of them}
 *   execs                   nothing
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * NS_PER_S + (unsigned long long)now.tv_nsec;
}

/* Of this process and those that have ended. */
static unsigned long long cpu_ns(void)
{
	unsigned long long sum = 0;

	for (int who = 0; who < 2; who++) {
		struct rusage usage;

		getrusage(who ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
		sum += (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			       NS_PER_S +
		       (unsigned long long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	}
	return sum;
}

static void wait_until(unsigned long long at_ns)
{
	struct timespec at = { .tv_sec = (time_t)(at_ns / NS_PER_S),
			       .tv_nsec = (long)(at_ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void start_one(char *program)
{
	char *const args[] = { program, NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		execv(program, args);
		_exit(1);
	}
	if (pid < 0)
		exit(1);
}

/* Those that have ended, and all with `options` 0. */
static void reap(int options)
{
	int status;

	while (waitpid(-1, &status, options) > 0) {
		if (status != 0)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned long long begin_ns = now_ns(), at_ns = begin_ns, end_ns;
	unsigned long count = 0, rate;

	if (argc < 3)
		return 0;
	rate = strtoul(argv[1], NULL, 10);
	end_ns = begin_ns + strtoul(argv[2], NULL, 10) * 1000000;
	if (!rate)
		return 1;
	while (at_ns < end_ns && now_ns() < end_ns) {
		wait_until(at_ns);
		start_one(argv[0]);
		reap(WNOHANG);
		at_ns = begin_ns + ++count * NS_PER_S / rate;
	}
	reap(0);
	printf("{\"execs\":%lu,\"ns\":%llu,\"cpu_ns\":%llu}\n", count, now_ns() - begin_ns,
	       cpu_ns());
	return 0;
}
