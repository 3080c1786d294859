/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See describe.h. */
#include "describe.h"

#include <string.h>

#include "workload.h"

struct draft {
	char container[PE_IDENTITY_NAME_MAX], pod[PE_IDENTITY_NAME_MAX];
	char namespace[PE_IDENTITY_NAME_MAX], workload[PE_IDENTITY_NAME_MAX];
	char image[PE_IDENTITY_NAME_MAX];
};

static void copy(char to[PE_IDENTITY_NAME_MAX], const char *from)
{
	pe_identity_copy(to, PE_IDENTITY_NAME_MAX, from, strlen(from));
}

/* Its host name, where the runtime has given it one; in a pod that is the pod's name, up to 63
 * characters. */
static const char *host_name(const struct pe_task_record *record)
{
	return record->flags & PE_TASK_OWN_UTS ? (const char *)record->uts : "";
}

/* "k8s_CONTAINER_POD_NAMESPACE_UID_N", as CRI-O calls what conmon runs; Kubernetes' own names have
 * no '_'. */
static void take_crio_name(const char *name, struct draft *draft)
{
	char *const parts[] = { NULL, NULL, draft->pod, draft->namespace };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		size_t len = strcspn(name, "_");

		if (!name[len] || (i == 0 && strncmp(name, "k8s", len) != 0))
			return;
		if (parts[i])
			pe_identity_copy(parts[i], PE_IDENTITY_NAME_MAX, name, len);
		name += len + 1;
	}
}

/* One that is older than the exporter. */
static void find_pod(struct pe_sources_of_names *sources, const char *uid, struct draft *draft)
{
	const struct pe_pod_name *name = pe_sources_pod(sources, uid);

	copy(draft->pod, name->pod);
	copy(draft->namespace, name->namespace);
}

static void describe_pod(struct pe_sources_of_names *sources, const struct pe_task_record *record,
			 const struct pe_cgroup_match *match, struct draft *draft)
{
	struct pe_name name;
	bool is_pod = match->is_pod;

	if (pe_names_find(sources->names, PE_TASK_NAMES_CNI, match->id, &name)) {
		copy(draft->pod, name.pod);
		copy(draft->namespace, name.namespace);
	} else if (match->runtime == PE_RUNTIME_CRIO &&
		   pe_names_find(sources->names, PE_TASK_NAMES_CONMON, match->id, &name)) {
		take_crio_name(name.container, draft);
	}
	if (is_pod && !*draft->pod)
		find_pod(sources, match->pod_uid, draft);
	if (is_pod && !*draft->pod)
		copy(draft->pod, host_name(record));
	pe_workload_of_pod(draft->pod, draft->workload);
}

/* Podman's own pods have no namespace, and their first container is but a place. */
static void describe_podman(struct pe_sources_of_names *sources,
			    const struct pe_task_record *record,
			    const struct pe_cgroup_match *match, struct draft *draft)
{
	const struct pe_podman_name *known;
	struct pe_name name;

	if (match->is_podman_pod) {
		copy(draft->pod, host_name(record));
		copy(draft->workload, draft->pod);
		return;
	}
	pe_names_find(sources->names, PE_TASK_NAMES_CONMON, match->id, &name);
	known = pe_sources_podman(sources, match->id);
	copy(draft->container, *name.container ? name.container : known->container);
	copy(draft->image, known->image);
	pe_workload_of_image(known->image, draft->workload);
}

int pe_describe(struct pe_sources_of_names *sources, const struct pe_task_record *record,
		const struct pe_cgroup_match *match, struct pe_identity **ret_identity)
{
	struct draft draft = { "", "", "", "", "" };
	char short_id[PE_IDENTITY_ID_MAX];

	/* An id alone is Docker's, perhaps. */
	if (match->runtime == PE_RUNTIME_DOCKER || (match->is_bare && sources->docker)) {
		struct pe_identity *known = pe_sources_docker(sources, match->id);

		if (known) {
			*ret_identity = pe_identity_ref(known);
			return 0;
		}
	}
	switch (match->runtime) {
	case PE_RUNTIME_LXC:
	case PE_RUNTIME_NSPAWN:
		copy(draft.container, *match->name ? match->name : host_name(record));
		copy(draft.workload, draft.container);
		break;
	case PE_RUNTIME_PODMAN:
		describe_podman(sources, record, match, &draft);
		break;
	default:
		describe_pod(sources, record, match, &draft);
		break;
	}
	if (*draft.workload)
		pe_workload_apply(sources->rules, sources->rule_count, draft.workload);
	pe_identity_copy(short_id, sizeof(short_id), match->id, strlen(match->id));
	return pe_identity_new(&(struct pe_identity){ .container = draft.container,
						      .pod = draft.pod,
						      .namespace = draft.namespace,
						      .workload = draft.workload,
						      .image = draft.image,
						      .runtime = pe_runtime_name(match->runtime),
						      .container_id = short_id,
						      .pod_uid = match->pod_uid },
			       ret_identity);
}
