/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of receivers of time series, of remote write and OTLP alike. One thread, at start. */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"

static void fill_target(const struct pe_options *options, const struct pe_remote_targets *targets,
			size_t i, struct pe_remote_label *labels,
			struct pe_remote_write_options *ret_remote)
{
	for (size_t l = 0; l < targets->labels.count; l++) {
		labels[l].name = targets->labels.item[l];
		labels[l].value = labels[l].name + strlen(labels[l].name) + 1;
	}
	*ret_remote = (struct pe_remote_write_options){
		.url = targets->urls.item[i],
		.job = "packet_exporter",
		.instance = options->push_instance,
		.labels = labels,
		.label_count = targets->labels.count,
		.interval_ns = targets->interval_ns,
		.timeout_ns = targets->timeout_ns,
		.max_samples = targets->max_samples,
		.newest_first = targets->newest_first,
		.min_age_ns = targets->min_age_ns,
		.hold_ns = targets->hold_ns,
		.spool_path = options->spool_path,
		.spool_bytes = options->spool_max_bytes,
		.max_age_ns = options->spool_max_age_ns,
		.show = options->show,
		.header_file = targets->header_file,
		.username = targets->username,
		.password_file = targets->password_file,
		.bearer_token_file = targets->bearer_token_file,
		.tls_ca_file = targets->tls_ca_file,
		.tls_cert_file = targets->tls_cert_file,
		.tls_key_file = targets->tls_key_file,
	};
	ret_remote->show.left_out = targets->metrics.left_out;
}

void pe_options_remote_write(const struct pe_options *options, size_t i,
			     struct pe_remote_label *labels,
			     struct pe_remote_write_options *ret_remote)
{
	fill_target(options, &options->remote, i, labels, ret_remote);
	ret_remote->protocol = options->remote_protocol;
}

void pe_options_otlp(const struct pe_options *options, size_t i, struct pe_remote_label *labels,
		     struct pe_remote_write_options *ret_otlp)
{
	fill_target(options, &options->otlp, i, labels, ret_otlp);
	ret_otlp->otlp = true;
}

/* Their metrics have nothing else to distinguish them. */
static int check_distinct(const struct pe_option_parser *parser)
{
	const struct pe_strings *lists[] = { &parser->options->remote.urls,
					     &parser->options->otlp.urls };
	char *shown[PE_SINKS_MAX];
	size_t count = 0;
	int r = 0;

	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++)
		for (size_t i = 0; r == 0 && i < lists[l]->count; i++) {
			char *url = pe_push_redact_url(lists[l]->item[i]);

			if (!url)
				r = pe_option_out_of_memory(parser);
			for (size_t other = 0; r == 0 && other < count; other++)
				if (strcmp(shown[other], url) == 0) {
					fprintf(parser->err,
						PE_OPTIONS_PROGRAM
						": %s: there are two receivers that only differ in "
						"their credentials, or not at all\n",
						url);
					r = -EINVAL;
				}
			if (url)
				shown[count++] = url;
		}
	while (count > 0)
		free(shown[--count]);
	return r;
}

static int check_targets(const struct pe_option_parser *parser,
			 const struct pe_remote_targets *targets, const char *names,
			 void (*fill)(const struct pe_options *options, size_t i,
				      struct pe_remote_label *labels,
				      struct pe_remote_write_options *ret_remote))
{
	_cleanup_free_ struct pe_remote_label *labels =
		calloc(targets->labels.count + 1, sizeof(*labels));
	struct pe_remote_write_options remote;
	char why[PE_OPTION_WHY_MAX];

	if (!labels)
		return pe_option_out_of_memory(parser);
	for (size_t i = 0; i < targets->urls.count; i++) {
		fill(parser->options, i, labels, &remote);
		if (pe_remote_write_check(&remote, why, sizeof(why)) == 0)
			continue;
		fprintf(parser->err, PE_OPTIONS_PROGRAM ": --%s.*: %s\n", names, why);
		return -EINVAL;
	}
	return 0;
}

int pe_option_check_receivers(const struct pe_option_parser *parser)
{
	const struct pe_options *options = parser->options;
	int err = check_targets(parser, &options->remote, "remote-write", pe_options_remote_write);

	if (err == 0)
		err = check_targets(parser, &options->otlp, "otlp", pe_options_otlp);
	return err == 0 ? check_distinct(parser) : err;
}
