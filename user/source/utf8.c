// SPDX-License-Identifier: Apache-2.0
#include "user/source/utf8.h"

#include <string.h>
#include "policy/memory.h"

static const char utf8_replacement[] = "\xef\xbf\xbd";

size_t utf8_length(const unsigned char *s)
{
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

char *utf8_clean(const char *text)
{
	char *clean = memory_alloc(strlen(text) * (sizeof(utf8_replacement) - 1) + 1);
	char *to = clean;
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = utf8_length((const unsigned char *)text);
		memcpy(to, len ? text : utf8_replacement, len ? len : sizeof(utf8_replacement) - 1);
		to += len ? len : sizeof(utf8_replacement) - 1;
	}
	*to = '\0';
	return clean;
}
