// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "loader/build.h"
#include "weft.skel.h"

#define BUILD_RECORD "build"

const void *build_object(size_t *size)
{
	return weft_bpf__elf_bytes(size);
}

void build_identify(const struct loader_options *options, char id[BUILD_ID_LEN])
{
	size_t size, i;
	const unsigned char *byte = build_object(&size);
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	snprintf(id, BUILD_ID_LEN, "weft-%016" PRIx64 "%s", hash,
		 options->no_telemetry ? "-quiet" : "");
}

bool build_is_pinned(const char *root, const char *id)
{
	char found[BUILD_ID_LEN];

	return !pins_get_record(root, PINS_MAPS, BUILD_RECORD, found, sizeof(found)) &&
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
