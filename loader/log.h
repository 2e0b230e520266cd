/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader has to say besides its return values, and why an operation failed. */
#ifndef WEFT_LOADER_LOG_H
#define WEFT_LOADER_LOG_H

#include "loader/loader.h"

/* Tells the callback of loader_set_log(); default: dropped. */
__attribute__((format(printf, 2, 3))) void log_tell(enum loader_log_level level, const char *format,
						    ...);

/* Writes one line into `error` (may be NULL), with the first warning of libbpf since log_forget().
 */
__attribute__((format(printf, 3, 4))) int log_fail(char error[LOADER_ERROR_LEN], int code,
						   const char *format, ...);

/* Routes libbpf's messages here and forgets its earlier warnings: at the start of an operation. */
void log_forget(void);

#endif /* WEFT_LOADER_LOG_H */
