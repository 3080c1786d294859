/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See cgroups.h. Names are those that the runtimes give: with systemd's help a scope, without it a
 * folder. Docker's and containerd's folder is the id alone, and its parent says whose it is.
 */
#include "cgroups.h"

#include <ctype.h>
#include <string.h>

#define ID_LENGTH	(PE_CONTAINER_ID_MAX - 1)
#define UID_LENGTH	(PE_IDENTITY_UID_MAX - 1)
#define FILE_UID_LENGTH 32 /* of a pod that a file of the kubelet describes: a hash */

enum shape {
	SHAPE_ID,
	SHAPE_NAME,    /* as it is */
	SHAPE_ESCAPED, /* as systemd escapes names of units */
};

struct pattern {
	const char *prefix, *suffix;
	enum shape shape;
	enum pe_runtime runtime;
};

/* clang-format off */
static const struct pattern patterns[] = {
	{ "docker-", ".scope", SHAPE_ID, PE_RUNTIME_DOCKER },
	{ "libpod-", ".scope", SHAPE_ID, PE_RUNTIME_PODMAN },
	{ "libpod-", "", SHAPE_ID, PE_RUNTIME_PODMAN },
	{ "cri-containerd-", ".scope", SHAPE_ID, PE_RUNTIME_CONTAINERD },
	{ "nerdctl-", ".scope", SHAPE_ID, PE_RUNTIME_CONTAINERD },
	{ "crio-", ".scope", SHAPE_ID, PE_RUNTIME_CRIO },
	{ "crio-", "", SHAPE_ID, PE_RUNTIME_CRIO },
	{ "", "", SHAPE_ID, PE_RUNTIME_UNKNOWN },
	{ "lxc.payload.", "", SHAPE_NAME, PE_RUNTIME_LXC }, /* Incus and LXD, too */
	{ "machine-", ".scope", SHAPE_ESCAPED, PE_RUNTIME_NSPAWN },
	{ "systemd-nspawn@", ".service", SHAPE_ESCAPED, PE_RUNTIME_NSPAWN },
};
/* clang-format on */

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The part between prefix and suffix: its length, 0 if it does not match. */
static size_t part_between(const char *name, const char *prefix, const char *suffix)
{
	size_t len = strlen(name), before = strlen(prefix), behind = strlen(suffix);

	if (len <= before + behind || !starts_with(name, prefix) ||
	    strcmp(name + len - behind, suffix) != 0)
		return 0;
	return len - before - behind;
}

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	}
	return true;
}

static void copy(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = '\0';
}

static int hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\x2d" is a byte, and '-' a slash. Never longer than it was. */
static void unescape(char *to, const char *from, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (i + 3 < len && from[i] == '\\' && from[i + 1] == 'x') {
			high = hex_value(from[i + 2]);
			low = hex_value(from[i + 3]);
		}
		if (high >= 0 && low >= 0 && high + low > 0) {
			to[used++] = (char)(high << 4 | low);
			i += 3;
		} else {
			to[used++] = from[i] == '-' ? '/' : from[i];
		}
	}
	to[used] = '\0';
}

/* libvirt's containers are machines "lxc-NUMBER-NAME", another number each time. */
static void take_libvirt(struct pe_cgroup_match *match)
{
	const char *name = match->name + strlen("lxc-");
	size_t digits;

	if (!starts_with(match->name, "lxc-"))
		return;
	digits = strspn(name, "0123456789");
	if (!digits || name[digits] != '-' || !name[digits + 1])
		return;
	memmove(match->name, name + digits + 1, strlen(name + digits + 1) + 1);
	match->runtime = PE_RUNTIME_LXC;
}

static bool match_pattern(const struct pattern *pattern, const char *name,
			  struct pe_cgroup_match *match)
{
	size_t len = part_between(name, pattern->prefix, pattern->suffix);
	const char *part = name + strlen(pattern->prefix);

	if (len == 0)
		return false;
	switch (pattern->shape) {
	case SHAPE_ID:
		if (len != ID_LENGTH || !is_hex(part, len))
			return false;
		copy(match->id, part, len);
		break;
	case SHAPE_NAME:
		copy(match->name, part, len);
		break;
	case SHAPE_ESCAPED:
		unescape(match->name, part, len);
		break;
	}
	match->runtime = pattern->runtime;
	if (pattern->shape == SHAPE_ESCAPED)
		take_libvirt(match);
	return true;
}

/* A pod's slice, or folder: its UID has dashes, or '_' for them; a static pod's is a hash. */
static bool take_pod(const char *name, struct pe_cgroup_match *match)
{
	size_t len = strlen(name), from = 0;

	if (part_between(name, "", ".slice") && strstr(name, "kubepods")) {
		len -= strlen(".slice");
		for (size_t i = 0; i + 4 < len; i++) {
			if (strncmp(name + i, "-pod", 4) == 0)
				from = i + 4;
		}
	} else if (starts_with(name, "pod")) {
		from = 3;
	}
	if (!from || (len - from != UID_LENGTH && len - from != FILE_UID_LENGTH))
		return false;
	for (size_t i = 0; i < len - from; i++) {
		char c = name[from + i] == '_' ? '-' : name[from + i];

		if (!is_hex(&c, 1) && c != '-')
			return false;
		match->pod_uid[i] = c;
	}
	match->pod_uid[len - from] = '\0';
	match->is_pod = true;
	return true;
}

/* Whose a folder is that has the id for its name. */
static enum pe_runtime runtime_of_folder(const char *parent, bool is_pod)
{
	if (strcmp(parent, "docker") == 0)
		return PE_RUNTIME_DOCKER;
	if (starts_with(parent, "libpod"))
		return PE_RUNTIME_PODMAN;
	if (is_pod || strcmp(parent, "k8s.io") == 0)
		return PE_RUNTIME_CONTAINERD;
	return PE_RUNTIME_UNKNOWN;
}

static bool match_level(const char *name, const char *parent, struct pe_cgroup_match *match)
{
	/* Where a machine has no scope of its own, nspawn makes this. */
	if (strcmp(name, "payload") == 0) {
		match->runtime = PE_RUNTIME_NSPAWN;
		return true;
	}
	/* Before LXC 4 */
	if (strcmp(parent, "lxc") == 0 && !starts_with(name, "lxc.")) {
		match->runtime = PE_RUNTIME_LXC;
		copy(match->name, name, strlen(name));
		return true;
	}
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (match_pattern(&patterns[i], name, match)) {
			match->is_bare = !match->runtime;
			if (match->is_bare)
				match->runtime = runtime_of_folder(parent, match->is_pod);
			return true;
		}
	}
	return false;
}

/* Without systemd the folder of one of Podman's pods has its id, and its containers are in it. */
static bool is_podman_pod(const char *name, const char *parent)
{
	return starts_with(name, "machine-libpod_pod_") ||
	       (strcmp(parent, "libpod_parent") == 0 && strlen(name) == ID_LENGTH &&
		is_hex(name, ID_LENGTH));
}

bool pe_cgroups_match(const struct pe_task_record *record, struct pe_cgroup_match *ret_match)
{
	*ret_match = (struct pe_cgroup_match){ 0 };
	for (unsigned int i = 0; i < PE_TASK_CGROUPS; i++) {
		const char *name = (const char *)record->cgroup[i];
		const char *parent = i > 0 ? (const char *)record->cgroup[i - 1] : "";

		take_pod(name, ret_match);
		if (is_podman_pod(name, parent)) {
			ret_match->is_podman_pod = true;
			continue;
		}
		/* In the outermost we are ourselves. */
		if (i > 0 && *name && match_level(name, parent, ret_match))
			return true;
	}
	return false;
}

const char *pe_runtime_name(enum pe_runtime runtime)
{
	static const char *const names[PE_RUNTIMES] = {
		[PE_RUNTIME_UNKNOWN] = "",
		[PE_RUNTIME_DOCKER] = "docker",
		[PE_RUNTIME_PODMAN] = "podman",
		[PE_RUNTIME_CONTAINERD] = "containerd",
		[PE_RUNTIME_CRIO] = "cri-o",
		[PE_RUNTIME_LXC] = "lxc",
		[PE_RUNTIME_NSPAWN] = "systemd-nspawn",
	};

	return names[runtime];
}
