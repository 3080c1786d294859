/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protobuf writer: a tree of messages with fields of every kind, written by it and read by
 * libprotobuf-c, is the same tree. The input is the tree: for each node what comes next in it; see
 * write_node().
 */
#include "fuzz.h"

#include "pe/strbuf.h"

#include "../../src/expose/protobuf.h"

#include "wire.pb-c.h"

#define DEPTH_MAX 16
#define FIELDS	  65536 /* of all nodes */

enum step {
	END,
	NUMBER,
	FIXED,
	REAL,
	TEXT,
	PACKED,
	CHILD,
	STEPS,
};

static size_t fields;

static enum step next_step(struct fuzz_input *input, unsigned int depth)
{
	enum step step = (enum step)(fuzz_u8(input) % STEPS);

	if (input->left == 0 || ++fields > FIELDS || (step == CHILD && depth == DEPTH_MAX))
		return END;
	return step;
}

/* Small numbers are as likely as large ones. */
static uint64_t take_number(struct fuzz_input *input)
{
	const unsigned int bytes = fuzz_u8(input) % 9;

	return fuzz_number(input, bytes);
}

static double take_real(struct fuzz_input *input)
{
	const uint64_t bits = fuzz_number(input, 8);
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

/* Longer than the input is: lengths take up to three bytes. */
static size_t take_text(struct fuzz_input *input, uint8_t text[static 65536])
{
	const size_t len = fuzz_number(input, 2);

	memset(text, fuzz_u8(input), len);
	return len;
}

static void write_node(struct fuzz_input *input, struct pe_strbuf *out, unsigned int depth)
{
	static uint8_t text[65536];
	size_t begun, len;

	for (;;) {
		switch (next_step(input, depth)) {
		case NUMBER:
			pe_protobuf_add_varint(out, 1, take_number(input));
			break;
		case FIXED:
			pe_protobuf_add_fixed64(out, 15, fuzz_number(input, 8));
			break;
		case REAL:
			pe_protobuf_add_double(out, 16, take_real(input));
			break;
		case TEXT:
			len = take_text(input, text);
			pe_protobuf_add_bytes(out, 2047, text, len);
			break;
		case PACKED:
			begun = pe_protobuf_begin(out, 2048);
			for (unsigned int n = fuzz_u8(input); n > 0; n--)
				pe_protobuf_add_number(out, take_number(input));
			pe_protobuf_end(out, begun);
			break;
		case CHILD:
			begun = pe_protobuf_begin(out, 536870911);
			write_node(input, out, depth + 1);
			pe_protobuf_end(out, begun);
			break;
		default:
			return;
		}
	}
}

/* How many of a repeated field were met. */
struct met {
	size_t numbers, fixed, real, texts, packed, children;
};

static void check_text(struct fuzz_input *input, const ProtobufCBinaryData *read)
{
	static uint8_t text[65536];
	const size_t len = take_text(input, text);

	fuzz_check(read->len == len && (len == 0 || memcmp(read->data, text, len) == 0),
		   "a text of %zu bytes is one of %zu", len, read->len);
}

static void check_node(struct fuzz_input *input, const Wire__Node *node, unsigned int depth)
{
	struct met met = { 0 };
	double real;

	for (;;) {
		switch (next_step(input, depth)) {
		case NUMBER:
			fuzz_check(met.numbers < node->n_number, "a number is missing");
			fuzz_check(node->number[met.numbers++] == take_number(input), "number");
			break;
		case FIXED:
			fuzz_check(met.fixed < node->n_fixed, "a fixed number is missing");
			fuzz_check(node->fixed[met.fixed++] == fuzz_number(input, 8), "fixed");
			break;
		case REAL:
			real = take_real(input);
			fuzz_check(met.real < node->n_real, "a real number is missing");
			fuzz_check(memcmp(&node->real[met.real++], &real, sizeof(real)) == 0,
				   "real");
			break;
		case TEXT:
			fuzz_check(met.texts < node->n_text, "a text is missing");
			check_text(input, &node->text[met.texts++]);
			break;
		case PACKED:
			for (unsigned int n = fuzz_u8(input); n > 0; n--) {
				fuzz_check(met.packed < node->n_packed, "an element is missing");
				fuzz_check(node->packed[met.packed++] == take_number(input),
					   "element");
			}
			break;
		case CHILD:
			fuzz_check(met.children < node->n_child, "a child is missing");
			check_node(input, node->child[met.children++], depth + 1);
			break;
		default:
			fuzz_check(met.numbers == node->n_number && met.fixed == node->n_fixed &&
					   met.real == node->n_real && met.texts == node->n_text &&
					   met.packed == node->n_packed &&
					   met.children == node->n_child &&
					   node->base.n_unknown_fields == 0,
				   "a field was never written");
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct pe_strbuf out = PE_STRBUF_INIT;
	Wire__Node *node;

	fields = 0;
	write_node(&input, &out, 0);
	fuzz_check(out.error == 0, "out of memory");
	node = wire__node__unpack(NULL, out.len, (const uint8_t *)out.data);
	fuzz_check(node, "it cannot be read");
	fields = 0;
	input = (struct fuzz_input){ data, size };
	check_node(&input, node, 0);
	wire__node__free_unpacked(node, NULL);
	pe_strbuf_fini(&out);
	return 0;
}
