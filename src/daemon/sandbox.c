/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sandbox.h. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>

#include "pe/cleanup.h"

#include "calls.h"
#include "landlock.h"
#include "privileges.h"

/* Of the options' files and the web configuration's. */
#define FILES_MAX 32

struct files {
	const char *path[FILES_MAX];
	size_t count;
};

/*
 * Libraries that are loaded late (the name service's), and the system's certificates. Who may read
 * them is everybody.
 */
static const char *const system_folders[] = {
	"/lib",
	"/lib64",
	"/usr/lib",
	"/usr/lib32",
	"/usr/lib64",
	"/usr/libx32",
	"/usr/local/lib",
	"/nix/store",
	"/usr/share/zoneinfo",
	"/sys/devices/system/cpu",
	"/etc/ssl/certs",
	"/etc/ca-certificates",
	"/etc/pki/tls/certs",
	"/etc/pki/ca-trust/extracted",
	"/etc/crypto-policies",
	"/usr/share/ca-certificates",
	"/usr/share/crypto-policies",
	"/usr/share/pki",
	"/usr/local/share/ca-certificates",
	"/var/lib/ca-certificates",
};

/*
 * One by one, because root could read all there is in /etc: /etc/shadow, private keys. Where they
 * are links, what is linked to may be replaced.
 */
static const char *const system_files[] = {
	"/etc/ld.so.cache",
	"/etc/ld.so.preload",
	"/etc/localtime",
	"/etc/nsswitch.conf",
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/services",
	"/etc/protocols",
	"/etc/ssl/cert.pem",
	"/etc/ssl/openssl.cnf",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/tls/openssl.cnf",
	"/dev/null",
	"/dev/random",
	"/dev/urandom",
	"/proc/sys/vm/overcommit_memory",
};

static struct {
	bool on, files, calls;
	/* Landlock goes by inodes; that of /proc/self lives as long as somebody has it open. */
	int proc_self;
	uint64_t reported;
} sandbox = { .proc_self = -1 };

static void add_file(struct files *files, const char *path)
{
	if (path && files->count < FILES_MAX)
		files->path[files->count++] = path;
}

static void add_target_files(struct files *files, const struct pe_remote_targets *targets)
{
	add_file(files, targets->header_file);
	add_file(files, targets->password_file);
	add_file(files, targets->bearer_token_file);
	add_file(files, targets->tls_ca_file);
	add_file(files, targets->tls_cert_file);
	add_file(files, targets->tls_key_file);
}

static bool has_targets(const struct pe_options *options)
{
	return options->push_url || options->remote.urls.count > 0 || options->otlp.urls.count > 0;
}

/* All that is read again later. */
static void list_files(const struct pe_options *options, const struct pe_web *web,
		       struct files *ret_files)
{
	const char *path;

	add_file(ret_files, options->push_password_file);
	add_file(ret_files, options->push_bearer_token_file);
	add_file(ret_files, options->push_tls_ca_file);
	add_file(ret_files, options->push_tls_cert_file);
	add_file(ret_files, options->push_tls_key_file);
	add_target_files(ret_files, &options->remote);
	add_target_files(ret_files, &options->otlp);
	for (size_t i = 0; web && (path = pe_web_file(web, i)); i++)
		add_file(ret_files, path);
}

/* ---- the user ---- */

/* Even root may read only its own now. */
static void warn_unreadable(const struct files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		if (access(files->path[i], R_OK) < 0 && errno == EACCES)
			pe_warn("main", "%s cannot be read again: user %u may not read it",
				files->path[i], (unsigned int)geteuid());
	}
}

static int drop_privileges(const struct pe_options *options, const struct files *files)
{
	_cleanup_(pe_user_fini) struct pe_user user = { 0 };
	int r = options->user ? pe_user_find(options->user, &user) : 0;

	if (r == 0)
		r = pe_privileges_drop(options->user ? &user : NULL);
	if (r < 0 && options->user)
		pe_error("main", "cannot become the user %s: %s%s", options->user, strerror(-r),
			 r == -EPERM ? "; it takes CAP_SETUID and CAP_SETGID" : "");
	else if (r < 0)
		pe_error("main", "cannot give up privileges: %s", strerror(-r));
	else
		warn_unreadable(files);
	return r;
}

/* ---- files ---- */

static bool is_broad(const char *folder)
{
	return strcmp(folder, "/") == 0 || strcmp(folder, "/etc") == 0;
}

static void allow_system_place(const char *place, void *userdata)
{
	const int *rules = userdata;

	/* A system need not have it. */
	if (!is_broad(place))
		pe_landlock_allow(*rules, place);
}

static void allow_configured_place(const char *place, void *userdata)
{
	const int *rules = userdata;
	int r = pe_landlock_allow(*rules, place);

	/* What may not be read at all has been reported. */
	if (r < 0 && r != -EACCES)
		pe_warn("main", "%s: %s; files in it cannot be read later", place, strerror(-r));
	else if (is_broad(place) && geteuid() == 0)
		pe_warn("main",
			"all in %s may be read, because a configured file is there; better "
			"give it a folder of its own",
			place);
}

static bool has_spool(const struct pe_options *options)
{
	return options->spool_path && options->remote.urls.count + options->otlp.urls.count > 0;
}

/* Of runtimes, where they are there and may be read. */
static void allow_identity(const struct pe_options *options, int rules)
{
	const char *folder;

	for (size_t i = 0;
	     options->identity && options->identity_files && (folder = pe_identities_folder(i));
	     i++)
		pe_landlock_allow(rules, folder);
}

static void allow_proc_self(int rules)
{
	sandbox.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sandbox.proc_self >= 0)
		pe_landlock_allow(rules, "/proc/self");
}

static int restrict_files(const struct pe_options *options, const struct files *files)
{
	int new_rules = pe_landlock_new();
	_cleanup_close_ int rules = new_rules;
	int r;

	if (rules < 0)
		return rules;
	for (size_t i = 0; i < sizeof(system_folders) / sizeof(*system_folders); i++)
		pe_landlock_allow(rules, system_folders[i]);
	for (size_t i = 0; i < sizeof(system_files) / sizeof(*system_files); i++)
		pe_landlock_places(system_files[i], false, allow_system_place, &rules);
	/* Then the resolver's files may be replaced, too; others than root read no secrets there.
	 */
	if (has_targets(options) && geteuid() != 0)
		pe_landlock_allow(rules, "/etc");
	for (size_t i = 0; i < files->count; i++)
		pe_landlock_places(files->path[i], true, allow_configured_place, &rules);
	if (has_spool(options) && (r = pe_landlock_allow_writing(rules, options->spool_path)) < 0)
		pe_warn("main", "the spool %s: %s", options->spool_path, strerror(-r));
	allow_identity(options, rules);
	allow_proc_self(rules);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* A report names functions. */
	pe_landlock_allow(rules, "/");
#endif
	return pe_landlock_enforce(rules);
}

/* ---- all of it ---- */

int pe_sandbox_enter(const struct pe_options *options, const struct pe_web *web)
{
	struct files files = { 0 };
	int r;

	list_files(options, web, &files);
	r = drop_privileges(options, &files);
	if (r < 0 || !options->sandbox)
		return r;
	sandbox.on = true;
	r = restrict_files(options, &files);
	sandbox.files = r == 0;
	if (r < 0)
		pe_info("main",
			"no Landlock (%s): files can be read as far as the user may; it takes "
			"Linux 5.13 with the module \"landlock\", which a container may use",
			strerror(-r));
	r = pe_calls_restrict(has_spool(options));
	sandbox.calls = r == 0;
	if (r < 0)
		pe_warn("main", "no seccomp (%s): system calls are not restricted", strerror(-r));
	return 0;
}

void pe_sandbox_seal(void)
{
	if (sandbox.on)
		prctl(PR_SET_DUMPABLE, 0);
}

void pe_sandbox_report(void)
{
	uint64_t now = pe_calls_refused();
	char name[32] = "";

	if (sandbox.reported || !now)
		return;
	sandbox.reported = now;
	pe_calls_last_refused(name, sizeof(name));
	pe_error("main",
		 "the sandbox has refused the system call %s: this is an error of the exporter or "
		 "an attack; packet_exporter_denied_system_calls_total counts them; --sandbox=off "
		 "permits them",
		 name);
}

void pe_sandbox_sample(struct pe_self_sample *self)
{
	self->denied_system_calls = pe_calls_refused();
	self->sandbox[PE_SANDBOX_CALLS] = sandbox.calls;
	self->sandbox[PE_SANDBOX_FILES] = sandbox.files;
}
