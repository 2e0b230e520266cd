/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's own state and the steps of loader_open(), in order. */
#ifndef WEFT_LOADER_STATE_H
#define WEFT_LOADER_STATE_H

#include <bpf/libbpf.h>
#include "loader/loader.h"
#include "loader/pins.h"

enum {
	LOADER_PROGRAM_MAX = 32,
	LOADER_PROGRAM_NAME_LEN = 16, /* the kernel's BPF_OBJ_NAME_LEN */
};

/* A program of this build, loaded and pinned: the one that has to be attached. */
struct loader_slot {
	char name[LOADER_PROGRAM_NAME_LEN];
	int fd;
	uint32_t id;
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type; /* of cgroup programs */
};

struct loader {
	char root[PINS_PATH_LEN];
	int lock_fd;
	int cgroup_fd;
	uint64_t cgroup_id;
	struct maps maps;
	bool maps_adopted;    /* all of them were pinned and fit */
	uint32_t staged_from; /* ABI version that is in force until loader_switch(); 0 = none other
			       */
	struct loader_slot slots[LOADER_PROGRAM_MAX];
	size_t slot_count;
	struct loader_timing timing;
};

const struct loader_slot *loader_find_slot(const struct loader *loader, const char *name);

/* adopt.c: gives the object what is pinned and fits, before it is loaded. -EPROTO. */
int adopt_prepare(struct loader *loader, struct bpf_object *object,
		  const struct loader_options *options, char error[LOADER_ERROR_LEN]);
/* Takes the loaded object's maps over into loader->maps. */
int adopt_take_maps(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN]);
/* Pins those that are new; weft_config last: until then, the maps are not all there. */
int adopt_pin(struct loader *loader, char error[LOADER_ERROR_LEN]);

/* migrate.c: is this map of that ABI version the same thing as in this one? */
bool migrate_keeps(uint32_t abi, enum map_id id);

/* loader.c: brings all hooks to the programs of this build. */
int loader_attach(struct loader *loader, char error[LOADER_ERROR_LEN]);

/*
 * programs.c: fills the slots from the loaded object and pins them. A pinned program that is the
 * same stays, and with it all links to it.
 */
int programs_pin(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN]);
/* Fills the slots from the loaded object and pins nothing... */
int programs_hold(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN]);
/* ...until they are attached. */
int programs_pin_held(struct loader *loader, char error[LOADER_ERROR_LEN]);
/* Fills the slots from pins, which are of this build; false when one is missing. */
bool programs_reuse(struct loader *loader, struct bpf_object *object);
/* Unpins programs of other builds that this one has not. */
int programs_prune(struct loader *loader);
void programs_close(struct loader *loader);

/* cgroup_links.c; a pin of another kind has no program: NULL */
void cgroup_links_format_pin(char pin[PINS_NAME_LEN], const char *program);
const char *cgroup_links_parse_pin(const char *pin);
bool cgroup_links_wants(enum bpf_prog_type type);
const char *cgroup_links_hook(uint32_t attach_type); /* "cgroup connect4" */
int cgroup_links_attach(struct loader *loader, const struct loader_slot *slot,
			char error[LOADER_ERROR_LEN]);
/* Drops links whose program this build has not. */
int cgroup_links_prune(struct loader *loader);

/* tc.c: brings every pinned TC link to the programs of this build; drops those of devices that are
 * gone. */
int tc_refresh(struct loader *loader, char error[LOADER_ERROR_LEN]);

#endif /* WEFT_LOADER_STATE_H */
