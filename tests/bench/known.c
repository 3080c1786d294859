/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 4,096 containers that are known take of memory: all that src/identity keeps of them and of
 * their namespaces, then of our ends of their veths, too; and how long the user side takes for
 * the records of a new one.
 *
 * The module is the real one, on a kernel side that says what thousands of pods of Kubernetes would
 * make it say: their names as a CNI plugin is started with them, then the task of each. Memory is
 * what the heap has given out (mallinfo2), with what it needs itself.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/identity.h"
#include "pe/log.h"
#include "pe/tasks.h"

#include "bench.h"

#define KNOWN	      4096
#define PODS	      20 /* of a workload */
#define FIRST_IFINDEX 10
#define MB	      1e6

/* ---- the kernel side ---- */

int __wrap_pe_tasks_open(bool cni, struct pe_tasks **ret_tasks);
struct pe_tasks *__wrap_pe_tasks_close(struct pe_tasks *tasks);
int __wrap_pe_tasks_fd(const struct pe_tasks *tasks);
unsigned int __wrap_pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops,
				  void *userdata);
int __wrap_pe_tasks_walk(struct pe_tasks *tasks, bool again);
int __wrap_pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns);
uint64_t __wrap_pe_tasks_lost(const struct pe_tasks *tasks);

static int ends[2];
static struct {
	bool has_names, has_task;
	struct pe_task_names names;
	struct pe_task_record task;
} next;

int __wrap_pe_tasks_open(bool cni, struct pe_tasks **ret_tasks)
{
	(void)cni;
	*ret_tasks = (struct pe_tasks *)&next;
	return pipe(ends);
}

struct pe_tasks *__wrap_pe_tasks_close(struct pe_tasks *tasks)
{
	if (tasks) {
		close(ends[0]);
		close(ends[1]);
	}
	return NULL;
}

int __wrap_pe_tasks_fd(const struct pe_tasks *tasks)
{
	(void)tasks;
	return ends[0];
}

unsigned int __wrap_pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops,
				  void *userdata)
{
	unsigned int count = next.has_names + next.has_task;

	(void)tasks;
	if (next.has_names)
		ops->names(&next.names, userdata);
	if (next.has_task)
		ops->task(&next.task, userdata);
	next.has_names = next.has_task = false;
	return count;
}

int __wrap_pe_tasks_walk(struct pe_tasks *tasks, bool again)
{
	(void)tasks;
	(void)again;
	return 0;
}

static uint64_t netns_of(unsigned int number)
{
	return 4026531840u + number;
}

int __wrap_pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns)
{
	(void)tasks;
	*ret_netns = netns_of((unsigned int)(ifindex - FIRST_IFINDEX));
	return 0;
}

uint64_t __wrap_pe_tasks_lost(const struct pe_tasks *tasks)
{
	(void)tasks;
	return 0;
}

/* ---- pods ---- */

/* As Kubernetes names them, and as long as usual. */
static void make_pod(unsigned int number)
{
	char pod[64], id[72];
	const unsigned int workload = number / PODS;

	snprintf(pod, sizeof(pod), "checkout-service-%u-7d4b9c6f8%c-x%c%c%cz", workload,
		 'b' + (char)(workload % 4), 'b' + (char)(number % 3), 'f' + (char)(number % 2),
		 '2' + (char)(number % 7));
	snprintf(id, sizeof(id), "%08x%056x", number * 2654435761u, number);
	memset(&next, 0, sizeof(next));
	next.has_names = next.has_task = true;
	next.names.kind = PE_TASK_NAMES_CNI;
	strcpy((char *)next.names.id, id);
	snprintf((char *)next.names.names, PE_TASK_ARGS_MAX,
		 "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop-production;K8S_POD_NAME=%s;"
		 "K8S_POD_INFRA_CONTAINER_ID=%s",
		 pod, id);
	next.task.kind = PE_TASK_RECORD;
	next.task.flags = PE_TASK_OWN_UTS;
	next.task.netns = netns_of(number);
	next.task.start_ns = number + 1;
	next.task.levels = 4;
	next.task.peer[0] = (int)number + FIRST_IFINDEX;
	strcpy((char *)next.task.uts, pod);
	strcpy((char *)next.task.cgroup[1], "kubepods.slice");
	strcpy((char *)next.task.cgroup[2], "kubepods-burstable.slice");
	snprintf((char *)next.task.cgroup[3], PE_TASK_CGROUP_MAX,
		 "kubepods-burstable-pod%08x_0c3e_4b60_9d0f_%012x.slice", number * 2654435761u,
		 number);
	snprintf((char *)next.task.cgroup[4], PE_TASK_CGROUP_MAX, "cri-containerd-%s.scope", id);
}

static unsigned int resolved;

static void on_resolved(int ifindex, struct pe_identity *identity, void *userdata)
{
	(void)ifindex;
	(void)userdata;
	resolved += identity && *identity->pod && *identity->workload;
}

/* ---- figures ---- */

static double allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return (double)(info.uordblks + info.hblkhd);
}

static double dispatch(struct pe_identities *ids)
{
	uint64_t begin_ns = pe_clock_monotonic_ns();

	pe_identities_dispatch(ids);
	return (double)(pe_clock_monotonic_ns() - begin_ns);
}

static void print(const char *name, double value, const char *unit, double baseline,
		  const char *baseline_name, const char *target)
{
	bench_print((struct bench_figure){ name, value, unit, baseline, baseline_name, target });
}

int main(void)
{
	static double fresh_ns[KNOWN], again_ns[KNOWN];
	const struct pe_identities_options options = {
		.cni = true,
		.wait_ns = 2 * PE_NS_PER_S,
		.max_links = 2 * KNOWN,
		.resolved = on_resolved,
	};
	double before = allocated(), empty, full, linked;
	struct pe_identities_stats stats;
	struct pe_identities *ids;

	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	if (pe_identities_new(&options, &ids) < 0)
		abort();
	empty = allocated();
	for (unsigned int i = 0; i < KNOWN; i++) {
		make_pod(i);
		fresh_ns[i] = dispatch(ids);
		make_pod(i);
		next.has_names = false;
		again_ns[i] = dispatch(ids);
	}
	full = allocated();
	for (unsigned int i = 0; i < KNOWN; i++)
		pe_identities_link(ids, (int)i + FIRST_IFINDEX, true, pe_clock_monotonic_ns());
	linked = allocated();
	pe_identities_get_stats(ids, &stats);
	if (stats.namespaces != KNOWN || resolved != KNOWN) {
		fprintf(stderr, "%u of %u namespaces are known\n", resolved, KNOWN);
		return 1;
	}
	print("memory with 4,096 known namespaces", (full - before) / MB, "MB",
	      (empty - before) / MB, "with none", "≤ 2 MB");
	print("the same with a veth of ours to each", (linked - before) / MB, "MB",
	      (empty - before) / MB, "with none", NULL);
	print("of it for each", (linked - empty) / KNOWN, "bytes", sizeof(struct pe_task_record),
	      "the kernel's record", NULL);
	print("the records of a new namespace, user side", bench_median(fresh_ns, KNOWN), "ns",
	      bench_median(again_ns, KNOWN), "of a known one", NULL);
	pe_identities_free(ids);
	return 0;
}
