/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See users.h. What is remembered is a keyed hash of user, password and bcrypt hash, with a key of
 * this process: who reads the memory of it finds no password, and an entry cannot outlive the hash
 * that it was made with. Only successes are remembered, so that guessing is never cheap.
 */
#include "users.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "pe/cleanup.h"

#define DIGEST_BYTES 32
#define REMEMBERED   64

/* Who has been let in, shared by all that came of one another: a password that was proven stays so
 * when the file is read again, also if it was being hashed meanwhile. */
struct memory {
	unsigned int references; /* atomic */
	unsigned char secret[DIGEST_BYTES];
	pthread_mutex_t lock; /* for what follows */
	unsigned char remembered[REMEMBERED][DIGEST_BYTES];
	size_t next, count;
};

struct pe_users {
	const struct pe_web_config *config;
	/* Of nobody, as expensive as the most expensive one. */
	struct pe_web_user nobody;
	char nobody_hash[PE_BCRYPT_LEN + 1];
	struct memory *memory;
};

static int new_memory(struct memory **ret_memory)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	if (gnutls_rnd(GNUTLS_RND_KEY, memory->secret, sizeof(memory->secret)) < 0) {
		free(memory);
		return -EIO;
	}
	memory->references = 1;
	pthread_mutex_init(&memory->lock, NULL);
	*ret_memory = memory;
	return 0;
}

static void put_memory(struct memory *memory)
{
	if (!memory || __atomic_sub_fetch(&memory->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_mutex_destroy(&memory->lock);
	explicit_bzero(memory->secret, sizeof(memory->secret));
	free(memory);
}

int pe_users_new(const struct pe_web_config *config, const struct pe_users *before,
		 struct pe_users **ret_users)
{
	struct pe_users *users = calloc(1, sizeof(*users));
	unsigned int cost = PE_BCRYPT_COST_MIN;
	int r = 0;

	if (!users)
		return -ENOMEM;
	if (before) {
		users->memory = before->memory;
		__atomic_add_fetch(&users->memory->references, 1, __ATOMIC_RELAXED);
	} else {
		r = new_memory(&users->memory);
	}
	if (r < 0) {
		free(users);
		return r;
	}
	users->config = config;
	for (size_t i = 0; i < config->user_count; i++) {
		if (config->users[i].cost > cost)
			cost = config->users[i].cost;
	}
	/* No password is known for it, and a right one would not help. */
	memcpy(users->nobody_hash, "$2b$00$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
	       PE_BCRYPT_LEN);
	users->nobody_hash[4] += (char)(cost / 10);
	users->nobody_hash[5] += (char)(cost % 10);
	users->nobody = (struct pe_web_user){ "", users->nobody_hash, cost };
	*ret_users = users;
	return 0;
}

struct pe_users *pe_users_free(struct pe_users *users)
{
	if (!users)
		return NULL;
	put_memory(users->memory);
	free(users);
	return NULL;
}

bool pe_credentials_parse(const char *header, struct pe_credentials *ret_credentials)
{
	static const char scheme[] = "Basic ";
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/=";
	gnutls_datum_t encoded, decoded = { 0 };
	const unsigned char *colon, *end;
	size_t user_len = 0, password_len = 0;
	bool valid = false;

	if (strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return false;
	header += sizeof(scheme) - 1;
	header += strspn(header, " ");
	encoded = (gnutls_datum_t){ (unsigned char *)header, (unsigned int)strspn(header, digits) };
	header += encoded.size;
	/* GnuTLS reads PEM: it skips white space, and stops at a '-'. */
	if (header[strspn(header, " \t")])
		return false;
	if (encoded.size == 0 || encoded.size > 2 * (PE_USER_MAX + PE_PASSWORD_MAX) ||
	    gnutls_base64_decode2(&encoded, &decoded) < 0)
		return false;
	end = decoded.data + decoded.size;
	colon = decoded.size ? memchr(decoded.data, ':', decoded.size) : NULL;
	if (colon) {
		user_len = (size_t)(colon - decoded.data);
		password_len = (size_t)(end - colon - 1);
		/* A NUL would end the password early for crypt(3). */
		valid = user_len < PE_USER_MAX && password_len < PE_PASSWORD_MAX &&
			!memchr(decoded.data, '\0', decoded.size);
	}
	if (valid) {
		memset(ret_credentials, 0, sizeof(*ret_credentials));
		memcpy(ret_credentials->user, decoded.data, user_len);
		memcpy(ret_credentials->password, colon + 1, password_len);
	}
	if (decoded.data) {
		explicit_bzero(decoded.data, decoded.size);
		gnutls_free(decoded.data);
	}
	return valid;
}

/* Looks at all of them, whoever is found. */
static const struct pe_web_user *find_user(const struct pe_users *users, const char *name)
{
	const struct pe_web_user *found = NULL;
	const size_t len = strlen(name);

	for (size_t i = 0; i < users->config->user_count; i++) {
		const struct pe_web_user *user = &users->config->users[i];

		if (strlen(user->name) == len && gnutls_memcmp(user->name, name, len) == 0)
			found = user;
	}
	return found;
}

static int make_digest(const struct pe_users *users, const struct pe_web_user *user,
		       const struct pe_credentials *credentials, unsigned char digest[DIGEST_BYTES])
{
	/* Fixed widths, so that no two triples have the same bytes. */
	struct {
		struct pe_credentials credentials;
		char hash[PE_BCRYPT_LEN];
	} text;
	int r;

	text.credentials = *credentials;
	memcpy(text.hash, user->hash, PE_BCRYPT_LEN);
	r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, users->memory->secret,
			     sizeof(users->memory->secret), &text, sizeof(text), digest);
	explicit_bzero(&text, sizeof(text));
	return r < 0 ? -EIO : 0;
}

bool pe_users_recall(struct pe_users *users, const struct pe_credentials *credentials)
{
	const struct pe_web_user *user = find_user(users, credentials->user);
	struct memory *memory = users->memory;
	unsigned char digest[DIGEST_BYTES];
	bool found = false;

	/* The same work for a user that does not exist. */
	if (make_digest(users, user ? user : &users->nobody, credentials, digest) < 0)
		return false;
	pthread_mutex_lock(&memory->lock);
	for (size_t i = 0; i < memory->count; i++)
		found |= gnutls_memcmp(memory->remembered[i], digest, DIGEST_BYTES) == 0;
	pthread_mutex_unlock(&memory->lock);
	return found && user;
}

static void remember(struct memory *memory, const unsigned char digest[DIGEST_BYTES])
{
	pthread_mutex_lock(&memory->lock);
	memcpy(memory->remembered[memory->next], digest, DIGEST_BYTES);
	memory->next = (memory->next + 1) % REMEMBERED;
	if (memory->count < REMEMBERED)
		memory->count++;
	pthread_mutex_unlock(&memory->lock);
}

bool pe_users_verify(struct pe_users *users, const struct pe_credentials *credentials,
		     struct crypt_data *scratch)
{
	const struct pe_web_user *user = find_user(users, credentials->user);
	const char *hash = user ? user->hash : users->nobody.hash;
	unsigned char digest[DIGEST_BYTES];
	const char *made = crypt_rn(credentials->password, hash, scratch, (int)sizeof(*scratch));
	bool valid = made && strlen(made) == PE_BCRYPT_LEN &&
		     gnutls_memcmp(made, hash, PE_BCRYPT_LEN) == 0 && user;

	if (valid && make_digest(users, user, credentials, digest) == 0)
		remember(users->memory, digest);
	explicit_bzero(scratch, sizeof(*scratch));
	return valid;
}
