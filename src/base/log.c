/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: formats a line on the stack and writes it with one write(2), so that threads do not
 * interleave and nothing is allocated when memory is what the line is about.
 *
 * Invariant: whatever the message holds, the output is one line of valid UTF-8, and in JSON a valid
 * object: what does not fit is cut at a whole character and ends in "…". Any thread.
 */
#include "pe/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/utf8.h"

#define LINE_MAX_BYTES 2048
#define ELLIPSIS       "\xe2\x80\xa6"

/* Written before other threads start, only read afterwards. */
static enum pe_log_level log_level = PE_LOG_INFO;
static enum pe_log_format log_format = PE_LOG_LOGFMT;

static const char *const level_names[] = {
	[PE_LOG_DEBUG] = "debug",
	[PE_LOG_INFO] = "info",
	[PE_LOG_WARN] = "warn",
	[PE_LOG_ERROR] = "error",
};

void pe_log_init(enum pe_log_level level, enum pe_log_format format)
{
	log_level = level;
	log_format = format;
}

bool pe_log_enabled(enum pe_log_level level)
{
	return level >= log_level;
}

/* Writes the character at s, escaped for both formats, to `out`; returns its length there. */
static size_t escape(const unsigned char *s, size_t len, char out[8])
{
	if (len == 0)
		return (size_t)sprintf(out, "\\ufffd");
	if (len == 1) {
		switch (s[0]) {
		case '"':
		case '\\':
			return (size_t)sprintf(out, "\\%c", s[0]);
		case '\n':
			return (size_t)sprintf(out, "\\n");
		case '\r':
			return (size_t)sprintf(out, "\\r");
		case '\t':
			return (size_t)sprintf(out, "\\t");
		}
		if (s[0] < 0x20 || s[0] == 0x7f)
			return (size_t)sprintf(out, "\\u%04x", s[0]);
	}
	/* U+0080 to U+009F are control characters: a terminal may obey them. */
	if (len == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return (size_t)sprintf(out, "\\u%04x", s[1]);
	memcpy(out, s, len);
	return len;
}

/* Appends `msg` escaped, so that at most `max` bytes are used. */
static size_t add_escaped(char *out, size_t max, const char *msg)
{
	const unsigned char *s = (const unsigned char *)msg;
	size_t used = 0, fits = 0;

	while (*s) {
		char piece[8];
		size_t len = pe_utf8_length((const char *)s);
		size_t n = escape(s, len, piece);

		if (used + n > max) {
			memcpy(out + fits, ELLIPSIS, strlen(ELLIPSIS));
			return fits + strlen(ELLIPSIS);
		}
		memcpy(out + used, piece, n);
		used += n;
		if (used + strlen(ELLIPSIS) <= max)
			fits = used;
		s += len ? len : 1;
	}
	return used;
}

static size_t add_head(char *line, size_t size, enum pe_log_level level, const char *subsystem)
{
	uint64_t now_ns = pe_clock_realtime_ns();
	time_t seconds = (time_t)(now_ns / PE_NS_PER_S);
	unsigned int ms = (unsigned int)(now_ns % PE_NS_PER_S / PE_NS_PER_MS);
	char ts[24] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(ts, sizeof(ts), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(
		line, size,
		log_format == PE_LOG_JSON
			? "{\"ts\":\"%s.%03uZ\",\"level\":\"%s\",\"subsystem\":\"%.32s\",\"msg\":\""
			: "ts=%s.%03uZ level=%s subsystem=%.32s msg=\"",
		ts, ms, level_names[level], subsystem);
}

void pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...)
{
	const char *tail = log_format == PE_LOG_JSON ? "\"}\n" : "\"\n";
	char msg[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	int saved = errno;
	va_list ap;
	size_t len;
	int n;

	if (!pe_log_enabled(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		snprintf(msg, sizeof(msg), "(the message could not be formatted)");
	len = add_head(line, sizeof(line), level, subsystem);
	/* A message that vsnprintf() cut is longer than the rest of the line: it is cut again. */
	len += add_escaped(line + len, sizeof(line) - len - strlen(tail), msg);
	memcpy(line + len, tail, strlen(tail));
	len += strlen(tail);
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool pe_log_once(struct pe_log_once *once, uint64_t every_ns)
{
	uint64_t next_ns = __atomic_load_n(&once->next_ns, __ATOMIC_RELAXED);
	uint64_t now_ns;

	if (next_ns == UINT64_MAX)
		return false;
	now_ns = pe_clock_monotonic_ns();
	if (now_ns < next_ns)
		return false;
	/* Of callers at the same time only one logs. */
	return __atomic_compare_exchange_n(&once->next_ns, &next_ns,
					   every_ns ? now_ns + every_ns : UINT64_MAX, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
