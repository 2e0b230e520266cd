/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at an end of an edge, as members of a row. */
#ifndef WEFT_TOOLS_END_H
#define WEFT_TOOLS_END_H

#include <stdint.h>
#include "policy/names.h"

struct json_object;
enum end_side { END_SOURCE, END_DESTINATION };

/*
 * "source": "NAMESPACE/WORKLOAD", and "source_pod" where the pod is counted by itself: its name,
 * or "(gone)" for those that are no more, together.
 */
void end_put(struct json_object *row, const struct names *names, enum end_side side, uint32_t id);

#endif /* WEFT_TOOLS_END_H */
