/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ends of tallied traffic share: numbers by text, printed as JSON. */
#ifndef WEFT_TESTS_E2E_TALLY_H
#define WEFT_TESTS_E2E_TALLY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TALLY_ROWS = 256,
	TALLY_TEXT = 96,
	TALLY_HEAD = 8, /* bytes that a conversation on the TCP port begins with */
};

/*
 * A conversation begins with a letter and the bytes that follow and are wanted back, as
 * "%c%03u%04u" of units of a hundred bytes: what the server does then.
 */
enum tally_talk {
	TALLY_ANSWER = 'e', /* answers, waits for the end */
	TALLY_LAST = 'h',   /* answers when the client's side is shut, and closes */
	TALLY_FIRST = 's',  /* answers and closes */
	TALLY_RESET = 'r',  /* resets when it has all */
	TALLY_SINK = 'u',   /* never answers */
	TALLY_FLOOD = 'd',  /* sends until the end, whatever is wanted back */
};

enum { TALLY_UNIT = 100 };

struct tally {
	struct tally_row {
		char text[TALLY_TEXT];
		unsigned long count;
	} rows[TALLY_ROWS];
	size_t used;
};

static inline void tally_add(struct tally *tally, const char *text, unsigned long count)
{
	size_t i;

	for (i = 0; i < tally->used; i++)
		if (!strcmp(tally->rows[i].text, text))
			break;
	if (i == TALLY_ROWS) {
		fprintf(stderr, "too many kinds: %s\n", text);
		exit(1);
	}
	if (i == tally->used)
		snprintf(tally->rows[tally->used++].text, TALLY_TEXT, "%s", text);
	tally->rows[i].count += count;
}

/* Members of an object that the caller has opened. */
static inline void tally_print(const struct tally *tally)
{
	size_t i;

	for (i = 0; i < tally->used; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", tally->rows[i].text, tally->rows[i].count);
	printf("}\n");
	fflush(stdout);
}

#endif /* WEFT_TESTS_E2E_TALLY_H */
