// SPDX-License-Identifier: Apache-2.0
#include "unit/regex_re2.h"

#include <re2/re2.h>

struct re2_oracle {
	RE2 re;

	re2_oracle(const re2::StringPiece &pattern, const RE2::Options &options)
		: re(pattern, options)
	{
	}
};

struct re2_oracle *re2_oracle_new(const char *pattern, size_t length)
{
	RE2::Options options;

	options.set_log_errors(false);
	return new re2_oracle(re2::StringPiece(pattern, length), options);
}

enum re2_verdict re2_oracle_verdict(const struct re2_oracle *oracle)
{
	if (oracle->re.ok())
		return RE2_ACCEPTED;
	return oracle->re.error_code() == RE2::ErrorPatternTooLarge ? RE2_TOO_LARGE : RE2_REFUSED;
}

const char *re2_oracle_error(const struct re2_oracle *oracle)
{
	return oracle->re.error().c_str();
}

bool re2_oracle_matches(const struct re2_oracle *oracle, const char *subject, size_t length,
			enum re2_anchor anchor)
{
	static const RE2::Anchor anchors[] = { RE2::UNANCHORED, RE2::ANCHOR_START,
					       RE2::ANCHOR_BOTH };
	re2::StringPiece text(subject, length);

	return oracle->re.Match(text, 0, length, anchors[anchor], nullptr, 0);
}

void re2_oracle_free(struct re2_oracle *oracle)
{
	delete oracle;
}
