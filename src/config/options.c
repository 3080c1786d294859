/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of the daemon: what all sources together give, made ready and checked as a whole.
 * Invariant: options that were refused leave nothing behind. One thread, at start.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/catalogue.h"
#include "pe/cleanup.h"
#include "pe/link.h"
#include "pe/web.h"

#define WORKERS_MAX 8u

static unsigned int usable_cpus(void)
{
	cpu_set_t set;
	long count;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	else
		count = sysconf(_SC_NPROCESSORS_ONLN);
	return count > 0 ? (unsigned int)count : 1;
}

static const struct pe_option *find(const char *name)
{
	return pe_option_find(name, strlen(name));
}

/* What defaults there are, and those that are not the same on every host. */
static int set_from_host(const struct pe_option_parser *parser)
{
	struct pe_options *options = parser->options;
	char name[PE_PUSH_HOST_MAX], source[PE_OPTION_ENV_MAX];

	options->listen_is_default =
		!pe_option_is_explicit(parser, find("web.listen-address"), source);
	if (!options->flows)
		options->workers = 0;
	else if (options->workers == 0)
		options->workers = usable_cpus() < WORKERS_MAX ? usable_cpus() : WORKERS_MAX;
	if (options->push_instance)
		return 0;
	pe_push_host_name(name);
	options->push_instance_is_host = true;
	options->push_instance = strdup(name);
	return options->push_instance ? 0 : pe_option_out_of_memory(parser);
}

/* The table has checked both, so that only memory can be missing. */
static int compile_regexes(const struct pe_option_parser *parser)
{
	struct pe_options *options = parser->options;

	if (regcomp(&options->include, options->interface_include, REG_EXTENDED | REG_NOSUB) != 0)
		return pe_option_out_of_memory(parser);
	if (regcomp(&options->exclude, options->interface_exclude, REG_EXTENDED | REG_NOSUB) != 0) {
		regfree(&options->include);
		return pe_option_out_of_memory(parser);
	}
	options->has_regex = true;
	return 0;
}

/* Likewise. */
static int compile_rules(const struct pe_option_parser *parser)
{
	struct pe_options *options = parser->options;
	const struct pe_strings *texts = &options->workload_rules;

	options->rules = calloc(texts->count + 1, sizeof(*options->rules));
	if (!options->rules)
		return pe_option_out_of_memory(parser);
	for (; options->rule_count < texts->count; options->rule_count++) {
		char why[PE_OPTION_WHY_MAX];

		if (pe_workload_rule_parse(texts->item[options->rule_count],
					   &options->rules[options->rule_count], why,
					   sizeof(why)) < 0)
			return pe_option_out_of_memory(parser);
	}
	return 0;
}

static int leave_out(const struct pe_option_parser *parser, struct pe_metric_filter *filter,
		     const char *names)
{
	int r;

	filter->left_out = parser->options->show.left_out;
	r = pe_catalogue_leave_out(filter->include, filter->exclude, &filter->left_out);
	if (r != -ENOENT)
		return r == 0 ? 0 : pe_option_out_of_memory(parser);
	fprintf(parser->err,
		PE_OPTIONS_PROGRAM ": %sinclude=%s and %sexclude=%s leave no metric over\n", names,
		filter->include, names, filter->exclude);
	return -EINVAL;
}

/* First what is left out everywhere. The table has checked the expressions. */
static int compile_filters(const struct pe_option_parser *parser)
{
	struct pe_options *options = parser->options;
	int err = leave_out(parser, &options->metrics, "--metrics.");

	options->show.left_out = options->metrics.left_out;
	if (err == 0)
		err = leave_out(parser, &options->push_metrics, "--push.metrics-");
	if (err == 0)
		err = leave_out(parser, &options->remote.metrics, "--remote-write.metrics-");
	if (err == 0)
		err = leave_out(parser, &options->otlp.metrics, "--otlp.metrics-");
	return err;
}

/* The one would silently be without effect. */
static int check_listen(const struct pe_option_parser *parser)
{
	char sockets[PE_OPTION_ENV_MAX], address[PE_OPTION_ENV_MAX];

	if (!parser->options->web_systemd_socket ||
	    !pe_option_is_explicit(parser, find("web.listen-address"), address))
		return 0;
	pe_option_source(parser, find("web.systemd-socket"), sockets);
	fprintf(parser->err,
		PE_OPTIONS_PROGRAM
		": %s and %s exclude each other: the sockets that systemd passes "
		"have their addresses\n",
		sockets, address);
	return -EINVAL;
}

static int check_flows(const struct pe_option_parser *parser)
{
	char flows[PE_OPTION_ENV_MAX], top[PE_OPTION_ENV_MAX];

	if (parser->options->flows || parser->options->flows_top == 0)
		return 0;
	pe_option_source(parser, find("flows"), flows);
	pe_option_source(parser, find("flows.top"), top);
	fprintf(parser->err,
		PE_OPTIONS_PROGRAM ": %s=off and %s exclude each other: without flows there are "
				   "no largest ones\n",
		flows, top);
	return -EINVAL;
}

/* "NAME=VALUE" to two strings, as the push sink takes them. */
static void split_labels(struct pe_strings *labels)
{
	size_t i;

	for (i = 0; i < labels->count; i++)
		*strchr(labels->item[i], '=') = '\0';
}

static int check_push_part(const struct pe_option_parser *parser, const char *name,
			   const struct pe_push_options *push)
{
	char source[PE_OPTION_ENV_MAX] = "--push.*", why[PE_OPTION_WHY_MAX] = "";

	if (pe_push_check(push, why, sizeof(why)) == 0)
		return 0;
	if (name)
		pe_option_source(parser, find(name), source);
	fprintf(parser->err, PE_OPTIONS_PROGRAM ": %s: %s\n", source, why);
	return -EINVAL;
}

/* Part by part, so that an error names the option it is about. */
static int check_push(const struct pe_option_parser *parser)
{
	const struct pe_options *options = parser->options;
	_cleanup_free_ struct pe_push_label *labels =
		calloc(options->push_grouping.count + 1, sizeof(*labels));
	struct pe_push_options all, part;
	int err;

	if (!labels)
		return pe_option_out_of_memory(parser);
	pe_options_push(options, labels, &all);
	part = (struct pe_push_options){
		.url = all.url,
		.job = "job",
		.instance = "instance",
		.interval_ns = all.interval_ns,
		.timeout_ns = all.timeout_ns,
	};
	err = check_push_part(parser, "push.url", &part);
	if (err < 0)
		return err;
	part.job = all.job;
	err = check_push_part(parser, "push.job", &part);
	if (err < 0)
		return err;
	part.instance = all.instance;
	err = check_push_part(parser, "push.instance", &part);
	if (err < 0)
		return err;
	part.grouping = all.grouping;
	part.grouping_count = all.grouping_count;
	err = check_push_part(parser, "push.grouping", &part);
	if (err < 0)
		return err;
	return check_push_part(parser, NULL, &all);
}

static int check_files(const struct pe_option_parser *parser)
{
	char source[PE_OPTION_ENV_MAX], why[PE_OPTION_WHY_MAX];

	pe_option_for_each (option) {
		_cleanup_close_ int fd = -1;
		const char *path;
		struct stat st;
		int error = 0;

		if (option->type != PE_OPTION_FILE)
			continue;
		path = *(char **)pe_option_field(option, parser->options);
		if (!path)
			continue;
		/* Opened rather than asked for: only that is what the daemon will do. */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 || fstat(fd, &st) < 0)
			error = errno;
		else if (S_ISDIR(st.st_mode))
			error = EISDIR;
		if (error == 0)
			continue;
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(error));
		return pe_option_refuse(parser, pe_option_source(parser, option, source), path,
					why);
	}
	return 0;
}

/* As the daemon will: with the certificates and keys that it names. */
static int check_web_config(const struct pe_option_parser *parser)
{
	const char *file = parser->options->web_config_file;
	char source[PE_OPTION_ENV_MAX], why[PE_WEB_WHY_MAX] = "";
	struct pe_web *web = NULL;
	const int r = file ? pe_web_new(file, &web, why, sizeof(why)) : 0;

	pe_web_free(web);
	if (r == 0)
		return 0;
	pe_option_source(parser, find("web.config.file"), source);
	fprintf(parser->err, PE_OPTIONS_PROGRAM ": %s: %s\n", source, why);
	return -EINVAL;
}

static int parse(struct pe_option_parser *parser, int argc, char *const *argv, FILE *out,
		 enum pe_options_action *ret_action)
{
	int err = pe_option_parse_argv(parser, argc, argv, out, ret_action);

	if (err < 0 || *ret_action == PE_OPTIONS_EXIT)
		return err;
	parser->quiet = *ret_action == PE_OPTIONS_HEALTHCHECK;
	err = pe_option_set_all(parser);
	if (err == 0)
		err = set_from_host(parser);
	if (err == 0)
		err = compile_regexes(parser);
	if (err == 0)
		err = compile_rules(parser);
	if (err == 0)
		err = compile_filters(parser);
	if (err == 0)
		err = check_listen(parser);
	if (err == 0)
		err = check_flows(parser);
	if (err == 0)
		split_labels(&parser->options->push_grouping);
	if (err == 0)
		split_labels(&parser->options->remote.labels);
	if (err == 0)
		split_labels(&parser->options->otlp.labels);
	if (err == 0 && parser->options->push_url)
		err = check_push(parser);
	if (err == 0)
		err = pe_option_check_receivers(parser);
	if (err == 0 && *ret_action == PE_OPTIONS_CHECK_CONFIG)
		err = check_files(parser);
	if (err == 0 && *ret_action == PE_OPTIONS_CHECK_CONFIG)
		err = check_web_config(parser);
	return err;
}

int pe_options_parse(struct pe_options *ret_options, int argc, char *const *argv,
		     const char *const *env, FILE *out, FILE *err,
		     enum pe_options_action *ret_action)
{
	_cleanup_free_ struct pe_option_given *given =
		calloc(argc > 0 ? (size_t)argc : 1, sizeof(*given));
	struct pe_option_parser parser = {
		.options = ret_options,
		.environ = env,
		.err = err,
		.given = given,
	};
	enum pe_options_action action = PE_OPTIONS_RUN;
	int r;

	*ret_options = (struct pe_options){ 0 };
	if (!given)
		return pe_option_out_of_memory(&parser);
	r = parse(&parser, argc, argv, out, &action);
	if (r < 0) {
		pe_options_fini(ret_options);
		return r;
	}
	*ret_action = action;
	return 0;
}

void pe_options_fini(struct pe_options *options)
{
	size_t i;

	pe_option_for_each (option)
		pe_option_clear(option, options);
	for (i = 0; i < options->rule_count; i++)
		pe_workload_rule_fini(&options->rules[i]);
	free(options->rules);
	if (options->has_regex) {
		regfree(&options->include);
		regfree(&options->exclude);
	}
	*options = (struct pe_options){ 0 };
}

/* Whether the name matches, or one of the alternative names. */
static bool matches_any(const regex_t *regex, const char *name, const char *altnames)
{
	char altname[PE_LINK_ALTNAMES_MAX];

	if (regexec(regex, name, 0, NULL, 0) == 0)
		return true;
	while (*altnames) {
		size_t len = strcspn(altnames, ",");

		snprintf(altname, sizeof(altname), "%.*s", (int)len, altnames);
		if (regexec(regex, altname, 0, NULL, 0) == 0)
			return true;
		altnames += len + (altnames[len] == ',');
	}
	return false;
}

bool pe_options_match(const struct pe_options *options, const char *name, const char *altnames)
{
	if (!matches_any(&options->include, name, altnames))
		return false;
	/* The empty expression matches all, but who excludes "" means none. */
	return !*options->interface_exclude || !matches_any(&options->exclude, name, altnames);
}

void pe_options_push(const struct pe_options *options, struct pe_push_label *labels,
		     struct pe_push_options *ret_push)
{
	size_t i;

	for (i = 0; i < options->push_grouping.count; i++) {
		labels[i].name = options->push_grouping.item[i];
		labels[i].value = labels[i].name + strlen(labels[i].name) + 1;
	}
	*ret_push = (struct pe_push_options){
		.url = options->push_url,
		.job = options->push_job,
		.instance = options->push_instance,
		.instance_is_host = options->push_instance_is_host,
		.grouping = labels,
		.grouping_count = options->push_grouping.count,
		.interval_ns = options->push_interval_ns,
		.timeout_ns = options->push_timeout_ns,
		.on_exit = options->push_on_exit,
		.gzip = options->push_gzip,
		.show = options->show,
		.username = options->push_username,
		.password_file = options->push_password_file,
		.bearer_token_file = options->push_bearer_token_file,
		.tls_ca_file = options->push_tls_ca_file,
		.tls_cert_file = options->push_tls_cert_file,
		.tls_key_file = options->push_tls_key_file,
	};
	ret_push->show.left_out = options->push_metrics.left_out;
}
