/* SPDX-License-Identifier: Apache-2.0 */
/* Requests among the events. */
#ifndef WEFT_TOOLS_TAP_H
#define WEFT_TOOLS_TAP_H

struct cli;
struct json_object;

/* Method, path, answer, and the rule or the reason, with a space before. */
void tap_print_request(struct json_object *event);

/* "/v1/tap?..." for the options; the caller frees it. */
char *tap_path(const struct cli *cli);
/* A line of text. */
void tap_print_event(struct json_object *event);

#endif /* WEFT_TOOLS_TAP_H */
