/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What groups of interfaces are told apart by (--group.by). No code: any layer may include it.
 */
#ifndef PE_GROUP_H
#define PE_GROUP_H

/* X(enum pe_group_label without its prefix, the label's name). In this order in a group's key. */
#define PE_GROUP_LABELS_X(X)      \
	X(KIND, "kind")           \
	X(MASTER, "master")       \
	X(RUNTIME, "runtime")     \
	X(NAMESPACE, "namespace") \
	X(POD, "pod")             \
	X(CONTAINER, "container") \
	X(WORKLOAD, "workload")   \
	X(IMAGE, "image")

#define PE_GROUP_ENUM(label, name) PE_GROUP_##label,
enum pe_group_label {
	PE_GROUP_LABELS_X(PE_GROUP_ENUM) PE_GROUP_LABELS,
};

/* A set of labels has a bit for each. */
#define PE_GROUP_BIT(label) (1u << (label))
#define PE_GROUP_BY_DEFAULT                                            \
	(PE_GROUP_BIT(PE_GROUP_KIND) | PE_GROUP_BIT(PE_GROUP_MASTER) | \
	 PE_GROUP_BIT(PE_GROUP_NAMESPACE) | PE_GROUP_BIT(PE_GROUP_WORKLOAD))

#define PE_GROUP_MAX_DEFAULT 1024

/* Where groups beyond --group.max go: this is their `workload`, or, if groups are not told apart by
 * it, the last label by which they are; the other labels are "". */
#define PE_GROUP_OTHER "other"

#define PE_GROUP_NAME(label, name) [PE_GROUP_##label] = name,
static inline const char *pe_group_label_name(enum pe_group_label label)
{
	static const char *const names[PE_GROUP_LABELS] = { PE_GROUP_LABELS_X(PE_GROUP_NAME) };

	return names[label];
}

#endif
