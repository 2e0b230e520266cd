/* SPDX-License-Identifier: Apache-2.0 */
/* A request as the command line describes it, and what objects and kernel say about it. */
#ifndef WEFT_TOOLS_EXPLAIN_REQUEST_H
#define WEFT_TOOLS_EXPLAIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include "policy/evaluate_http.h"
#include "policy/names.h"
#include "tools/weft/call.h"

struct cli;

struct explain_request {
	char *head; /* owned; NULL: no request is in question */
	size_t length;
};

/* Is a request described? */
bool explain_request_wanted(const struct cli *cli);
/*
 * The head of the described request for a call. Without a header Host it gets one: the
 * authority of an absolute form, the service's name, or the destination's address. False with an
 * explanation on stderr.
 */
bool explain_request_build(const struct cli *cli, const struct call *call,
			   struct explain_request *request);
void explain_request_clear(struct explain_request *request);

/* An answer of either side. */
struct explain_verdict {
	enum weft_verdict_action action;
	enum weft_reason reason;
	char *rule; /* that allows the request: "namespace/target group/match"; owned, or NULL */
};

/* By the objects; steps in `evaluation`, which the caller clears. */
void explain_request_reference(const struct model *model, const struct explain_request *request,
			       const struct weft_addr *src, const struct weft_addr *dst,
			       uint16_t port, struct evaluation *evaluation,
			       struct explain_verdict *verdict);
/* By the kernel, that is by loader_judge_http_open()'s program; 0 or a negative errno. */
int explain_request_kernel(int program, const struct names *names,
			   const struct explain_request *request, const struct weft_addr *src,
			   const struct weft_addr *dst, uint16_t port,
			   struct explain_verdict *verdict);
/* Do both say the same? The kernel names one of the rules that allow the request. */
bool explain_request_agree(const struct evaluation *evaluation,
			   const struct explain_verdict *reference,
			   const struct explain_verdict *kernel);

#endif /* WEFT_TOOLS_EXPLAIN_REQUEST_H */
