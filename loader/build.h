/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which build the pinned programs are of. Verifying them takes most of an agent's start; an agent
 * that finds the programs of its own build, and every map they use, takes them as they are.
 *
 * The record <root>/build is removed before the first pin is changed and written after the
 * last one: while it is there, all pins are of that build, whatever was killed and when.
 */
#ifndef WEFT_LOADER_BUILD_H
#define WEFT_LOADER_BUILD_H

#include "loader/state.h"

enum { BUILD_ID_LEN = 32 };

/* The BPF object of this build, an ELF file. */
const void *build_object(size_t *size);

/* Of that object, and of the constant that the loader sets in it. */
void build_identify(const struct loader_options *options, char id[BUILD_ID_LEN]);

/* Whether all pins of the root are of this build. */
bool build_is_pinned(const char *root, const char *id);

int build_forget(const char *root);
int build_record(const struct loader *loader, const char *id);

#endif /* WEFT_LOADER_BUILD_H */
