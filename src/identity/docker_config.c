/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See docker_config.h. Names, labels and images are what users gave: any of them may be missing, of
 * another type, or longer than can be.
 */
#include "docker_config.h"

#include <errno.h>
#include <string.h>

#include "cgroups.h"
#include "jansson.h"
#include "workload.h"

/* "" for what is no text. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *value = jansson.string_value(jansson.object_get(object, key));

	return value ? value : "";
}

static void copy(char to[PE_IDENTITY_NAME_MAX], const char *from)
{
	pe_identity_copy(to, PE_IDENTITY_NAME_MAX, from, strlen(from));
}

/* "project/service", whatever their length. */
static void name_service(char workload[PE_IDENTITY_NAME_MAX], const char *project,
			 const char *service)
{
	size_t len;

	pe_identity_copy(workload, PE_IDENTITY_NAME_MAX / 2, project, strlen(project));
	len = strlen(workload);
	workload[len++] = '/';
	pe_identity_copy(workload + len, PE_IDENTITY_NAME_MAX - len, service, strlen(service));
}

static void name_workload(char workload[PE_IDENTITY_NAME_MAX], const json_t *labels,
			  const char *pod, const char *image)
{
	const char *project = text_of(labels, "com.docker.compose.project");
	const char *service = text_of(labels, "com.docker.compose.service");

	if (*pod)
		pe_workload_of_pod(pod, workload);
	else if (*project && *service)
		name_service(workload, project, service);
	else
		pe_workload_of_image(image, workload);
}

static int describe(const json_t *root, const char *id, const struct pe_workload_rule *rules,
		    size_t rule_count, struct pe_identity **ret_identity)
{
	const json_t *config = jansson.object_get(root, "Config");
	const json_t *labels = jansson.object_get(config, "Labels");
	const char *name = text_of(root, "Name");
	char container[PE_IDENTITY_NAME_MAX] = "", workload[PE_IDENTITY_NAME_MAX] = "";
	char image[PE_IDENTITY_NAME_MAX], pod[PE_IDENTITY_NAME_MAX];
	char namespace[PE_IDENTITY_NAME_MAX], uid[PE_IDENTITY_NAME_MAX];
	char short_id[PE_IDENTITY_ID_MAX];

	copy(image, text_of(config, "Image"));
	/* Of cri-dockerd: the container is a pod's. */
	copy(pod, text_of(labels, "io.kubernetes.pod.name"));
	copy(namespace, text_of(labels, "io.kubernetes.pod.namespace"));
	copy(uid, text_of(labels, "io.kubernetes.pod.uid"));
	pe_identity_copy(short_id, sizeof(short_id), id, strlen(id));
	name_workload(workload, labels, pod, image);
	pe_workload_apply(rules, rule_count, workload);
	if (!*pod)
		copy(container, *name == '/' ? name + 1 : name);
	return pe_identity_new(&(struct pe_identity){ .container = container,
						      .pod = pod,
						      .namespace = namespace,
						      .workload = workload,
						      .image = *pod ? "" : image,
						      .runtime = pe_runtime_name(PE_RUNTIME_DOCKER),
						      .container_id = short_id,
						      .pod_uid = uid },
			       ret_identity);
}

int pe_docker_config_parse(const char *text, size_t len, const char *id,
			   const struct pe_workload_rule *rules, size_t rule_count,
			   struct pe_identity **ret_identity)
{
	json_t *root;
	int r = pe_jansson_parse(text, len, &root);

	if (r < 0)
		return r;
	r = strcmp(text_of(root, "ID"), id) == 0
		    ? describe(root, id, rules, rule_count, ret_identity)
		    : -EINVAL;
	jansson.delete(root);
	return r;
}
