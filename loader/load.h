/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps and programs into the kernel. A kernel verifies a program on one CPU, and that is most of an
 * agent's first start; so two threads load a share of the programs each, over the same maps.
 */
#ifndef WEFT_LOADER_LOAD_H
#define WEFT_LOADER_LOAD_H

#include <bpf/libbpf.h>
#include "loader/loader.h"

enum { LOAD_SHARES = 2 };

/* The same object file several times: each copy has a part of the programs. */
struct load {
	struct bpf_object *maps; /* all maps, no program */
	struct bpf_object *shares[LOAD_SHARES];
};

/* Opens the BPF object of this build, or of `options->object`. -errno. */
int load_open(const struct loader_options *options, struct bpf_object **object);

/*
 * Creates those maps of `maps` that it was not given, and loads the programs. -errno; to be closed
 * in any case, which leaves `maps` open.
 */
int load_start(const struct loader_options *options, struct bpf_object *maps, struct load *load);
void load_close(struct load *load);

#endif /* WEFT_LOADER_LOAD_H */
