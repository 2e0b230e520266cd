// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/source/manifest_scalar.h"

/* longer numbers are none; as JSON they would not survive anyway */
enum { NUMBER_LENGTH_MAX = 64 };

struct word {
	const char *text;
	enum manifest_scalar_type type;
	bool value;
};

static const struct word words[] = {
	{ "", MANIFEST_SCALAR_NULL, false },	      { "~", MANIFEST_SCALAR_NULL, false },
	{ "null", MANIFEST_SCALAR_NULL, false },      { "Null", MANIFEST_SCALAR_NULL, false },
	{ "NULL", MANIFEST_SCALAR_NULL, false },      { "y", MANIFEST_SCALAR_BOOLEAN, true },
	{ "Y", MANIFEST_SCALAR_BOOLEAN, true },	      { "yes", MANIFEST_SCALAR_BOOLEAN, true },
	{ "Yes", MANIFEST_SCALAR_BOOLEAN, true },     { "YES", MANIFEST_SCALAR_BOOLEAN, true },
	{ "true", MANIFEST_SCALAR_BOOLEAN, true },    { "True", MANIFEST_SCALAR_BOOLEAN, true },
	{ "TRUE", MANIFEST_SCALAR_BOOLEAN, true },    { "on", MANIFEST_SCALAR_BOOLEAN, true },
	{ "On", MANIFEST_SCALAR_BOOLEAN, true },      { "ON", MANIFEST_SCALAR_BOOLEAN, true },
	{ "n", MANIFEST_SCALAR_BOOLEAN, false },      { "N", MANIFEST_SCALAR_BOOLEAN, false },
	{ "no", MANIFEST_SCALAR_BOOLEAN, false },     { "No", MANIFEST_SCALAR_BOOLEAN, false },
	{ "NO", MANIFEST_SCALAR_BOOLEAN, false },     { "false", MANIFEST_SCALAR_BOOLEAN, false },
	{ "False", MANIFEST_SCALAR_BOOLEAN, false },  { "FALSE", MANIFEST_SCALAR_BOOLEAN, false },
	{ "off", MANIFEST_SCALAR_BOOLEAN, false },    { "Off", MANIFEST_SCALAR_BOOLEAN, false },
	{ "OFF", MANIFEST_SCALAR_BOOLEAN, false },    { "<<", MANIFEST_SCALAR_MERGE, false },
	{ ".nan", MANIFEST_SCALAR_NOT_JSON, false },  { ".NaN", MANIFEST_SCALAR_NOT_JSON, false },
	{ ".NAN", MANIFEST_SCALAR_NOT_JSON, false },  { ".inf", MANIFEST_SCALAR_NOT_JSON, false },
	{ ".Inf", MANIFEST_SCALAR_NOT_JSON, false },  { ".INF", MANIFEST_SCALAR_NOT_JSON, false },
	{ "+.inf", MANIFEST_SCALAR_NOT_JSON, false }, { "+.Inf", MANIFEST_SCALAR_NOT_JSON, false },
	{ "+.INF", MANIFEST_SCALAR_NOT_JSON, false }, { "-.inf", MANIFEST_SCALAR_NOT_JSON, false },
	{ "-.Inf", MANIFEST_SCALAR_NOT_JSON, false }, { "-.INF", MANIFEST_SCALAR_NOT_JSON, false },
};

static const struct word *find_word(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].text) == length && !memcmp(words[i].text, text, length))
			return &words[i];
	return NULL;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* [+-]? 0x, 0o, 0b, 0 (octal) or decimal digits within 64 bits; NULL otherwise. */
static struct json_object *parse_integer(const char *text)
{
	bool negative = *text == '-', has_sign = negative || *text == '+';
	uint64_t value = 0;
	int base = 10, digit;

	text += has_sign;
	if (text[0] == '0' && text[1]) {
		base = tolower((unsigned char)text[1]) == 'x' ? 16 :
		       tolower((unsigned char)text[1]) == 'b' ? 2 :
								8;
		text += isalpha((unsigned char)text[1]) ? 2 : 1;
		if (base == 8 && isalpha((unsigned char)text[-1]) &&
		    tolower((unsigned char)text[-1]) != 'o')
			return NULL;
	}
	if (!*text)
		return NULL;
	for (; *text; text++) {
		digit = digit_value(*text);
		if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return NULL;
	}
	if (negative)
		return value <= (uint64_t)INT64_MAX + 1 ? json_object_new_int64((int64_t)-value) :
							  NULL;
	if (value <= INT64_MAX)
		return json_object_new_int64((int64_t)value);
	return has_sign ? NULL : json_object_new_uint64(value);
}

static size_t skip_digits(const char *text, size_t at)
{
	while (isdigit((unsigned char)text[at]))
		at++;
	return at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text)
{
	size_t start = *text == '-' || *text == '+', at = skip_digits(text, start), fraction;
	bool digits = at > start;

	if (text[at] == '.') {
		fraction = at + 1;
		at = skip_digits(text, fraction);
		digits |= at > fraction;
	}
	if (!digits)
		return false;
	if (text[at] == 'e' || text[at] == 'E') {
		at++;
		at += text[at] == '-' || text[at] == '+';
		start = at;
		at = skip_digits(text, at);
		if (at == start)
			return false;
	}
	return !text[at];
}

static enum manifest_scalar_type parse_float(const char *text, struct json_object **value)
{
	char shortest[32];
	double number;
	int precision;

	number = strtod(text, NULL);
	if (isinf(number))
		return MANIFEST_SCALAR_STRING;
	/* JSON knows one kind of number: 1e3 is 1000 */
	if (fabs(number) < 9223372036854775808.0 && number == (double)(int64_t)number) {
		*value = json_object_new_int64((int64_t)number);
		return MANIFEST_SCALAR_INTEGER;
	}
	/* the shortest text that means the same, so that 0.1 stays 0.1 */
	for (precision = 15; precision <= 17; precision++) {
		snprintf(shortest, sizeof(shortest), "%.*g", precision, number);
		if (strtod(shortest, NULL) == number)
			break;
	}
	*value = json_object_new_double_s(number, shortest);
	return MANIFEST_SCALAR_FLOAT;
}

enum manifest_scalar_type manifest_scalar_resolve(const char *text, size_t length,
						  struct json_object **value)
{
	const struct word *word = find_word(text, length);
	char plain[NUMBER_LENGTH_MAX + 1];
	size_t used = 0, i;

	*value = NULL;
	if (word) {
		if (word->type == MANIFEST_SCALAR_BOOLEAN)
			*value = json_object_new_boolean(word->value);
		return word->type;
	}
	if (length > NUMBER_LENGTH_MAX || memchr(text, '\0', length) ||
	    !(isdigit((unsigned char)*text) || *text == '+' || *text == '-' || *text == '.'))
		return MANIFEST_SCALAR_STRING;
	/* 1_000 is a number, ._5 is none */
	for (i = 0; i < length; i++)
		if (text[i] != '_' || *text == '.')
			plain[used++] = text[i];
	plain[used] = '\0';
	*value = parse_integer(plain);
	if (*value)
		return MANIFEST_SCALAR_INTEGER;
	return is_float(plain) ? parse_float(plain, value) : MANIFEST_SCALAR_STRING;
}
