/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be written to, and with which labels: mostly what can be pushed. Pure but for the file
 * of headers and the spool's folder; any thread. */
#include "pe/remote_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/push.h"

#include "header_file.h"
#include "remote_sink.h"

static bool has_option(const char *name)
{
	return strcmp(name, "job") == 0 || strcmp(name, "instance") == 0;
}

/* As a push with these labels. job and instance may be among them. */
static int check_as_push(const struct pe_remote_write_options *options, char *error, size_t size)
{
	static const char word[] = "grouping ";
	struct pe_push_label labels[PE_REMOTE_LABELS_MAX];
	struct pe_push_options push = {
		.url = options->url,
		.job = options->job,
		.instance = options->instance,
		.grouping = labels,
		.interval_ns = options->interval_ns,
		.timeout_ns = options->timeout_ns,
		.username = options->username,
		.password_file = options->password_file,
		.bearer_token_file = options->bearer_token_file,
		.tls_cert_file = options->tls_cert_file,
		.tls_key_file = options->tls_key_file,
	};
	int r;

	for (size_t i = 0; i < options->label_count; i++) {
		const struct pe_remote_label *label = &options->labels[i];
		const char *name = options->otlp ? pe_otlp_label(label->name) : label->name;

		if (strcmp(name, "job") == 0)
			push.job = label->value;
		else if (has_option(name))
			push.instance = label->value;
		else if (!options->otlp)
			labels[push.grouping_count++] =
				(struct pe_push_label){ label->name, label->value };
	}
	r = pe_push_check(&push, error, size);
	if (r < 0 && strncmp(error, word, sizeof(word) - 1) == 0)
		memmove(error, error + sizeof(word) - 1, strlen(error + sizeof(word) - 1) + 1);
	return r;
}

static int check_spool(const char *path, char *error, size_t error_size)
{
	struct stat st;
	const char *why = NULL;

	if (!path)
		return 0;
	if (stat(path, &st) < 0)
		why = strerror(errno);
	else if (!S_ISDIR(st.st_mode))
		why = "it is no folder";
	/* A disk that fails is no reason not to count. */
	else if (access(path, W_OK | X_OK) < 0 && errno == EACCES)
		why = strerror(errno);
	if (!why)
		return 0;
	snprintf(error, error_size, "the spool %s: %s", path, why);
	return -EINVAL;
}

int pe_remote_write_check(const struct pe_remote_write_options *options, char *error,
			  size_t error_size)
{
	struct pe_headers headers = { 0 };
	char reason[256];
	const char *why;
	int r;

	/* job and instance are two of them. */
	if (options->label_count > PE_REMOTE_LABELS_MAX - 2) {
		snprintf(error, error_size, "more than %d %s", PE_REMOTE_LABELS_MAX - 2,
			 options->otlp ? "attributes" : "labels");
		return -EINVAL;
	}
	r = check_as_push(options, error, error_size);
	if (r < 0)
		return r;
	if (options->otlp)
		r = pe_otlp_check_attributes(options, error, error_size);
	if (r < 0)
		return r;
	if (!options->otlp && pe_remote_load(&why) < 0) {
		snprintf(error, error_size, "libsnappy cannot be loaded: %s", why);
		return -EINVAL;
	}
	r = pe_headers_read(options->header_file, &headers, reason, sizeof(reason));
	pe_headers_fini(&headers);
	if (r == -EINVAL)
		snprintf(error, error_size, "%s: %s", options->header_file, reason);
	if (r == 0)
		r = check_spool(options->spool_path, error, error_size);
	return r;
}
