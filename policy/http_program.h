/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP rules of one destination -> its HTTP program, the tables of bpf/weft_abi_http.h. Pure and
 * deterministic: the same rules in the same order give the same bytes. What is well-formed HTTP
 * is part of the program; the tables' grammar is RFC 9112, as strictly as SEMANTICS says.
 */
#ifndef WEFT_POLICY_HTTP_PROGRAM_H
#define WEFT_POLICY_HTTP_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "policy/model.h"
#include "policy/regex.h"

/* One SMI match in one TrafficTarget. */
struct http_rule {
	const struct http_match *match;
	bool full_paths; /* the path regex must match all of the path */
	uint32_t id;	 /* weft_name id of the rule */
};

/* Rules that a source may use on a port: a bit per rule, in the order they were given. */
struct http_rule_mask {
	uint64_t bits[4];
};

struct http_program_options {
	bool ambiguous_paths; /* weft.dev/ambiguous-paths: allow */
	uint32_t max_head;    /* bytes, up to WEFT_HTTP_HEAD_MAX; 0 = WEFT_HTTP_HEAD_DEFAULT */
};

/* A rule that did not fit, which grants nothing now. */
struct http_refusal {
	size_t rule;
	char message[REGEX_MESSAGE_LEN];
};

struct http_program {
	uint8_t *bytes;	 /* struct weft_http_program and its tables; generation 0 */
	uint32_t size;	 /* a multiple of WEFT_HTTP_UNIT */
	uint32_t *masks; /* per mask that was asked for: its set in the program */
	struct http_refusal *refusals;
	size_t refusal_count;
};

/*
 * Compiles. At most WEFT_HTTP_RULES_MAX rules are taken, the first ones; those and others
 * that exceed a budget (header names, bits, states, lanes, size) are refusals. Cannot fail: in the
 * worst case all rules are refused and the program denies everything. To be cleared by the caller.
 */
void http_program_compile(const struct http_rule *rules, size_t rule_count,
			  const struct http_rule_mask *masks, size_t mask_count,
			  const struct http_program_options *options, struct http_program *program);
void http_program_clear(struct http_program *program);

#endif /* WEFT_POLICY_HTTP_PROGRAM_H */
