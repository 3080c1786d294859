/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pe/web.h and web_state.h. What is watched are the files of the last attempt, so that a bad
 * file is complained of once and tried again when it has changed. Identities are those of the
 * descriptors that were read: a file that is replaced in between is found to have changed.
 *
 * Locks: `reading` is held while files are read and guards the identities; `lock` guards the state
 * in force and the statistics, and is never held for long.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#include "web_state.h"

#define CHECK_EVERY_NS PE_NS_PER_S
#define FILE_MAX_BYTES PE_YAML_MAX_BYTES
#define FILES_MAX      4 /* configuration, certificate, key, CA */

struct watched {
	char *path;
	struct stat stat; /* zero if it could not be read */
};

struct pe_web {
	char *file; /* NULL if there is none */
	char *directory;

	pthread_mutex_t reading;
	struct watched files[FILES_MAX];
	size_t file_count;
	struct pe_log_once checked;

	pthread_mutex_t lock;
	struct pe_web_state *state;
	bool successful;
	uint64_t success_ns;
};

/* ---- files, under `reading` ---- */

static void forget_files(struct pe_web *web)
{
	while (web->file_count > 0)
		free(web->files[--web->file_count].path);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool have_changed(const struct pe_web *web)
{
	for (size_t i = 0; i < web->file_count; i++) {
		struct stat now;

		if (stat(web->files[i].path, &now) < 0)
			now = (struct stat){ 0 };
		if (!is_same(&now, &web->files[i].stat))
			return true;
	}
	return false;
}

static int read_opened(const char *path, struct stat *ret_stat, struct pe_strbuf *content)
{
	/* A FIFO would be waited for. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st = { 0 };
	ssize_t n;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = -errno;
	/* What cannot be opened is there all the same, and should be complained of once. */
	if (fd < 0 && stat(path, &st) < 0)
		st = (struct stat){ 0 };
	*ret_stat = st;
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)FILE_MAX_BYTES)
		return -EFBIG;
	/* It may grow while it is read. */
	while (content->len <= FILE_MAX_BYTES) {
		if (pe_strbuf_reserve(content, 4096) < 0)
			return -ENOMEM;
		n = read(fd, content->data + content->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		content->len += (size_t)n;
	}
	return -EFBIG;
}

/* Reads and watches. `key` is what has named the path, NULL for an option: what a file names is
 * never shown, as it may be a key that was written in the wrong place. */
static int read_file(struct pe_web *web, const char *path, const char *key,
		     struct pe_strbuf *content, char *why, size_t why_size)
{
	const char *colon = key ? ": " : "";
	struct watched *file = &web->files[web->file_count];
	int r;

	*file = (struct watched){ .path = strdup(path) };
	if (!file->path)
		return -ENOMEM;
	web->file_count++;
	r = read_opened(path, &file->stat, content);
	key = key ? key : "";
	if (r == -EINVAL)
		snprintf(why, why_size, "%s%s%s: is not a regular file", web->file, colon, key);
	else if (r == -EFBIG)
		snprintf(why, why_size, "%s%s%s: is larger than %zu bytes", web->file, colon, key,
			 FILE_MAX_BYTES);
	else if (r < 0)
		snprintf(why, why_size, "%s%s%s: cannot be read: %s", web->file, colon, key,
			 strerror(-r));
	return r;
}

/* ---- states ---- */

bool pe_web_may_have_users(const struct pe_web *web)
{
	return web->file;
}

struct pe_web_state *pe_web_put(struct pe_web_state *state)
{
	if (!state || __atomic_sub_fetch(&state->references, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	pe_users_free(state->users);
	pe_tls_free(state->tls);
	pe_web_config_free(state->config);
	free(state);
	return NULL;
}

static void cleanup_state(struct pe_web_state **state)
{
	pe_web_put(*state);
}

static int read_config(struct pe_web *web, struct pe_web_config **ret_config, char *why,
		       size_t why_size)
{
	struct pe_strbuf content = PE_STRBUF_INIT;
	struct pe_yaml_error error = { 0 };
	int r = 0;

	if (web->file)
		r = read_file(web, web->file, NULL, &content, why, why_size);
	if (r == 0) {
		r = pe_web_config_parse(content.data ? content.data : "", content.len,
					web->directory, ret_config, &error);
		if (r == -EINVAL && error.line > 0)
			snprintf(why, why_size, "%s:%zu: %s", web->file, error.line, error.text);
		else if (r == -EINVAL)
			snprintf(why, why_size, "%s: %s", web->file, error.text);
	}
	pe_strbuf_fini(&content);
	return r;
}

/* Of a text and a file, what is given. */
static int read_material(struct pe_web *web, const char *text, const char *path, const char *key,
			 struct pe_strbuf *content, char *why, size_t why_size)
{
	if (path)
		return read_file(web, path, key, content, why, why_size);
	if (text)
		pe_strbuf_adds(content, text);
	return content->error;
}

static int load_tls(struct pe_web *web, struct pe_web_state *state, char *why, size_t why_size)
{
	const struct pe_web_config *c = state->config;
	struct pe_tls_material material = { 0 };
	char detail[PE_WEB_WHY_MAX];
	int r = read_material(web, c->cert, c->cert_file, "cert_file", &material.cert, why,
			      why_size);

	if (r == 0)
		r = read_material(web, c->key, c->key_file, "key_file", &material.key, why,
				  why_size);
	if (r == 0)
		r = read_material(web, c->client_ca, c->client_ca_file, "client_ca_file",
				  &material.client_ca, why, why_size);
	if (r == 0) {
		r = pe_tls_new(c, &material, &state->tls, detail, sizeof(detail));
		if (r == -EINVAL)
			snprintf(why, why_size, "%s: %s", web->file, detail);
	}
	if (material.key.data)
		explicit_bzero(material.key.data, material.key.len);
	pe_strbuf_fini(&material.cert);
	pe_strbuf_fini(&material.key);
	pe_strbuf_fini(&material.client_ca);
	return r;
}

/* Reads all there is, under `reading`. */
static int load(struct pe_web *web, struct pe_web_state **ret_state, char *why, size_t why_size)
{
	_cleanup_(cleanup_state) struct pe_web_state *state = calloc(1, sizeof(*state));
	int r;

	snprintf(why, why_size, "%s: out of memory", web->file ? web->file : "");
	if (!state)
		return -ENOMEM;
	state->references = 1;
	forget_files(web);
	r = read_config(web, &state->config, why, why_size);
	if (r == 0 && state->config->tls)
		r = load_tls(web, state, why, why_size);
	if (r == 0 && state->config->user_count > 0)
		r = pe_users_new(state->config, web->state ? web->state->users : NULL,
				 &state->users);
	if (r < 0)
		return r;
	*ret_state = PE_TAKE_PTR(state);
	return 0;
}

/* ---- one after the other ---- */

/* Takes the new state. Under `reading`, so nobody else replaces the one in force. */
static int replace(struct pe_web *web, struct pe_web_state *state, char *why, size_t why_size)
{
	struct pe_web_state *before = web->state;
	const char *refusal = pe_web_config_refusal(before->config, state->config);

	/* Each listening socket speaks one or the other from its start. */
	if (!state->tls != !before->tls)
		snprintf(why, why_size, "%s: TLS cannot be turned %s without a restart", web->file,
			 state->tls ? "on" : "off");
	else if (refusal)
		snprintf(why, why_size, "%s: %s, which takes a restart", web->file, refusal);
	if (!state->tls != !before->tls || refusal) {
		pe_web_put(state);
		return -EINVAL;
	}
	pthread_mutex_lock(&web->lock);
	web->state = state;
	web->successful = true;
	web->success_ns = pe_clock_monotonic_ns();
	pthread_mutex_unlock(&web->lock);
	pe_web_put(before);
	return 0;
}

/* Under `reading`. */
static int reload(struct pe_web *web)
{
	struct pe_web_state *state = NULL;
	char why[PE_WEB_WHY_MAX];
	int r = load(web, &state, why, sizeof(why));

	if (r == 0)
		r = replace(web, state, why, sizeof(why));
	if (r == 0) {
		pe_info("web", "read %s again", web->file);
		return 0;
	}
	pthread_mutex_lock(&web->lock);
	web->successful = false;
	pthread_mutex_unlock(&web->lock);
	pe_error("web", "%s; what was configured before stays in force", why);
	return r;
}

int pe_web_reload(struct pe_web *web)
{
	int r;

	if (!web->file)
		return 0;
	pthread_mutex_lock(&web->reading);
	r = reload(web);
	pthread_mutex_unlock(&web->reading);
	return r;
}

struct pe_web_state *pe_web_get(struct pe_web *web)
{
	struct pe_web_state *state;

	if (web->file && pe_log_once(&web->checked, CHECK_EVERY_NS) &&
	    pthread_mutex_trylock(&web->reading) == 0) {
		if (have_changed(web))
			reload(web);
		pthread_mutex_unlock(&web->reading);
	}
	pthread_mutex_lock(&web->lock);
	state = web->state;
	__atomic_add_fetch(&state->references, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&web->lock);
	return state;
}

void pe_web_get_stats(struct pe_web *web, bool *ret_successful, uint64_t *ret_success_ns)
{
	pthread_mutex_lock(&web->lock);
	*ret_successful = web->successful;
	*ret_success_ns = web->success_ns;
	pthread_mutex_unlock(&web->lock);
}

/* ---- start and stop ---- */

static void cleanup_web(struct pe_web **web)
{
	pe_web_free(*web);
}

static char *directory_of(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (!slash)
		return strdup(".");
	return slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}

int pe_web_new(const char *file, struct pe_web **ret_web, char *why, size_t why_size)
{
	_cleanup_(cleanup_web) struct pe_web *web = calloc(1, sizeof(*web));
	int r;

	snprintf(why, why_size, "out of memory");
	if (!web)
		return -ENOMEM;
	pthread_mutex_init(&web->reading, NULL);
	pthread_mutex_init(&web->lock, NULL);
	web->file = file ? strdup(file) : NULL;
	web->directory = directory_of(file);
	if ((file && !web->file) || !web->directory)
		return -ENOMEM;
	r = load(web, &web->state, why, why_size);
	if (r < 0)
		return r;
	web->successful = true;
	web->success_ns = pe_clock_monotonic_ns();
	*ret_web = PE_TAKE_PTR(web);
	return 0;
}

struct pe_web *pe_web_free(struct pe_web *web)
{
	if (!web)
		return NULL;
	pe_web_put(web->state);
	forget_files(web);
	pthread_mutex_destroy(&web->lock);
	pthread_mutex_destroy(&web->reading);
	free(web->directory);
	free(web->file);
	free(web);
	return NULL;
}

const char *pe_web_file(const struct pe_web *web, size_t i)
{
	return i < web->file_count ? web->files[i].path : NULL;
}
