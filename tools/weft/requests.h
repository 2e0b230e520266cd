/* SPDX-License-Identifier: Apache-2.0 */
/* weft get requests: what the kernel counted of HTTP requests, by edge and rule. */
#ifndef WEFT_TOOLS_REQUESTS_H
#define WEFT_TOOLS_REQUESTS_H

#include "loader/maps.h"
#include "policy/names.h"
#include "tools/weft/output.h"

/* Appends a row for each to the array. -errno when the maps cannot be read. */
int requests_add_rows(const struct maps *maps, const struct names *names, struct json_object *rows);

extern const struct column request_columns[];

#endif /* WEFT_TOOLS_REQUESTS_H */
