/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reasons.h. */
#include "reasons.h"

#include <bpf/btf.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define CORE_PREFIX	 "SKB_DROP_REASON_"
#define SUBSYSTEM_PREFIX "SKB_DROP_REASON_SUBSYS_"
#define SUBSYSTEM_SHIFT	 16 /* SKB_DROP_REASON_SUBSYS_SHIFT */
#define SUBSYSTEMS	 16

/* Of the tracepoint's function: its data, the packet, where; then what came later. */
#define ARGUMENTS	     3
#define ARGUMENTS_AND_REASON 4
#define ARGUMENTS_AND_SOCKET 5

/* Enums of subsystems, where they are built in. The names begin with that of the subsystem. */
static const struct {
	const char *type, *prefix;
} subsystem_types[] = {
	{ "mac80211_drop_reason", "RX_DROP_U_" },
	{ "ovs_drop_reason", "OVS_DROP_" },
	{ "qdisc_drop_reason", "QDISC_DROP_" },
};

static const char *const usual[] = { "not_specified",
				     "no_socket",
				     "socket_rcvbuff",
				     "netfilter_drop",
				     "socket_backlog",
				     "tcp_listen_overflow",
				     "qdisc_drop",
				     "cpu_backlog",
				     "ipv4",
				     "ipv6",
				     "arp" };

static const char *behind(const char *text, const char *prefix)
{
	const size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* In front of it, `area` and a '_'; NULL: nothing. */
static void add(struct pe_reasons *reasons, unsigned int code, const char *area, const char *name)
{
	struct pe_reason *reason = &reasons->reason[reasons->count];
	size_t len = 0;

	if (reasons->count == PE_REASONS_MAX)
		return;
	reason->code = (uint16_t)code;
	for (; area && *area && len < PE_REASON_MAX - 2; area++)
		reason->name[len++] = (char)tolower((unsigned char)*area);
	if (len > 0)
		reason->name[len++] = '_';
	for (; *name && len < PE_REASON_MAX - 1; name++)
		reason->name[len++] = (char)tolower((unsigned char)*name);
	reason->name[len] = '\0';
	reasons->count++;
}

static const struct btf_type *find_enum(const struct btf *kernel, const char *name)
{
	const int id = btf__find_by_name_kind(kernel, name, BTF_KIND_ENUM);

	return id > 0 ? btf__type_by_id(kernel, (uint32_t)id) : NULL;
}

static void read_core(const struct btf *kernel, const struct btf_type *type,
		      struct pe_reasons *reasons)
{
	const struct btf_enum *value = btf_enum(type);

	reasons->first = UINT32_MAX;
	for (int i = 0; i < btf_vlen(type); i++) {
		const char *name =
			behind(btf__name_by_offset(kernel, value[i].name_off), CORE_PREFIX);
		const uint32_t number = (uint32_t)value[i].val;

		if (!name || strcmp(name, "MAX") == 0 || number >= PE_DROP_CODE(1, 0))
			continue;
		add(reasons, number, NULL, name);
		if (number < reasons->first)
			reasons->first = number;
	}
}

static void read_subsystem(const struct btf *kernel, unsigned int subsystem, const char *area,
			   struct pe_reasons *reasons)
{
	for (size_t t = 0; t < sizeof(subsystem_types) / sizeof(*subsystem_types); t++) {
		const struct btf_type *type = find_enum(kernel, subsystem_types[t].type);
		const struct btf_enum *value = type ? btf_enum(type) : NULL;

		for (int i = 0; type && i < btf_vlen(type); i++) {
			const char *name = behind(btf__name_by_offset(kernel, value[i].name_off),
						  subsystem_types[t].prefix);
			const uint32_t number = (uint32_t)value[i].val;

			if (!name || number >> SUBSYSTEM_SHIFT != subsystem ||
			    (number & 0xffff) >= PE_DROP_CODE(1, 0))
				continue;
			add(reasons, PE_DROP_CODE(subsystem, number & 0xffff), area, name);
			reasons->named |= 1u << subsystem;
		}
	}
}

/* What is in a module has no names here: then it is the subsystem alone. */
static void read_subsystems(const struct btf *kernel, struct pe_reasons *reasons)
{
	const struct btf_type *type = find_enum(kernel, "skb_drop_reason_subsys");
	const struct btf_enum *value = type ? btf_enum(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const char *name =
			behind(btf__name_by_offset(kernel, value[i].name_off), SUBSYSTEM_PREFIX);
		const uint32_t subsystem = (uint32_t)value[i].val;

		if (!name || strcmp(name, "NUM") == 0 || subsystem == 0 || subsystem >= SUBSYSTEMS)
			continue;
		add(reasons, PE_DROP_CODE(subsystem, 0), NULL, name);
		read_subsystem(kernel, subsystem, name, reasons);
	}
}

static int count_arguments(const struct btf *kernel)
{
	const int id = btf__find_by_name_kind(kernel, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);
	const struct btf_type *type = id > 0 ? btf__type_by_id(kernel, (uint32_t)id) : NULL;

	while (type && (btf_is_typedef(type) || btf_is_ptr(type)))
		type = btf__type_by_id(kernel, type->type);
	return type && btf_is_func_proto(type) ? btf_vlen(type) : 0;
}

int pe_reasons_read(const struct btf *kernel, struct pe_reasons *ret_reasons)
{
	const struct btf_type *core = find_enum(kernel, "skb_drop_reason");
	const int arguments = count_arguments(kernel);

	memset(ret_reasons, 0, sizeof(*ret_reasons));
	if (arguments < ARGUMENTS)
		return -EOPNOTSUPP;
	ret_reasons->has_reasons = arguments >= ARGUMENTS_AND_REASON && core;
	ret_reasons->has_sockets = arguments >= ARGUMENTS_AND_SOCKET;
	if (ret_reasons->has_reasons) {
		read_core(kernel, core, ret_reasons);
		read_subsystems(kernel, ret_reasons);
		return 0;
	}
	add(ret_reasons, PE_DROP_IPV4, NULL, "ipv4");
	add(ret_reasons, PE_DROP_IPV6, NULL, "ipv6");
	add(ret_reasons, PE_DROP_ARP, NULL, "arp");
	return 0;
}

const char *pe_reasons_name(const struct pe_reasons *reasons, unsigned int code)
{
	for (size_t i = 0; i < reasons->count; i++) {
		if (reasons->reason[i].code == code)
			return reasons->reason[i].name;
	}
	return NULL;
}

void pe_reasons_list_usual(const struct pe_reasons *reasons,
			   void (*each)(unsigned int code, void *userdata), void *userdata)
{
	for (size_t u = 0; u < sizeof(usual) / sizeof(*usual); u++) {
		for (size_t i = 0; i < reasons->count; i++) {
			if (strcmp(reasons->reason[i].name, usual[u]) == 0)
				each(reasons->reason[i].code, userdata);
		}
	}
}
