/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one line an event to standard error, as logfmt or JSON.
 *
 * Lower layers return errors; the layer that knows the consequence logs, once, and says what
 * happens next. Any thread; a line is one write(2). Values are escaped, so that an interface name
 * or a peer's answer cannot forge a line.
 */
#ifndef PE_LOG_H
#define PE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum pe_log_level {
	PE_LOG_DEBUG,
	PE_LOG_INFO,
	PE_LOG_WARN,
	PE_LOG_ERROR,
};

enum pe_log_format {
	PE_LOG_LOGFMT,
	PE_LOG_JSON,
};

/* Sets the lowest level that is written and the format. Call before other threads start. */
void pe_log_init(enum pe_log_level level, enum pe_log_format format);

/* True if a line of this level would be written. Never blocks. */
bool pe_log_enabled(enum pe_log_level level);

/*
 * Writes one line: ts, level, subsystem (a short lower-case word such as "net"), msg.
 * `fmt` is the message; it ends without a full stop or a newline. Lines over 2 KiB are cut.
 * May block as long as standard error does. errno is kept.
 */
void pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define pe_debug(subsystem, ...) pe_log(PE_LOG_DEBUG, subsystem, __VA_ARGS__)
#define pe_info(subsystem, ...)	 pe_log(PE_LOG_INFO, subsystem, __VA_ARGS__)
#define pe_warn(subsystem, ...)	 pe_log(PE_LOG_WARN, subsystem, __VA_ARGS__)
#define pe_error(subsystem, ...) pe_log(PE_LOG_ERROR, subsystem, __VA_ARGS__)

/*
 * Limits how often something is logged: true the first time it is called with this object, and
 * again once `every_ns` has passed (0: never again). Any thread; lock-free.
 */
struct pe_log_once {
	uint64_t next_ns;
};
bool pe_log_once(struct pe_log_once *once, uint64_t every_ns);

#endif
