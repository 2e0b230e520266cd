// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "policy/syntax.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alphanumeric(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

bool syntax_is_label(const char *text, size_t length)
{
	size_t i;

	if (!length || length > SYNTAX_LABEL_MAX || text[0] == '-' || text[length - 1] == '-')
		return false;
	for (i = 0; i < length; i++)
		if (!is_digit(text[i]) && !is_lower(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool syntax_is_subdomain(const char *text)
{
	char before = '.';
	size_t i;

	/* as Kubernetes has it: no limit for one label, only for the whole */
	for (i = 0; text[i]; i++) {
		if (i >= SYNTAX_SUBDOMAIN_MAX)
			return false;
		if (text[i] == '.') {
			if (before == '.' || before == '-')
				return false;
		} else if (text[i] == '-') {
			if (before == '.')
				return false;
		} else if (!is_digit(text[i]) && !is_lower(text[i])) {
			return false;
		}
		before = text[i];
	}
	return i && before != '.' && before != '-';
}

bool syntax_is_port_name(const char *text)
{
	size_t length = strlen(text), i;
	bool letter = false;

	if (length > SYNTAX_PORT_NAME_MAX || !syntax_is_label(text, length) || strstr(text, "--"))
		return false;
	for (i = 0; i < length; i++)
		letter |= is_lower(text[i]);
	return letter;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9], at most 63 bytes */
static bool is_qualified_name(const char *text)
{
	size_t length = strlen(text), i;

	if (!length || length > SYNTAX_LABEL_MAX || !is_alphanumeric(text[0]) ||
	    !is_alphanumeric(text[length - 1]))
		return false;
	for (i = 0; i < length; i++)
		if (!is_alphanumeric(text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

bool syntax_is_label_key(const char *text)
{
	const char *slash = strchr(text, '/');
	char prefix[SYNTAX_SUBDOMAIN_MAX + 1];

	if (!slash)
		return is_qualified_name(text);
	if ((size_t)(slash - text) >= sizeof(prefix))
		return false;
	memcpy(prefix, text, (size_t)(slash - text));
	prefix[slash - text] = '\0';
	return syntax_is_subdomain(prefix) && is_qualified_name(slash + 1);
}

bool syntax_is_label_value(const char *text)
{
	return !*text || is_qualified_name(text);
}

bool syntax_is_uid(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (i >= SYNTAX_UID_MAX || (!is_alphanumeric(text[i]) && !strchr("-_", text[i])))
			return false;
	return i;
}

bool syntax_is_uuid(const char *text)
{
	static const char shape[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
	size_t i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == 'h' ? !isxdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	return !text[i];
}

bool syntax_is_http_token(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (!is_alphanumeric(text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return i;
}

/* Exactly `count` digits; the position after them, or NULL. */
static const char *parse_digits(const char *text, int count, int *value)
{
	*value = 0;
	while (count--) {
		if (!is_digit(*text))
			return NULL;
		*value = *value * 10 + (*text++ - '0');
	}
	return text;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; the year starts in March. */
static int64_t days_since_epoch(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static bool is_date(int year, int month, int day)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	if (month < 1 || month > 12)
		return false;
	return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+hh:mm" up to the end of the text, in seconds east of UTC */
static int parse_zone(const char *text, int *offset)
{
	int sign, hours, minutes;

	*offset = 0;
	if (!strcmp(text, "Z"))
		return 0;
	if (*text != '+' && *text != '-')
		return -EINVAL;
	sign = *text++ == '+' ? 1 : -1;
	text = parse_digits(text, 2, &hours);
	if (!text || *text++ != ':')
		return -EINVAL;
	text = parse_digits(text, 2, &minutes);
	if (!text || *text || hours > 23 || minutes > 59)
		return -EINVAL;
	*offset = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int syntax_parse_time(const char *text, int64_t *unix_seconds)
{
	static const char separators[] = "--T::";
	int part[6], offset;
	size_t i;

	for (i = 0; i < 6; i++) {
		text = parse_digits(text, i ? 2 : 4, &part[i]);
		if (!text || (i < 5 && *text++ != separators[i]))
			return -EINVAL;
	}
	if (!is_date(part[0], part[1], part[2]) || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return -EINVAL;
	if (*text == '.') {
		if (!is_digit(*++text))
			return -EINVAL;
		while (is_digit(*text))
			text++;
	}
	if (parse_zone(text, &offset))
		return -EINVAL;
	*unix_seconds = days_since_epoch(part[0], part[1], part[2]) * 86400 + part[3] * 3600 +
			part[4] * 60 + part[5] - offset;
	return 0;
}

/* A decimal number: mantissa * 10^exponent, and a little more when `inexact`. */
struct decimal {
	unsigned __int128 mantissa;
	int exponent;
	bool negative;
	bool inexact;
};

enum {
	DECIMAL_DIGITS = 20, /* so that times 2^60 it still fits 128 bits */
	DECIMAL_EXPONENT_MAX = 100000,
};

/* The signed number at the start of a quantity; the position after it, or NULL. */
static const char *parse_decimal(const char *text, struct decimal *decimal)
{
	bool fraction = false, any = false;
	int digits = 0;

	memset(decimal, 0, sizeof(*decimal));
	if (*text == '+' || *text == '-')
		decimal->negative = *text++ == '-';
	for (; is_digit(*text) || (*text == '.' && !fraction); text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		any = true;
		if (digits < DECIMAL_DIGITS) {
			decimal->mantissa = decimal->mantissa * 10 + (unsigned int)(*text - '0');
			digits += decimal->mantissa != 0;
			decimal->exponent -= fraction;
		} else {
			decimal->inexact |= *text != '0';
			decimal->exponent += !fraction;
		}
		if (decimal->exponent > DECIMAL_EXPONENT_MAX ||
		    decimal->exponent < -DECIMAL_EXPONENT_MAX)
			return NULL;
	}
	return any ? text : NULL;
}

/* What follows the number: adds to the decimal exponent or gives a power of two. */
static int parse_suffix(const char *text, int *exponent, int *shift)
{
	static const char binary[] = "KMGTPE", decimal[] = "numkMGTPE";
	static const int powers[] = { -9, -6, -3, 3, 6, 9, 12, 15, 18 };
	const char *found;
	int value = 0, sign = 1;

	*shift = 0;
	if (!*text)
		return 0;
	if ((*text == 'e' || *text == 'E') && text[1] && strcmp(text, "Ei")) {
		text++;
		if (*text == '+' || *text == '-')
			sign = *text++ == '+' ? 1 : -1;
		if (!*text)
			return -EINVAL;
		for (; is_digit(*text); text++)
			if (value < DECIMAL_EXPONENT_MAX)
				value = value * 10 + (*text - '0');
		*exponent += sign * value;
		return *text ? -EINVAL : 0;
	}
	if (text[1] == 'i' && !text[2]) {
		found = strchr(binary, *text);
		if (!found)
			return -EINVAL;
		*shift = 10 * (int)(found - binary + 1);
		return 0;
	}
	found = strchr(decimal, *text);
	if (!found || text[1])
		return -EINVAL;
	*exponent += powers[found - decimal];
	return 0;
}

int syntax_parse_quantity(const char *text, uint64_t *milli)
{
	static const uint64_t limit = 1000000000000000000; /* 1P */
	struct decimal decimal;
	int shift;

	text = parse_decimal(text, &decimal);
	if (!text || parse_suffix(text, &decimal.exponent, &shift))
		return -EINVAL;
	if (!decimal.mantissa) {
		*milli = 0;
		return 0;
	}
	if (decimal.negative)
		return -EDOM;
	decimal.mantissa <<= shift;
	for (decimal.exponent += 3; decimal.exponent > 0; decimal.exponent--) {
		if (decimal.mantissa > limit)
			return -ERANGE;
		decimal.mantissa *= 10;
	}
	for (; decimal.exponent < 0 && decimal.mantissa; decimal.exponent++) {
		decimal.inexact |= decimal.mantissa % 10 != 0;
		decimal.mantissa /= 10;
	}
	decimal.mantissa += decimal.inexact;
	if (decimal.mantissa > limit)
		return -ERANGE;
	*milli = (uint64_t)decimal.mantissa;
	return 0;
}
