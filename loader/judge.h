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
 * The same for weft_judge_http: a request's head, over a connection. -ENOENT also when the
 * programs of the root are of a version that does not judge requests.
 */
int loader_judge_http(const char *root, struct weft_http_question *question);

#endif /* WEFT_LOADER_JUDGE_H */
