/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP programs as the kernel has them. */
#ifndef WEFT_TOOLS_KERNEL_HTTP_H
#define WEFT_TOOLS_KERNEL_HTTP_H

#include "policy/desired.h"

struct maps_http;

/*
 * Copies the program that `value` leads to into `dest`, its generation 0 as the compiler makes
 * it. One that is not there, or of another generation, is none.
 */
void kernel_copy_program(const struct maps_http *http, const struct weft_dest *value,
			 struct desired_dest *dest);

/* Calls back, in order, for each rule (weft_name id) that a set of the program names. */
void kernel_each_rule(const struct desired_dest *dest, uint32_t set,
		      void (*callback)(uint32_t rule, void *context), void *context);

#endif /* WEFT_TOOLS_KERNEL_HTTP_H */
