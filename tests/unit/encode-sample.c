/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints a rich, deterministic snapshot as exposition text, for parsers that are not ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/encode.h"

#include "snapshot-fixture.h"

static int print(struct pe_snapshot *snapshot, const struct pe_encode_options *options)
{
	struct pe_encoder *encoder;
	char buf[4096];
	ssize_t n;

	if (pe_encoder_new(snapshot, options, &encoder) < 0)
		return -ENOMEM;
	while ((n = pe_encoder_read(encoder, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	pe_encoder_free(encoder);
	return (int)n;
}

int main(int argc, char **argv)
{
	struct pe_encode_options options = { .show.detail = PE_DETAIL_FULL };
	struct pe_snapshot *snapshot;
	char *end = NULL;
	size_t count;
	int r;

	count = argc > 2 ? strtoul(argv[2], &end, 10) : 0;
	for (int i = 3; i < argc; i++) {
		options.show.legacy |= !strcmp(argv[i], "legacy");
		options.show.created |= !strcmp(argv[i], "created");
		if (!strcmp(argv[i], "labels"))
			options.show.iface_labels = ~0u;
	}
	if (argc < 3 || *end || (strcmp(argv[1], "om") && strcmp(argv[1], "text"))) {
		fprintf(stderr,
			"usage: encode-sample om|text INTERFACES [legacy] [created] [labels]\n");
		return 2;
	}
	options.format = strcmp(argv[1], "om") ? PE_FORMAT_TEXT : PE_FORMAT_OPENMETRICS;
	snapshot = fixture_snapshot(count, true, true);
	r = print(snapshot, &options);
	pe_snapshot_unref(snapshot);
	if (r < 0 || fflush(stdout)) {
		fprintf(stderr, "encode-sample: %s\n", strerror(r < 0 ? -r : errno));
		return 1;
	}
	return 0;
}
