/* SPDX-License-Identifier: Apache-2.0 */
/* weft get requests: what the kernel counted of HTTP requests, by edge and rule. */
#ifndef WEFT_TOOLS_REQUESTS_H
#define WEFT_TOOLS_REQUESTS_H

#include "loader/maps.h"
#include "policy/names.h"
#include "tools/weft/output.h"

/* Appends a row for each to the array. -errno when the maps cannot be read. */
int requests_add_rows(const struct maps *maps, const struct names *names, struct json_object *rows);

/* Members traffic_target and route of a row, from the number of a rule; 0 has none. */
void request_put_rule(struct json_object *row, const struct names *names, uint32_t id);

extern const struct column request_columns[];

#endif /* WEFT_TOOLS_REQUESTS_H */
