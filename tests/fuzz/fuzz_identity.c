/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is behind a veth, from what others wrote: control groups, a host name, arguments of CNI
 * plugins and conmon, Docker's and Podman's files, the kubelet's folders, and workload rules. Any
 * bytes give an identity that keeps what its header promises, and the same whatever a container
 * nests in its own control group.
 *
 * The input is lines: the host name, CNI's arguments, conmon's name, a rule, six control groups;
 * what follows is Docker's file, or Podman's. The id that all agree on is ID.
 */
#include "fuzz.h"

#include "../../src/identity/describe.h"
#include "../../src/identity/docker_config.h"
#include "../../src/identity/podman.h"
#include "../../src/identity/pods.h"
#include "../../src/identity/workload.h"

#define ID	   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LINE_BYTES 1000

static void check_text(const char *text, size_t max, const char *what)
{
	fuzz_check(text, "%s is NULL", what);
	fuzz_check(strlen(text) < max, "%s has %zu bytes", what, strlen(text));
}

static void check_identity(const struct pe_identity *identity)
{
	check_text(identity->container, PE_IDENTITY_NAME_MAX, "container");
	check_text(identity->pod, PE_IDENTITY_NAME_MAX, "pod");
	check_text(identity->namespace, PE_IDENTITY_NAME_MAX, "namespace");
	check_text(identity->workload, PE_IDENTITY_NAME_MAX, "workload");
	check_text(identity->image, PE_IDENTITY_NAME_MAX, "image");
	check_text(identity->container_id, PE_IDENTITY_ID_MAX, "container_id");
	check_text(identity->pod_uid, PE_IDENTITY_NAME_MAX, "pod_uid");
}

static void put_text(uint8_t *to, size_t size, const char *text)
{
	size_t len = strlen(text);

	len = len < size ? len : size - 1;
	memcpy(to, text, len);
	to[len] = '\0';
}

/* What a runtime has said, in a line of the input. */
static void put_names(struct pe_names *names, uint32_t kind, struct fuzz_input *input)
{
	struct pe_task_names record = { .kind = kind, .id = ID };
	char *line = fuzz_text(input, '\n', LINE_BYTES);

	put_text(record.names, sizeof(record.names), line);
	pe_names_put(names, &record);
	free(line);
}

static bool put_rule(struct pe_workload_rule *rule, struct fuzz_input *input)
{
	char *line = fuzz_text(input, '\n', 40), why[256] = "";
	int r = 0;

	/* Repetitions of repetitions take libc gigabytes: the option's check refuses them. */
	if (strpbrk(line, "{*+?"))
		r = -1;
	if (r == 0) {
		r = pe_workload_rule_parse(line, rule, why, sizeof(why));
		fuzz_check(r == 0 || *why, "no reason for %s", line);
	}
	free(line);
	return r == 0;
}

static void check_nesting(struct pe_task_record *record, const struct pe_cgroup_match *match)
{
	struct pe_cgroup_match again;
	unsigned int last = PE_TASK_CGROUPS - 1;

	/* What is further in than the container can be anything. */
	if (record->cgroup[last][0])
		return;
	while (last > 1 && !record->cgroup[last - 1][0])
		last--;
	put_text(record->cgroup[last], PE_TASK_CGROUP_MAX, "docker-" ID ".scope");
	fuzz_check(pe_cgroups_match(record, &again), "no match");
	fuzz_check(memcmp(match, &again, sizeof(again)) == 0, "a container names itself");
}

static void check_record(struct pe_sources_of_names *sources, struct pe_task_record *record)
{
	struct pe_identity *identity, *again;
	struct pe_cgroup_match match;

	if (!pe_cgroups_match(record, &match))
		return;
	check_text(match.id, PE_CONTAINER_ID_MAX, "id");
	check_text(match.pod_uid, PE_IDENTITY_UID_MAX, "pod_uid");
	fuzz_check(pe_describe(sources, record, &match, &identity) == 0, "out of memory");
	check_identity(identity);
	fuzz_check(pe_identity_new(identity, &again) == 0, "out of memory");
	fuzz_check(pe_identity_equal(identity, again), "a copy differs");
	pe_identity_unref(identity);
	pe_identity_unref(again);
	check_nesting(record, &match);
}

static void check_docker(const struct pe_sources_of_names *sources, const struct fuzz_input *input)
{
	struct pe_identity *identity;

	if (pe_docker_config_parse((const char *)input->at, input->left, ID, sources->rules,
				   sources->rule_count, &identity) < 0)
		return;
	check_identity(identity);
	pe_identity_unref(identity);
}

static void check_podman(const struct fuzz_input *input)
{
	struct pe_podman_name name;

	(void)pe_podman_parse((const char *)input->at, input->left, ID, &name);
	check_text(name.container, PE_IDENTITY_NAME_MAX, "Podman's name");
	check_text(name.image, PE_IDENTITY_NAME_MAX, "Podman's image");
}

static void check_pod(const char *folder)
{
	const char *uid = strrchr(folder, '_');
	struct pe_pod_name name;
	bool is_pod = pe_pods_parse(folder, uid ? uid + 1 : ID, &name);

	fuzz_check(is_pod == (*name.pod && *name.namespace), "half a pod");
	check_text(name.pod, PE_IDENTITY_NAME_MAX, "pod");
	check_text(name.namespace, PE_IDENTITY_NAME_MAX, "namespace");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct pe_task_record record = { .kind = PE_TASK_RECORD };
	struct pe_sources_of_names sources = { .podman = -1 };
	struct pe_workload_rule rule = { 0 };
	struct pe_names *names;
	char *line = fuzz_text(&input, '\n', LINE_BYTES);

	fuzz_check(pe_names_new(&names) == 0, "out of memory");
	put_text(record.uts, PE_TASK_UTS_MAX, line);
	record.flags = *line ? PE_TASK_OWN_UTS : 0;
	check_pod(line);
	free(line);
	put_names(names, PE_TASK_NAMES_CNI, &input);
	put_names(names, PE_TASK_NAMES_CONMON, &input);
	sources.names = names;
	if (put_rule(&rule, &input)) {
		sources.rules = &rule;
		sources.rule_count = 1;
	}
	for (unsigned int i = 0; i < PE_TASK_CGROUPS; i++) {
		line = fuzz_text(&input, '\n', LINE_BYTES);
		put_text(record.cgroup[i], PE_TASK_CGROUP_MAX, line);
		free(line);
	}
	check_record(&sources, &record);
	check_docker(&sources, &input);
	check_podman(&input);
	pe_workload_rule_fini(&rule);
	pe_names_free(names);
	return 0;
}
