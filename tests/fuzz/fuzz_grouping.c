/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grouping key: what pe_push_check() lets pass must come out of the gateway as it was given.
 *
 * The input is lines: which base URL, job, instance, then NAME=VALUE. A byte 1 stands for a line
 * break in a value. The URL is taken apart here as the Pushgateway does it (api/metrics/push.go and
 * Go's net/http): the path is decoded as a whole and split then, names that end in "@base64" are
 * decoded further.
 */
#include "fuzz.h"

#include "pe/push.h"
#include "../../src/deliver/libcurl.h"

#define LABELS_MAX 80
#define TEXT_MAX   2000

static const char *const bases[][2] = {
	/* as it is given, and what must be left of it */
	{ "http://gateway:9091", "http://gateway:9091" },
	{ "https://user:secret@gateway.example/", "https://gateway.example" },
	{ "http://127.0.0.1:9091/behind/a/proxy", "http://127.0.0.1:9091/behind/a/proxy" },
	{ "http://[::1]:9091/x///", "http://[::1]:9091/x" },
	{ "http://u%40x@h/a%2Fb", "http://h/a%2Fb" },
};
#define BASES (sizeof(bases) / sizeof(bases[0]))

struct label {
	char *name;
	char *value;
};

struct decoded {
	char *path;
	size_t count;
	struct label label[LABELS_MAX + 2];
};

static char *take_line(struct fuzz_input *input)
{
	char *line = fuzz_text(input, '\n', TEXT_MAX);

	for (char *p = line; *p; p++) {
		if (*p == '\1')
			*p = '\n';
	}
	return line;
}

/* ---- the gateway ---- */

static int hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* In place. Nothing but RFC 3986's unreserved characters, '/', '=' and '@' may stand for itself. */
static void decode_path(char *path)
{
	char *to = path;

	for (const char *p = path; *p; p++) {
		if (*p == '%') {
			int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);

			fuzz_check(low >= 0 && high + low > 0, "bad escape in %s", path);
			*to++ = (char)(high << 4 | low);
			p += 2;
		} else {
			fuzz_check(strchr("-._~/=@abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
					  *p),
				   "byte %d is not escaped", *p);
			*to++ = *p;
		}
	}
	*to = '\0';
}

static int base64_digit(char c)
{
	const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* base64.RawURLEncoding behind strings.TrimRight(…, "="), in place. */
static void decode_base64(char *text)
{
	size_t len = strlen(text), used = 0;
	unsigned int bits = 0, count = 0;

	while (len > 0 && text[len - 1] == '=')
		len--;
	fuzz_check(len % 4 != 1, "base64 of %zu digits", len);
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(text[i]);

		fuzz_check(digit >= 0, "'%c' in base64", text[i]);
		bits = bits << 6 | (unsigned int)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			text[used++] = (char)(bits >> count & 0xff);
			fuzz_check(text[used - 1], "NUL in base64");
		}
	}
	fuzz_check((bits & ((1u << count) - 1)) == 0, "bits are left of base64");
	text[used] = '\0';
}

/* `path` is what follows "/metrics/", encoded. */
static struct decoded decode(const char *path)
{
	static const char suffix[] = "@base64";
	struct decoded d = { .path = strdup(path) };
	char *rest = d.path, *name;

	fuzz_check(d.path, "out of memory");
	decode_path(d.path);
	while ((name = strsep(&rest, "/"))) {
		char *value = strsep(&rest, "/");
		size_t len = strlen(name);

		fuzz_check(value, "label %s has no value", name);
		/* Go would clean the path and redirect to another group. */
		fuzz_check(*value && strcmp(value, ".") != 0 && strcmp(value, "..") != 0,
			   "label %s would be lost with its value \"%s\"", name, value);
		fuzz_check(d.count < LABELS_MAX + 2, "too many labels");
		if (len >= strlen(suffix) && strcmp(name + len - strlen(suffix), suffix) == 0) {
			name[len - strlen(suffix)] = '\0';
			decode_base64(value);
		}
		d.label[d.count++] = (struct label){ name, value };
	}
	return d;
}

/* ---- the check ---- */

static void expect(const struct decoded *d, size_t i, const char *name, const char *value)
{
	fuzz_check(i < d->count, "label %s is missing", name);
	fuzz_check(strcmp(d->label[i].name, name) == 0, "label %zu is %s, not %s", i,
		   d->label[i].name, name);
	fuzz_check(strcmp(d->label[i].value, value) == 0, "label %s is \"%s\", not \"%s\"", name,
		   d->label[i].value, value);
}

/* curl, which sends it, must take it for the same path and for a URL without credentials. */
static void check_for_curl(const char *url)
{
	CURLU *parsed = libcurl.url();
	char *again = NULL, *user = NULL;

	fuzz_check(parsed, "out of memory");
	fuzz_check(libcurl.url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK, "curl refuses %s",
		   url);
	fuzz_check(libcurl.url_get(parsed, CURLUPART_URL, &again, 0) == CURLUE_OK &&
			   strcmp(again, url) == 0,
		   "curl would send %s for %s", again, url);
	fuzz_check(libcurl.url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_NO_USER,
		   "%s has a user", url);
	libcurl.free(again);
	libcurl.url_cleanup(parsed);
}

static void check_group(const struct pe_push_options *options, const char *base)
{
	static const char prefix[] = "/metrics/";
	char *url = pe_push_group_url(options);
	struct decoded d;

	fuzz_check(url, "no URL for what was checked");
	fuzz_check(strncmp(url, base, strlen(base)) == 0 &&
			   strncmp(url + strlen(base), prefix, strlen(prefix)) == 0,
		   "%s does not begin with %s%s", url, base, prefix);
	check_for_curl(url);
	d = decode(url + strlen(base) + strlen(prefix));
	fuzz_check(d.count == options->grouping_count + 2, "%zu labels for %zu", d.count,
		   options->grouping_count + 2);
	expect(&d, 0, "job", options->job);
	expect(&d, 1, "instance", options->instance);
	for (size_t i = 0; i < options->grouping_count; i++)
		expect(&d, i + 2, options->grouping[i].name, options->grouping[i].value);
	free(d.path);
	free(url);
}

static void check_refusal(const char *error)
{
	fuzz_check(*error, "refused without a reason");
	for (const char *p = error; *p; p++)
		fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "byte %d in \"%s\"", *p, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	char *base = take_line(&input), *job = take_line(&input), *instance = take_line(&input);
	const char *const *pair = bases[(unsigned char)*base % BASES];
	char *text[LABELS_MAX], error[512] = "";
	struct pe_push_label labels[LABELS_MAX];
	struct pe_push_options options = {
		.url = pair[0],
		.job = job,
		.instance = instance,
		.grouping = labels,
		.interval_ns = 1,
		.timeout_ns = 1,
	};

	while (input.left > 0 && options.grouping_count < LABELS_MAX) {
		char *line = take_line(&input), *equals = strchr(line, '=');

		if (equals)
			*equals++ = '\0';
		text[options.grouping_count] = line;
		labels[options.grouping_count++] = (struct pe_push_label){ line, equals };
	}
	if (pe_push_check(&options, error, sizeof(error)) == 0)
		check_group(&options, pair[1]);
	else
		check_refusal(error);
	for (size_t i = 0; i < options.grouping_count; i++)
		free(text[i]);
	free(instance);
	free(job);
	free(base);
	return 0;
}
