/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for its verdict on a connection that nobody makes. */
#ifndef WEFT_LOADER_JUDGE_H
#define WEFT_LOADER_JUDGE_H

#include "bpf/weft_abi.h"

/*
 * Runs the pinned program weft_judge of a root on `question` and fills its answer in.
 * -ENOENT when nothing is pinned there, -EPERM without CAP_BPF.
 */
int loader_judge(const char *root, struct weft_question *question);

/*
 * The same about a request: loads weft_judge_http over the pinned maps of a root, and returns its
 * descriptor, to be closed by the caller. -ENOENT when nothing is pinned there, -ESTALE when what
 * is pinned is of another build (whose engine might judge otherwise), -EPERM without CAP_BPF.
 */
int loader_judge_http_open(const char *root);
/* A request's head, over a connection: runs that program on `question` and fills its answer in. */
int loader_judge_http(int program, struct weft_http_question *question);

#endif /* WEFT_LOADER_JUDGE_H */
