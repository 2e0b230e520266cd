// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "policy/address.h"

static const __u8 address_v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

int address_parse(const char *text, struct weft_addr *address)
{
	struct weft_addr result;

	if (inet_pton(AF_INET, text, result.b + sizeof(address_v4_prefix)) == 1)
		memcpy(result.b, address_v4_prefix, sizeof(address_v4_prefix));
	else if (inet_pton(AF_INET6, text, result.b) != 1)
		return -EINVAL;
	*address = result;
	return 0;
}

const char *address_format(const struct weft_addr *address, char text[ADDRESS_TEXT_LEN])
{
	if (address_is_v4(address))
		inet_ntop(AF_INET, address->b + sizeof(address_v4_prefix), text, ADDRESS_TEXT_LEN);
	else
		inet_ntop(AF_INET6, address->b, text, ADDRESS_TEXT_LEN);
	return text;
}

bool address_is_v4(const struct weft_addr *address)
{
	return !memcmp(address->b, address_v4_prefix, sizeof(address_v4_prefix));
}

bool address_is_zero(const struct weft_addr *address)
{
	static const struct weft_addr zero;

	return !memcmp(address->b, zero.b, sizeof(zero.b));
}

bool address_is_loopback(const struct weft_addr *address)
{
	static const struct weft_addr v6 = { .b = { [15] = 1 } };

	if (address_is_v4(address))
		return address->b[12] == 127;
	return !memcmp(address->b, v6.b, sizeof(v6.b));
}

bool address_is_special(const struct weft_addr *address)
{
	const __u8 *b = address->b, *v4 = address->b + sizeof(address_v4_prefix);

	if (address_is_zero(address) || address_is_loopback(address))
		return true;
	if (address_is_v4(address))
		return v4[0] == 0 || (v4[0] == 169 && v4[1] == 254) || v4[0] >= 224;
	return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

int address_compare(const struct weft_addr *a, const struct weft_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}
