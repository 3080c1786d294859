/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of what is about to run: of pods in the environment of CNI plugins, of Podman's containers
 * in the arguments of conmon. Both run as root in our network namespace, before the container does.
 *
 * An environment may hold secrets. It is looked through here, a piece at a time on the stack, and
 * nothing but the values of the two variables leaves the kernel side.
 */
#ifndef PE_BPF_IDENTITY_NAMES_H
#define PE_BPF_IDENTITY_NAMES_H

#include "identity_task.h"

#define ENVIRONMENT_MAX 4096 /* bytes that are looked at */
#define PIECE		64
#define PIECES_MAX	96

const volatile bool pe_cni; /* whether environments are looked at */

/* Text as the number that its first bytes are in memory. */
#define WORD(a, b, c, d, e, f, g, h)                                                             \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)
#define BYTES(count) ((count) == 8 ? ~0ULL : (1ULL << (count)*8 % 64) - 1)

/* Strings that follow each other in the memory of the current task, a piece at a time. */
struct reader {
	unsigned long at, end;
	/* 0 or 1, and computed without branches: see is_zero() */
	__u64 begins; /* the piece is the beginning of a string */
	__u64 continues;
	unsigned long string; /* where the piece is */
	union {
		char text[PIECE];
		__u64 word[PIECE / sizeof(__u64)];
	};
};

static __always_inline bool next_piece(struct reader *reader)
{
	long length;

	if (reader->at >= reader->end)
		return false;
	reader->word[0] = reader->word[1] = 0;
	length = bpf_probe_read_user_str(reader->text, PIECE, (void *)reader->at);
	if (length <= 0)
		return false;
	reader->string = reader->at;
	reader->begins = 1 ^ reader->continues;
	/* A full piece is one that goes on, but for its last byte, which is always 0. */
	reader->continues = is_zero(length ^ PIECE);
	reader->at += length - reader->continues;
	return true;
}

static __always_inline void begin_reading(struct reader *reader, unsigned long start,
					  unsigned long end)
{
	reader->at = start;
	reader->end = end - start > ENVIRONMENT_MAX ? start + ENVIRONMENT_MAX : end;
	reader->begins = reader->continues = 0;
	reader->string = 0;
}

static __always_inline struct pe_task_names *new_names(__u32 kind)
{
	struct pe_task_names *names = bpf_ringbuf_reserve(&records, sizeof(*names), 0);

	if (!names) {
		__sync_fetch_and_add(&pe_lost, 1);
		return NULL;
	}
	names->kind = kind;
	names->unused = 0;
	__builtin_memset(names->id, 0, sizeof(names->id));
	__builtin_memset(names->names, 0, sizeof(names->names));
	return names;
}

static __always_inline void submit_names(struct pe_task_names *names)
{
	if (names->id[0] && names->names[0])
		bpf_ringbuf_submit(names, 0);
	else
		bpf_ringbuf_discard(names, 0);
}

#define IS_CNI(r)                                                               \
	is_zero(((r)->word[0] ^ WORD('C', 'N', 'I', '_', 'A', 'R', 'G', 'S')) | \
		(((r)->word[1] & BYTES(1)) ^ '='))
#define CNI_LENGTH 9
#define IS_CNI_ID(r)                                                            \
	is_zero(((r)->word[0] ^ WORD('C', 'N', 'I', '_', 'C', 'O', 'N', 'T')) | \
		((r)->word[1] ^ WORD('A', 'I', 'N', 'E', 'R', 'I', 'D', '=')))
#define CNI_ID_LENGTH 16

#define IS_OPTION(r, letter) \
	is_zero(((r)->word[0] & BYTES(3)) ^ WORD('-', letter, 0, 0, 0, 0, 0, 0))

/* Environment or arguments, by one loop, which the verifier looks at once. `args` is 0 or 1. */
static __always_inline void read_strings(__u32 kind, unsigned long start, unsigned long end,
					 __u64 args)
{
	struct pe_task_names *names = new_names(kind);
	__u64 is_id = 0, is_name = 0; /* what the argument before says of this one */
	struct reader reader;

	if (!names)
		return;
	begin_reading(&reader, start, end);
	for (int i = 0; i < PIECES_MAX && next_piece(&reader); i++) {
		__u64 env = (1 ^ args) & reader.begins;
		__u64 cni = env & IS_CNI(&reader), cni_id = env & IS_CNI_ID(&reader);

		if (is_name | cni)
			bpf_probe_read_user_str(names->names, PE_TASK_ARGS_MAX,
						(void *)reader.string + cni * CNI_LENGTH);
		if (is_id | cni_id)
			bpf_probe_read_user_str(names->id, PE_TASK_ID_MAX,
						(void *)reader.string + cni_id * CNI_ID_LENGTH);
		is_id = args & reader.begins & IS_OPTION(&reader, 'c') & is_zero(names->id[0]);
		is_name = args & reader.begins & IS_OPTION(&reader, 'n') & is_zero(names->names[0]);
	}
	submit_names(names);
}

/* Who executes CNI plugins. */
static __always_inline bool is_runtime(const __u64 comm[2])
{
	return (comm[0] == WORD('c', 'o', 'n', 't', 'a', 'i', 'n', 'e') &&
		comm[1] == WORD('r', 'd', 0, 0, 0, 0, 0, 0)) ||
	       (comm[0] & BYTES(5)) == WORD('c', 'r', 'i', 'o', 0, 0, 0, 0) ||
	       (comm[0] & BYTES(7)) == WORD('p', 'o', 'd', 'm', 'a', 'n', 0, 0) ||
	       comm[0] == WORD('c', 'r', 'i', '-', 'd', 'o', 'c', 'k');
}

/* 1 if it is, otherwise 0. */
static __always_inline __u64 is_conmon(const __u64 comm[2])
{
	return is_zero((comm[0] & BYTES(7)) ^ WORD('c', 'o', 'n', 'm', 'o', 'n', 0, 0));
}

/* A program in our own namespace was started. */
static __always_inline void read_names(struct task_struct *task)
{
	__u64 parent[2] = {}, own[2] = {}, args;
	unsigned long start, end;
	struct mm_struct *mm;

	if (pe_cni)
		BPF_CORE_READ_INTO(&parent, task, real_parent, comm);
	BPF_CORE_READ_INTO(&own, task, comm);
	args = is_conmon(own);
	if (!args && !(pe_cni && is_runtime(parent)))
		return;
	mm = BPF_CORE_READ(task, mm);
	if (!mm || BPF_CORE_READ(task, real_cred, uid.val) != 0)
		return;
	/* Once more, without a branch: with one the verifier would look at all twice. */
	hide(own[0]);
	args = is_conmon(own);
	start = BPF_CORE_READ(mm, env_start);
	end = BPF_CORE_READ(mm, env_end);
	start ^= (start ^ BPF_CORE_READ(mm, arg_start)) & -args;
	end ^= (end ^ BPF_CORE_READ(mm, arg_end)) & -args;
	read_strings(PE_TASK_NAMES_CNI + args, start, end, args);
}

#endif
