/* SPDX-License-Identifier: Apache-2.0 */
/* May this process load and attach BPF programs, and find the pods to attach them to? */
#ifndef WEFT_LOADER_PRIVILEGES_H
#define WEFT_LOADER_PRIVILEGES_H

#include <stddef.h>
#include "loader/loader.h"

/*
 * The capabilities weft needs and this process has not, as "CAP_BPF, CAP_NET_ADMIN"; "" when it
 * has them all. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
 */
void privileges_missing(char *text, size_t size);

/* Loads a TC program of two instructions, which needs what the real ones need. -EPERM. */
int privileges_try(void);
/* The same, and the caller gets the program, which passes everything on. */
int privileges_load(void);

/* Both, in words. */
int privileges_check(char error[LOADER_ERROR_LEN]);

#endif /* WEFT_LOADER_PRIVILEGES_H */
