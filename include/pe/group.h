/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The labels that distinguish groups of interfaces (--group.by). No code: any layer may include it.
 */
#ifndef PE_GROUP_H
#define PE_GROUP_H

/* X(enum pe_group_label without its prefix, the label's name, whether it is among them by default).
 * In this order in a group's key. */
#define PE_GROUP_LABELS_X(X)         \
	X(KIND, "kind", 1)           \
	X(MASTER, "master", 1)       \
	X(RUNTIME, "runtime", 0)     \
	X(NAMESPACE, "namespace", 1) \
	X(POD, "pod", 0)             \
	X(CONTAINER, "container", 0) \
	X(WORKLOAD, "workload", 1)   \
	X(IMAGE, "image", 0)

#define PE_GROUP_ENUM(label, name, by_default) PE_GROUP_##label,
enum pe_group_label {
	PE_GROUP_LABELS_X(PE_GROUP_ENUM) PE_GROUP_LABELS,
};

/* A set of labels has a bit for each. */
#define PE_GROUP_BIT(label)			      (1u << (label))
#define PE_GROUP_DEFAULT_BIT(label, name, by_default) | by_default << PE_GROUP_##label
#define PE_GROUP_BY_DEFAULT			      (0u PE_GROUP_LABELS_X(PE_GROUP_DEFAULT_BIT))

/* PE_GROUP_WORD_1("text") is the text, PE_GROUP_WORD_0("text") is nothing: for the names of those
 * that are among them by default. */
#define PE_GROUP_WORD_1(text) text
#define PE_GROUP_WORD_0(text)

/* Where groups beyond --group.max go: this is their `workload`, or, if that does not distinguish
 * groups, the last label that does; the other labels are "". */
#define PE_GROUP_OTHER	  "other"
#define PE_GROUP_OTHER_ID 0

#define PE_GROUP_NAME(label, name, by_default) [PE_GROUP_##label] = name,
static inline const char *pe_group_label_name(enum pe_group_label label)
{
	static const char *const names[PE_GROUP_LABELS] = { PE_GROUP_LABELS_X(PE_GROUP_NAME) };

	return names[label];
}

#endif
