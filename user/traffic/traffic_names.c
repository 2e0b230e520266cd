// SPDX-License-Identifier: Apache-2.0
#include "user/traffic/traffic_names.h"

#include <string.h>
#include "policy/reason.h"

enum { NAMED_MAX = 256 };

/* The value that has this name, 0 when none has. */
static unsigned int named(const char *text, const char *(*name)(unsigned int value),
			  unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strcmp(name(i), text))
			return i;
	return 0;
}

static const char *reason_of(unsigned int value)
{
	return reason_name(value);
}

static const char *verdict_of(unsigned int value)
{
	return verdict_name(value);
}

static const char *hook_of(unsigned int value)
{
	return hook_name(value);
}

static const char *reporter_of(unsigned int value)
{
	return reporter_name(value);
}

static const char *protocol_of(unsigned int value)
{
	return protocol_name((uint8_t)value);
}

enum weft_reason traffic_reason_of(const char *text)
{
	return named(text, reason_of, NAMED_MAX);
}

enum weft_verdict_action traffic_verdict_of(const char *text)
{
	return named(text, verdict_of, NAMED_MAX);
}

enum weft_hook traffic_hook_of(const char *text)
{
	return named(text, hook_of, NAMED_MAX);
}

enum weft_direction traffic_reporter_of(const char *text)
{
	return named(text, reporter_of, NAMED_MAX);
}

uint8_t traffic_protocol_of(const char *text)
{
	return (uint8_t)named(text, protocol_of, NAMED_MAX);
}
