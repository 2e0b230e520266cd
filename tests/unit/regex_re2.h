/* SPDX-License-Identifier: Apache-2.0 */
/* RE2 itself, as an oracle for the regex compiler's tests. */
#ifndef WEFT_TESTS_UNIT_REGEX_RE2_H
#define WEFT_TESTS_UNIT_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum re2_anchor { RE2_ANCHOR_NONE, RE2_ANCHOR_START, RE2_ANCHOR_BOTH };

enum re2_verdict {
	RE2_ACCEPTED,
	RE2_REFUSED,
	RE2_TOO_LARGE, /* RE2 has a budget of its own */
};

struct re2_oracle;

/* Never NULL; to be freed. */
struct re2_oracle *re2_oracle_new(const char *pattern, size_t length);
enum re2_verdict re2_oracle_verdict(const struct re2_oracle *oracle);
const char *re2_oracle_error(const struct re2_oracle *oracle);
bool re2_oracle_matches(const struct re2_oracle *oracle, const char *subject, size_t length,
			enum re2_anchor anchor);
void re2_oracle_free(struct re2_oracle *oracle);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_TESTS_UNIT_REGEX_RE2_H */
