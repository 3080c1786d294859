/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The man page. Options and metrics come from their tables; the rest is text that stands here
 * alone. In every text `x` is a literal, which is printed bold. One thread, at start.
 *
 * man(7), groff_char(7).
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "manual.h"

#include <string.h>

#include "table.h"

#include "pe/catalogue.h"
#include "pe/http.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define WIDTH 78 /* of a line of the source */

enum block_type {
	BLOCK_SECTION,
	BLOCK_TEXT, /* a paragraph */
	BLOCK_ITEM, /* `head`, and indented text */
	BLOCK_CODE, /* lines as they are */
};

struct block {
	enum block_type type;
	const char *head; /* of an item */
	const char *text;
};

#define SECTION(name)                     \
	{                                 \
		BLOCK_SECTION, NULL, name \
	}
#define TEXT(text)                     \
	{                              \
		BLOCK_TEXT, NULL, text \
	}
#define ITEM(head, text)               \
	{                              \
		BLOCK_ITEM, head, text \
	}
#define CODE(lines)                     \
	{                               \
		BLOCK_CODE, NULL, lines \
	}

#define JOB "job=\"packet_exporter\"" /* of what is scraped, in queries */

static const struct block before_options[] = {
	SECTION("NAME"),
	TEXT("packet-exporter - count every packet of a container host for Prometheus"),
	SECTION("SYNOPSIS"),
	TEXT("`packet-exporter` [OPTION]..."),
	SECTION("DESCRIPTION"),
	TEXT("Counts every packet on every network interface of the network namespace that it "
	     "runs in, also where containers come and go within moments. It serves the counters "
	     "to Prometheus on `/metrics`, pushes them to a Pushgateway, or writes them to "
	     "receivers of remote write or OTLP."),
	TEXT("Ingress is counted by XDP programs where that changes nothing for the host, and "
	     "by the kernel's receive tracepoint elsewhere; egress is counted by one tracepoint "
	     "for all interfaces, and what the kernel drops by another one, with its "
	     "reason. DNS is looked at by two more, with `--dns=on`. No packet is dropped or "
	     "changed, no program of others is "
	     "replaced, and nothing stays attached when the process ends, in whatever way."),
	TEXT("`" PE_PATH_HEALTHY "` and `" PE_PATH_READY
	     "` answer supervisors. To systemd it reports "
	     "when it is ready, reloads and stops (Type=notify), and it answers its watchdog."),
};

static const struct block after_metrics[] = {
	SECTION("SIGNALS"),
	ITEM("SIGHUP",
	     "Lists the interfaces again and reads the web configuration and the host's name "
	     "again. Options are read at the start only."),
	ITEM("SIGTERM, SIGINT",
	     "Does what `--push.on-exit` says, detaches and ends; within five seconds even if "
	     "the Pushgateway hangs."),
	SECTION("FILES"),
	ITEM("/sys/kernel/btf/vmlinux",
	     "The kernel's type information, without which the programs cannot be loaded."),
	TEXT("The files that `--web.config.file`, `--push.password-file`, "
	     "`--push.bearer-token-file`, `--push.tls-ca-file`, `--push.tls-cert-file` and "
	     "`--push.tls-key-file` name, and those that remote write and OTLP have likewise, are "
	     "read again "
	     "while it "
	     "runs: they must be readable by "
	     "its user after it has given up its privileges. No file is written, and nothing is "
	     "pinned under /sys/fs/bpf."),
	SECTION("EXIT STATUS"),
	ITEM("0", "It ended after SIGTERM or SIGINT, or has printed what was asked for."),
	ITEM("1", "It could not start or go on; the last line of its log says why. With "
		  "`--healthcheck`: it is not healthy."),
	ITEM("2",
	     "An option or a variable is wrong, or with `--check-config` a file that one names."),
	SECTION("PRIVILEGES"),
	TEXT("Linux 5.10 or newer with BTF, and three capabilities, as root or as any other "
	     "user:"),
	ITEM("CAP_NET_ADMIN", "attaching to interfaces, and a large netlink buffer"),
	ITEM("CAP_BPF", "loading BPF programs and their maps"),
	ITEM("CAP_PERFMON",
	     "the kernel's tracepoints: egress, bridges, drops, DNS, and sweeping the flow cache"),
	TEXT("CAP_SYS_ADMIN does for the last two where they cannot be given. Everything else "
	     "is given up for good, root's rights included, once the ports are bound and the "
	     "programs are loaded, and with `--user` the user is changed. Then a sandbox (seccomp, "
	     "Landlock) leaves the system calls and files that are needed; `docker/README.md` of "
	     "the source tree says what that keeps from, and what not."),
	SECTION("KERNELS"),
	TEXT("What works on which kernel of Debian, as the last run of all tests on all of them "
	     "has found. A kind of interface that is not listed is counted on each of them."),
};

static const struct block after_kernels[] = {
	TEXT("These are kernels of x86. For arm64, s390x (of the other byte order) and armhf "
	     "(of 32 bits) the program and its tests are compiled and run in emulation; with "
	     "kernels of these it has not been tried. A program of 32 bits takes a kernel of 32 "
	     "bits, because positions in ring buffers have the size of the kernel's words; "
	     "whether it knows times after 2038 is for the distribution's libraries (Debian 13) "
	     "to say."),
	SECTION("LIMITS"),
	TEXT("One network namespace is counted. What is not seen, or is counted in another way "
	     "than a card or the kernel does, is listed in `src/README.md` of the source tree."),
	SECTION("EXAMPLES"),
	TEXT("Serve on loopback, and push:"),
	CODE("packet-exporter --web.listen-address=127.0.0.1:9817 \\\n"
	     "    --push.url=http://pushgateway:9091 --push.grouping=rack=r12"),
	TEXT("In the queries the exporter is scraped as the job `packet_exporter`. What it pushes "
	     "has the job `packet_exporter_push` (`--push.job`); sums over both count everything "
	     "twice."),
	TEXT("Bits per second of each interface, with its alias and its bridge:"),
	CODE("sum by (instance, interface, direction) (rate(\n"
	     "  packet_exporter_bytes_total{" JOB "}[1m])) * 8\n"
	     "  * on (instance, interface) group_left (alias, kind, master)\n"
	     "  packet_exporter_interface_info{" JOB "}"),
	TEXT("All bytes that ever passed, departed interfaces included:"),
	CODE("sum by (instance, direction) (packet_exporter_host_bytes_total{" JOB "})"),
	TEXT("Connections that the containers of each workload open a second:"),
	CODE("sum by (workload) (rate(\n"
	     "  packet_exporter_group_tcp_segments_total{" JOB ", workload!=\"\",\n"
	     "    direction=\"ingress\", flag=\"syn\"}[5m]))"),
	TEXT("The largest flows, with `--flows.top`:"),
	CODE("topk(10, rate(\n"
	     "  packet_exporter_top_flow_bytes_total{" JOB ", source!=\"other\"}[1m]))"),
	TEXT("An alert: packets passed that were not counted:"),
	CODE("sum by (instance, interface) (increase(\n"
	     "  packet_exporter_unobserved_packets_total{" JOB ", reason=\"lost\"}[5m])) > 0"),
	SECTION("SEE ALSO"),
	TEXT("`capabilities`(7), `ethtool`(8), `ip-link`(8), `systemd.socket`(5), `tc`(8)"),
};

/* ---- text ---- */

/* One character; a hyphen is one that can be typed, whatever the device. */
static void print_char(FILE *out, char c)
{
	switch (c) {
	case '-':
		fputs("\\-", out);
		break;
	case '\\':
		fputs("\\e", out);
		break;
	case '\'':
		fputs("\\(aq", out);
		break;
	case '^':
		fputs("\\(ha", out);
		break;
	case '~':
		fputs("\\(ti", out);
		break;
	default:
		fputc(c, out);
	}
}

static void print_chars(FILE *out, const char *text, size_t len)
{
	/* At the beginning of a line it would be a request. */
	if (len && *text == '.')
		fputs("\\&", out);
	while (len--)
		print_char(out, *text++);
}

/* Bold between two '`', which may be words apart. */
static void print_word(FILE *out, const char *word, size_t len, bool *literal)
{
	while (len) {
		const char *quote = memchr(word, '`', len);
		const size_t n = quote ? (size_t)(quote - word) : len;

		print_chars(out, word, n);
		word += n;
		len -= n;
		if (quote) {
			*literal = !*literal;
			fputs(*literal ? "\\fB" : "\\fP", out);
			word++;
			len--;
		}
	}
}

/* Fills lines of the source; a sentence begins a new one, so that the device spaces it. */
static void print_text(FILE *out, const char *text)
{
	bool literal = false, ends = false;
	size_t at = 0;

	while (*text) {
		const size_t len = strcspn(text, " ");

		if (at && (ends || at + 1 + len > WIDTH)) {
			fputc('\n', out);
			at = 0;
		} else if (at) {
			fputc(' ', out);
			at++;
		}
		print_word(out, text, len, &literal);
		at += len;
		ends = len && text[len - 1] == '.' && !literal;
		text += len + (text[len] == ' ');
	}
	if (at)
		fputc('\n', out);
}

static void print_code(FILE *out, const char *text)
{
	fputs(".PP\n.RS 4\n.nf\n", out);
	while (*text) {
		const size_t len = strcspn(text, "\n");

		print_chars(out, text, len);
		fputc('\n', out);
		text += len + (text[len] == '\n');
	}
	fputs(".fi\n.RE\n", out);
}

/* ---- blocks ---- */

static void print_heading(FILE *out, const char *macro, const char *text)
{
	fprintf(out, "%s \"%s\"\n", macro, text);
}

static void print_block(FILE *out, const struct block *block, bool first)
{
	switch (block->type) {
	case BLOCK_SECTION:
		print_heading(out, ".SH", block->text);
		break;
	case BLOCK_TEXT:
		/* A heading begins a paragraph by itself. */
		if (!first)
			fputs(".PP\n", out);
		print_text(out, block->text);
		break;
	case BLOCK_ITEM:
		fputs(".TP\n\\fB", out);
		print_chars(out, block->head, strlen(block->head));
		fputs("\\fP\n", out);
		print_text(out, block->text);
		break;
	case BLOCK_CODE:
		print_code(out, block->text);
		break;
	}
}

static void print_blocks(FILE *out, const struct block *blocks, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		print_block(out, &blocks[i], i > 0 && blocks[i - 1].type == BLOCK_SECTION);
}

static void print_paragraphs(FILE *out, const char *const *paragraphs)
{
	bool first = true;

	for (; *paragraphs; paragraphs++) {
		print_block(out, &(struct block)TEXT(*paragraphs), first);
		first = false;
	}
}

/* ---- tables ---- */

/* "Default: x." if there is one. */
static void print_property(FILE *out, const char *name, const char *value, bool literal)
{
	const char *quote = literal ? "`" : "";
	char line[256];

	if (!value || !*value)
		return;
	snprintf(line, sizeof(line), "%s: %s%s%s.", name, quote, value, quote);
	print_text(out, line);
}

static void print_option(FILE *out, const struct pe_option *option)
{
	char env[PE_OPTION_ENV_MAX] = "", range[PE_OPTION_RANGE_MAX];
	char value[PE_OPTION_VALUE_TEXT_MAX];

	if (option->section)
		print_heading(out, ".SS", option->section);
	fputs(".TP\n", out);
	if (option->letter)
		fprintf(out, "\\fB\\-%c\\fP, ", option->letter);
	fputs("\\fB\\-\\-", out);
	print_chars(out, option->name, strlen(option->name));
	pe_option_value_text(option, value);
	fputs("\\fP\\fI", out);
	print_chars(out, value, strlen(value));
	fputs("\\fP\n", out);
	print_text(out, option->help);
	pe_option_range(option, range);
	print_property(out, "Allowed", range, false);
	if (option->initial_text)
		print_property(out, "Default", option->initial_text, false);
	else
		print_property(out, "Default", option->initial, true);
	if (pe_option_has_env(option))
		pe_option_env_name(option, env);
	print_property(out, "Environment", env, true);
}

static void print_metric(FILE *out, const struct pe_catalogue_entry *entry)
{
	if (entry->section)
		print_heading(out, ".SS", entry->section);
	fprintf(out, ".TP\n\\fB%s\\fP (%s)\n", entry->name, entry->type);
	print_text(out, entry->help);
	print_text(out, entry->details);
	print_text(out, entry->condition);
	print_property(out, "Labels", entry->labels, false);
}

void pe_manual_print_man(FILE *out)
{
	struct pe_catalogue_entry entry;
	size_t i;

	/* Without a date: the same version gives the same page whenever it is built. Names are long
	 * and lines short, so that they are neither filled with blanks nor hyphenated. */
	fputs(".TH PACKET\\-EXPORTER 8 \"\" \"packet\\-exporter " PACKAGE_VERSION
	      "\" \"System Administration\"\n"
	      ".ad l\n"
	      ".nh\n",
	      out);
	print_blocks(out, before_options, sizeof(before_options) / sizeof(*before_options));
	print_heading(out, ".SH", "OPTIONS");
	print_paragraphs(out, pe_manual_about_options);
	pe_option_for_each (option)
		print_option(out, option);
	print_heading(out, ".SH", "METRICS");
	print_paragraphs(out, pe_manual_about_metrics);
	for (i = 0; pe_catalogue_get(i, &entry); i++)
		print_metric(out, &entry);
	print_blocks(out, after_metrics, sizeof(after_metrics) / sizeof(*after_metrics));
	pe_manual_print_kernels(out);
	print_blocks(out, after_kernels, sizeof(after_kernels) / sizeof(*after_kernels));
}
