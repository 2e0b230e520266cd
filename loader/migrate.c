// SPDX-License-Identifier: Apache-2.0
/*
 * From one ABI version to another while both exist: programs hold the maps they use, and links
 * hold programs. The others' links, programs and maps go on until ours are complete; then each
 * link is updated, which is atomic, and only then do ours take the pins. weft_config, which
 * tells the version, is the last of them: an agent that finds the other version there begins
 * anew, whatever the links lead to.
 */
#include <errno.h>
#include <string.h>
#include "loader/build.h"
#include "loader/log.h"
#include "loader/state.h"

/* Version 2 added HTTP: other layouts of what the agent writes, and more counters. */
static bool migrate_keeps_of_1(enum map_id id)
{
	switch (id) {
	case MAP_NAME:
	case MAP_STICKY:
	case MAP_UDP_PEER:
	case MAP_SOCK:
	case MAP_UDP_FLOW:
	case MAP_FRAG:
	case MAP_EDGE:
	case MAP_VERDICT:
	case MAP_EVENTS:
		return true;
	default:
		return false;
	}
}

/* Nothing of versions that this one does not know. */
bool migrate_keeps(uint32_t abi, enum map_id id)
{
	_Static_assert(WEFT_ABI_VERSION == 2, "what does the new version keep of the others?");
	return abi == 1 && migrate_keeps_of_1(id);
}

uint32_t loader_staged_from(const struct loader *loader)
{
	return loader->staged_from;
}

static int migrate_pin(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	int err = build_forget(loader->root);

	if (!err)
		err = programs_pin_held(loader, error);
	return err ? err : adopt_pin(loader, error);
}

int loader_switch(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	int err;

	error[0] = '\0';
	if (!loader->staged_from)
		return 0;
	log_forget();
	err = loader_attach(loader, error);
	if (!err)
		err = migrate_pin(loader, error);
	if (err && !error[0])
		log_fail(error, err, "pin root %s: %s", loader->root, strerror(-err));
	if (!err)
		loader->staged_from = 0;
	return err;
}
