/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is behind the veths. What is counted does not depend on it: without, it goes on. */
#include <string.h>

#include "pe/identity.h"
#include "pe/interfaces.h"
#include "pe/log.h"

#include "modules.h"

static void on_timer(void *userdata)
{
	struct supervisor *s = userdata;

	pe_identities_run(s->identities);
	pe_module_identity_arm(s);
}

static void on_input(void *userdata)
{
	struct supervisor *s = userdata;

	pe_identities_dispatch(s->identities);
	pe_module_identity_arm(s);
}

static void resolved(int ifindex, struct pe_identity *identity, void *userdata)
{
	struct supervisor *s = userdata;

	pe_interfaces_identify(s->interfaces, ifindex, identity);
	if (!identity)
		pe_debug("identity", "%d: nobody is known", ifindex);
	else
		pe_debug("identity",
			 "%d: container \"%s\" pod \"%s\" namespace \"%s\" workload \"%s\" image "
			 "\"%s\" "
			 "runtime \"%s\" id \"%s\" uid \"%s\"",
			 ifindex, identity->container, identity->pod, identity->namespace,
			 identity->workload, identity->image, identity->runtime,
			 identity->container_id, identity->pod_uid);
}

static void named(uint64_t netns, int ifindex, struct pe_identity *identity, void *userdata)
{
	struct supervisor *s = userdata;

	if (s->interfaces)
		pe_interfaces_name_netns(s->interfaces, netns, ifindex, identity);
}

static int open_identities(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	const struct pe_identities_options options = {
		.cni = o->identity_cni,
		.files = o->identity_files,
		.wait_ns = o->identity_wait_ns,
		.max_links = o->max_interfaces,
		.rules = o->rules,
		.rule_count = o->rule_count,
		.resolved = resolved,
		.named = named,
		.userdata = s,
	};
	int r = o->identity ? pe_identities_new(&options, &s->identities) : 0;

	if (r < 0)
		pe_warn("identity",
			"it is not known which containers interfaces are of: the kernel refuses "
			"the programs that find out: %s (more with --log.level=debug)",
			strerror(-r));
	return 0;
}

static int start_identity(struct supervisor *s)
{
	int r = open_identities(s);

	if (r < 0 || !s->identities)
		return r;
	r = pe_loop_add_fd(s->loop, pe_identities_fd(s->identities), on_input, s,
			   &s->identity_input);
	if (!r)
		r = pe_loop_add_timer(s->loop, on_timer, s, &s->identity_timer);
	return r;
}

static void stop_identity(struct supervisor *s)
{
	pe_source_remove(s->identity_input);
	pe_source_remove(s->identity_timer);
	pe_identities_free(s->identities);
}

void pe_module_identity_arm(struct supervisor *s)
{
	if (s->identities)
		pe_source_arm(s->identity_timer, pe_identities_due_at(s->identities), 0);
}

const struct pe_module pe_module_identity = {
	.name = "identity",
	.start = start_identity,
	.stop = stop_identity,
};
