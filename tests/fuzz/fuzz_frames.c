/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames through the ingress program (BPF_PROG_TEST_RUN) against the parser of frame_model.h: every
 * counter of the row, every flow to the byte, and XDP_PASS with the frame as it was.
 *
 * The input is a framing and up to FRAMES_MAX frames, each with two bytes of length and one that
 * says how far it is filled up with zeros. The BPF program gives no coverage, but the model does,
 * and the mutator knows headers. Needs root; nothing is attached.
 */
#include "fuzz.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <sched.h>

#include "pe/clock.h"
#include "pe/ring.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "frame_model.h"
#include "packet_exporter.skel.h"

#define LO_IFINDEX   1 /* BPF_PROG_TEST_RUN says that frames come from the loopback interface */
#define FRAMES_MAX   8
#define GIVEN_MAX    2048
#define LENGTH_MAX   70000
#define LENGTH_MIN   14	  /* the kernel gives no program less */
#define LINEAR_BYTES 3072 /* are surely in one piece */

struct frame {
	size_t given;
	uint8_t fill;
	uint8_t data[GIVEN_MAX];
};

struct frames {
	uint8_t framing;
	size_t count;
	struct frame frame[FRAMES_MAX];
};

static const unsigned int framings[] = { 0, PE_SLOT_NO_ETHERNET, PE_SLOT_RX_NO_LINK_HEADER };
#define FRAMINGS (sizeof(framings) / sizeof(framings[0]))

static struct {
	struct pe_xdp *xdp;
	struct pe_ring *ring;
	uint32_t token;
} fixture[FRAMINGS];
static bool long_frames; /* the kernel runs frames of several buffers */

/* libFuzzer's own; only there when it is linked. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* ---- input ---- */

static void decode(struct fuzz_input *input, struct frames *frames)
{
	frames->framing = fuzz_u8(input);
	for (frames->count = 0; frames->count < FRAMES_MAX && input->left > 0; frames->count++) {
		struct frame *frame = &frames->frame[frames->count];

		frame->given = fuzz_number(input, 2) % (GIVEN_MAX + 1);
		frame->fill = fuzz_u8(input);
		if (frame->given > input->left)
			frame->given = input->left;
		fuzz_bytes(input, frame->data, frame->given);
	}
}

static size_t encode(const struct frames *frames, uint8_t *data, size_t max)
{
	size_t used = 0;

	if (max == 0)
		return 0;
	data[used++] = frames->framing;
	for (size_t i = 0; i < frames->count; i++) {
		const struct frame *frame = &frames->frame[i];

		if (max - used < 3 + frame->given)
			break;
		data[used++] = (uint8_t)(frame->given >> 8);
		data[used++] = (uint8_t)frame->given;
		data[used++] = frame->fill;
		memcpy(data + used, frame->data, frame->given);
		used += frame->given;
	}
	return used;
}

/* ---- running ---- */

static size_t length_of(const struct frame *frame)
{
	static const size_t lengths[] = { 0,	60,   64,   65,	  128,	129,   1024,  1025,
					  1514, 2048, 3000, 4097, 9014, 65000, 65536, LENGTH_MAX };
	size_t length = lengths[frame->fill % (sizeof(lengths) / sizeof(lengths[0]))];

	if (length < frame->given)
		length = frame->given;
	if (!long_frames && length > LINEAR_BYTES)
		length = LINEAR_BYTES;
	return length < LENGTH_MIN ? LENGTH_MIN : length;
}

static int try_run(struct pe_xdp *xdp, const uint8_t *data, size_t length)
{
	static uint8_t out[LENGTH_MAX + 4096];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (uint32_t)length,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	/* Only the native program gets frames in several buffers. */
	const struct bpf_program *program = length > LINEAR_BYTES || length % 2
						    ? xdp->skel->progs.pe_native
						    : xdp->skel->progs.pe_ingress;
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (r < 0)
		return r;
	fuzz_check(opts.retval == XDP_PASS, "the program returned %u", opts.retval);
	fuzz_check(opts.data_size_out == length && memcmp(out, data, length) == 0,
		   "the frame was changed");
	return 0;
}

static struct pe_flow *model_flow(struct pe_flow *flows, size_t *count,
				  const struct pe_flow_key *key)
{
	size_t i = 0;

	while (i < *count && memcmp(&flows[i].key, key, sizeof(*key)) != 0)
		i++;
	if (i == *count)
		flows[(*count)++] = (struct pe_flow){ .key = *key };
	return &flows[i];
}

/* Runs a frame and adds to the row and the flows what must come of it. */
static void run(size_t framing, const struct frame *frame, struct pe_row *row,
		struct pe_flow *flows, size_t *count)
{
	static uint8_t data[LENGTH_MAX];
	const bool ethernet = framings[framing] != PE_SLOT_NO_ETHERNET;
	size_t length = length_of(frame);
	struct pe_flow *flow;
	struct seen seen;
	int r;

	memset(data, 0, length);
	memcpy(data, frame->data, frame->given);
	seen = model_parse(data, length, ethernet);
	/* Of a longer one the program sees only the first piece, as long as the driver made it. */
	if (seen.deepest > LINEAR_BYTES && length > LINEAR_BYTES) {
		length = LINEAR_BYTES;
		seen = model_parse(data, length, ethernet);
	}
	r = try_run(fixture[framing].xdp, data, length);
	fuzz_check(r == 0, "%zu bytes cannot be run: %s", length, strerror(-r));
	if (framings[framing] == PE_SLOT_RX_NO_LINK_HEADER)
		length -= 14;
	model_count(row, &seen, length);
	if (!seen.flow)
		return;
	seen.key.slot = (uint16_t)PE_TOKEN_SLOT(fixture[framing].token);
	seen.key.tag = PE_FLOW_TAG(fixture[framing].token & 0xff, seen.ipv6 ? 1 : 0, PE_INGRESS);
	flow = model_flow(flows, count, &seen.key);
	flow->packets++;
	flow->bytes += length;
	flow->tcp_flags |= (uint8_t)seen.tcp_flags;
}

/* The row's fields by name, so that a difference says what it is about. */
static void compare_rows(const struct pe_row *is, const struct pe_row *must)
{
	const uint64_t *a = (const uint64_t *)is, *b = (const uint64_t *)must;

	for (size_t i = 0; i < PE_CLASS_COUNT; i++)
		fuzz_check(is->class[i].packets == must->class[i].packets &&
				   is->class[i].bytes == must->class[i].bytes,
			   "class %zu: %llu packets, %llu bytes; not %llu, %llu", i,
			   is->class[i].packets, is->class[i].bytes, must->class[i].packets,
			   must->class[i].bytes);
	for (size_t i = 0; i < PE_SIZE_BUCKETS; i++)
		fuzz_check(is->size[i] == must->size[i], "size %zu", i);
	for (size_t i = 0; i < PE_TCP_KINDS; i++)
		fuzz_check(is->tcp[i] == must->tcp[i], "TCP kind %zu", i);
	fuzz_check(is->vlan == must->vlan, "%llu with a tag, not %llu", is->vlan, must->vlan);
	fuzz_check(is->fragments == must->fragments, "%llu fragments, not %llu", is->fragments,
		   must->fragments);
	fuzz_check(is->truncated == must->truncated, "%llu truncated, not %llu", is->truncated,
		   must->truncated);
	for (size_t i = 0; i < PE_ROW_WORDS; i++)
		fuzz_check(a[i] == b[i], "word %zu of the row", i);
}

/* Every record belongs to a flow of the model, and together they are all of it. */
static void compare_flows(size_t framing, const struct pe_flow *must, size_t count)
{
	struct pe_flow is[FRAMES_MAX] = { 0 }, record;
	size_t found = 0;

	fuzz_check(pe_xdp_sweep(fixture[framing].xdp, 0) == 0, "flows are left after the sweep");
	while (pe_ring_read(fixture[framing].ring, &record, 1)) {
		struct pe_flow *flow;

		fuzz_check(record.packets > 0 && record.reason < PE_EVICT_REASONS, "a bad record");
		fuzz_check((int32_t)(record.last - record.first) >= 0, "it ends before it begins");
		fuzz_check(found < FRAMES_MAX, "more flows than frames");
		flow = model_flow(is, &found, &record.key);
		flow->packets += record.packets;
		flow->bytes += record.bytes;
		flow->tcp_flags |= record.tcp_flags;
	}
	fuzz_check(found == count, "%zu flows, not %zu", found, count);
	for (size_t i = 0; i < count; i++) {
		struct pe_flow *flow = model_flow(is, &found, &must[i].key);

		fuzz_check(found == count, "flow %zu has another key", i);
		fuzz_check(flow->packets == must[i].packets && flow->bytes == must[i].bytes,
			   "flow %zu: %u packets, %" PRIu64 " bytes; not %u, %" PRIu64, i,
			   flow->packets, flow->bytes, must[i].packets, must[i].bytes);
		fuzz_check(flow->tcp_flags == must[i].tcp_flags, "flow %zu: flags %#x, not %#x", i,
			   flow->tcp_flags, must[i].tcp_flags);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pe_row before[PE_DIRECTIONS], after[PE_DIRECTIONS], must = { 0 };
	uint64_t *a = (uint64_t *)after, *b = (uint64_t *)before;
	struct fuzz_input input = { data, size };
	struct pe_flow flows[FRAMES_MAX] = { 0 };
	static const struct pe_row none;
	static struct frames frames;
	size_t count = 0, framing;

	decode(&input, &frames);
	framing = frames.framing % FRAMINGS;
	pe_xdp_read(fixture[framing].xdp, fixture[framing].token, before);
	for (size_t i = 0; i < frames.count; i++)
		run(framing, &frames.frame[i], &must, flows, &count);
	pe_xdp_read(fixture[framing].xdp, fixture[framing].token, after);
	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		a[i] -= b[i];
	compare_rows(&after[PE_INGRESS], &must);
	compare_rows(&after[PE_EGRESS], &none);
	compare_flows(framing, flows, count);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct pe_xdp_options options = {
		.max_interfaces = 4,
		.rings = 1,
		.flows = true,
		.flow_cache = 64,
		.ring_size = 1 << 16,
		.active_ns = 60 * PE_NS_PER_S,
		.native = true,
	};
	static uint8_t zeros[LENGTH_MAX];
	char reason[128];
	cpu_set_t pinned;

	for (size_t i = 0; i < FRAMINGS; i++) {
		int r = pe_xdp_open(&options, &fixture[i].xdp);

		if (r == -EPERM || r == -EOPNOTSUPP) {
			snprintf(reason, sizeof(reason), "BPF programs cannot be loaded here: %s",
				 strerror(-r));
			fuzz_skip(reason);
		}
		fuzz_check(r == 0, "open: %s", strerror(-r));
		fuzz_check(pe_xdp_ring(fixture[i].xdp, 0, &fixture[i].ring) == 0, "no ring");
		fuzz_check(pe_xdp_take(fixture[i].xdp, LO_IFINDEX, PE_ORIGIN_LINK | framings[i],
				       &fixture[i].token) == 0,
			   "no slot");
	}
	long_frames = try_run(fixture[0].xdp, zeros, sizeof(zeros)) == 0;
	/* Each CPU has a flow cache of its own. */
	CPU_ZERO(&pinned);
	CPU_SET(sched_getcpu(), &pinned);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return 0;
}

/* ---- the mutator ---- */

static unsigned int draw(unsigned int *state, unsigned int below)
{
	*state = *state * 1103515245u + 12345;
	return (*state >> 16) % below;
}

/* Room for bytes in the middle of a frame; what is too much falls off its end. */
static void make_room(struct frame *frame, size_t at, size_t count)
{
	if (at > frame->given || count > GIVEN_MAX - at)
		return;
	if (frame->given > GIVEN_MAX - count)
		frame->given = GIVEN_MAX - count;
	memmove(frame->data + at + count, frame->data + at, frame->given - at);
	frame->given += count;
}

static void put16(struct frame *frame, size_t at, unsigned int value)
{
	if (at >= frame->given || frame->given - at < 2)
		return;
	frame->data[at] = (uint8_t)(value >> 8);
	frame->data[at + 1] = (uint8_t)value;
}

static void put8(struct frame *frame, size_t at, unsigned int value)
{
	if (at < frame->given)
		frame->data[at] = (uint8_t)value;
}

/* Where the IP header may begin: behind the tags there are, or at once. */
static size_t ip_at(const struct frames *frames, const struct frame *frame)
{
	size_t at = 12;

	if (framings[frames->framing % FRAMINGS] == PE_SLOT_NO_ETHERNET)
		return 0;
	while (at + 4 <= frame->given &&
	       (be16(frame->data + at) == 0x8100 || be16(frame->data + at) == 0x88a8))
		at += 4;
	return at + 2;
}

static void edit(struct frames *frames, struct frame *frame, unsigned int *state)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100, 0x8847 };
	static const uint8_t protocols[] = { 6, 17, 1, 58, 132, 136, 33, 2, 47, 50, 51, 4, 41, 89 };
	static const uint8_t extensions[] = { 0, 43, 44, 60, 44, 51, 59 };
	const size_t ip = ip_at(frames, frame);
	const bool ipv6 = ip < frame->given && frame->data[ip] >> 4 == 6;
	unsigned int value;

	switch (draw(state, 9)) {
	case 0: /* another Ethernet type */
		put16(frame, ip - 2, types[draw(state, sizeof(types) / sizeof(types[0]))]);
		break;
	case 1: /* one more tag */
		make_room(frame, 12, 4);
		put16(frame, 12, types[3 + draw(state, 3)]);
		break;
	case 2: /* another version or header length */
		put8(frame, ip,
		     (draw(state, 4) ? ipv6 ? 6 : 4 : draw(state, 16)) << 4 | draw(state, 16));
		break;
	case 3: /* another protocol */
		put8(frame, ip + (ipv6 ? 6 : 9), protocols[draw(state, sizeof(protocols))]);
		break;
	case 4: /* a fragment */
		if (!ipv6)
			put16(frame, ip + 6, draw(state, 65536));
		else
			put16(frame, ip + 42, draw(state, 65536) & (draw(state, 2) ? 0xffff : 7));
		break;
	case 5: /* one more extension header */
		value = ip + 6 < frame->given ? frame->data[ip + 6] : 0;
		make_room(frame, ip + 40, 8);
		put8(frame, ip + 40, value);
		put8(frame, ip + 41, draw(state, 3) ? draw(state, 3) : draw(state, 256));
		put8(frame, ip + 6, extensions[draw(state, sizeof(extensions))]);
		break;
	case 6: /* the header tells the truth about the length */
		value = (unsigned int)(frame->given - (ip < frame->given ? ip : 0));
		put16(frame, ip + (ipv6 ? 4 : 2), ipv6 ? value - 40 : value);
		break;
	case 7: /* cut short */
		frame->given = draw(state, (unsigned int)frame->given + 1);
		break;
	default: /* other TCP flags */
		put8(frame, ip + (ipv6 ? 40 : 20) + 13, draw(state, 64));
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct frames frames;
	struct fuzz_input input = { data, size };
	struct frame *frame;

	decode(&input, &frames);
	if (frames.count == 0)
		frames.frame[frames.count++] = (struct frame){ .given = 60 };
	frame = &frames.frame[draw(&seed, (unsigned int)frames.count)];
	switch (draw(&seed, 16)) {
	case 0:
		frames.framing = (uint8_t)draw(&seed, FRAMINGS);
		break;
	case 1:
		frame->fill = (uint8_t)draw(&seed, 16);
		break;
	case 2:
		if (frames.count < FRAMES_MAX)
			frames.frame[frames.count++] = *frame;
		break;
	case 3:
		*frame = frames.frame[--frames.count];
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		if (LLVMFuzzerMutate)
			frame->given = LLVMFuzzerMutate(frame->data, frame->given, GIVEN_MAX);
		break;
	default:
		edit(&frames, frame, &seed);
	}
	return encode(&frames, data, max_size);
}
