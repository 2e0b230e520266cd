/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `weft explain`: an answer is made as JSON, and shown from it. */
#ifndef WEFT_TOOLS_EXPLAIN_H
#define WEFT_TOOLS_EXPLAIN_H

struct json_object;

/* For people, on standard output. */
void explain_print(struct json_object *answer);

#endif /* WEFT_TOOLS_EXPLAIN_H */
