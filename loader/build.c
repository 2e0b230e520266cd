// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "loader/build.h"

#define BUILD_RECORD "build"

void build_identify(const void *elf, size_t size, char id[BUILD_ID_LEN])
{
	const unsigned char *byte = elf;
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	size_t i;

	for (i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	snprintf(id, BUILD_ID_LEN, "weft-%016" PRIx64, hash);
}

bool build_is_pinned(const struct loader *loader, const char *id)
{
	char found[BUILD_ID_LEN];

	return !pins_get_record(loader->root, PINS_MAPS, BUILD_RECORD, found, sizeof(found)) &&
	       !strcmp(found, id);
}

int build_forget(const char *root)
{
	return pins_remove(root, PINS_MAPS, BUILD_RECORD);
}

int build_record(const struct loader *loader, const char *id)
{
	return pins_put_record(loader->root, PINS_MAPS, BUILD_RECORD, id);
}
