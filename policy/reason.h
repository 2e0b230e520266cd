/* SPDX-License-Identifier: Apache-2.0 */
/* The words for the enums of weft_abi.h: metric labels, events, command line. Static strings. */
#ifndef WEFT_POLICY_REASON_H
#define WEFT_POLICY_REASON_H

#include <stdint.h>
#include "bpf/weft_abi.h"

/* "no_rule", "spoofed_source", ...; a number this version does not know is "unrecognised". */
const char *reason_name(enum weft_reason reason);
/* One sentence for people: "No TrafficTarget allows this source on this port." */
const char *reason_text(enum weft_reason reason);
const char *verdict_name(enum weft_verdict_action action); /* "allow", "deny", "would_deny" */
const char *hook_name(enum weft_hook hook);		   /* "connect", ... */
const char *reporter_name(enum weft_direction direction);  /* "source", "destination", "unknown" */
const char *stat_name(enum weft_stat stat);		   /* "events_lost", ... */
const char *protocol_name(uint8_t proto);		   /* "tcp", "udp", "other" */
const char *method_name(enum weft_http_method method);	   /* "GET", ..., "other" */
/* The inverse, also of "other". -EINVAL for what is no name of a method here. */
int method_parse(const char *text, enum weft_http_method *method);

#endif /* WEFT_POLICY_REASON_H */
