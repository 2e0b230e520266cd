// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/explain_request.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/judge.h"
#include "policy/address.h"
#include "policy/memory.h"
#include "tools/weft/cli.h"

bool explain_request_wanted(const struct cli *cli)
{
	return cli->method || cli->path || cli->header_count;
}

void explain_request_clear(struct explain_request *request)
{
	free(request->head);
	*request = (struct explain_request){ 0 };
}

static bool has_host(const struct cli *cli)
{
	int i;

	for (i = 0; i < cli->header_count; i++)
		if (!strncasecmp(cli->headers[i], "host:", strlen("host:")))
			return true;
	return false;
}

static void put_host(FILE *stream, const struct call *call, const char *target)
{
	static const char scheme[] = "http://";
	char text[ADDRESS_TEXT_LEN];

	if (!strncasecmp(target, scheme, strlen(scheme))) {
		target += strlen(scheme);
		fprintf(stream, "Host: %.*s\r\n", (int)strcspn(target, "/?"), target);
	} else if (call->service) {
		fprintf(stream, "Host: %s.%s\r\n", call->service->meta.name,
			call->service->meta.name_space);
	} else {
		address_format(&call->dst, text);
		fprintf(stream, strchr(text, ':') ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n", text,
			(unsigned int)call->port);
	}
}

static bool has_line_end(const char *text)
{
	return text[strcspn(text, "\r\n")];
}

/* What would make it another request than the one that is asked about. */
static bool check_words(const struct cli *cli, const struct call *call)
{
	int i;

	if (call->proto != IPPROTO_TCP)
		cli_fail("requests are made over TCP");
	else if ((cli->method && has_line_end(cli->method)) ||
		 (cli->path && has_line_end(cli->path)))
		cli_fail("a method or path has one line");
	else {
		for (i = 0; i < cli->header_count; i++) {
			if (strchr(cli->headers[i], ':') && !has_line_end(cli->headers[i]))
				continue;
			cli_fail("'%s' is no header 'Name: value'", cli->headers[i]);
			return false;
		}
		return true;
	}
	return false;
}

bool explain_request_build(const struct cli *cli, const struct call *call,
			   struct explain_request *request)
{
	const char *target = cli->path ? cli->path : "/";
	FILE *stream;
	int i;

	*request = (struct explain_request){ 0 };
	if (!explain_request_wanted(cli))
		return true;
	if (!check_words(cli, call))
		return false;
	stream = open_memstream(&request->head, &request->length);
	if (!stream)
		abort(); /* as memory_alloc() */
	fprintf(stream, "%s %s HTTP/1.1\r\n", cli->method ? cli->method : "GET", target);
	if (!has_host(cli))
		put_host(stream, call, target);
	for (i = 0; i < cli->header_count; i++)
		fprintf(stream, "%s\r\n", cli->headers[i]);
	fputs("\r\n", stream);
	fclose(stream);
	return true;
}

void explain_request_reference(const struct model *model, const struct explain_request *request,
			       const struct weft_addr *src, const struct weft_addr *dst,
			       uint16_t port, struct evaluation *evaluation,
			       struct explain_verdict *verdict)
{
	bool ambiguous = evaluate_ambiguous_paths(model->store, &model->facts, dst);
	struct http_request read;
	enum weft_reason reason;

	*verdict = (struct explain_verdict){ 0 };
	if (http_request_read(request->head, request->length, ambiguous, model->facts.max_head,
			      &read, &reason) == 1) {
		evaluate_request(model->store, &model->facts, src, dst, port, &read, evaluation,
				 &verdict->rule);
		http_request_clear(&read);
	} else {
		evaluate_connection(model->store, &model->facts, src, dst, IPPROTO_TCP, port,
				    evaluation);
		if (evaluation->reason == WEFT_REASON_HTTP) {
			evaluation->reason = reason;
			evaluation->action = evaluate_malformed(model->store, &model->facts, dst);
		}
	}
	verdict->action = evaluation->action;
	verdict->reason = evaluation->reason;
}

static char *rule_name(const struct names *names, uint32_t id)
{
	const struct weft_name *name = id ? names_lookup(names, WEFT_NAME_RULE, id) : NULL;

	if (!id)
		return NULL;
	if (!name)
		return memory_printf("rule %u", id);
	return memory_printf("%s/%s %s", name->name_space, name->name, name->detail);
}

int explain_request_kernel(int program, const struct names *names,
			   const struct explain_request *request, const struct weft_addr *src,
			   const struct weft_addr *dst, uint16_t port,
			   struct explain_verdict *verdict)
{
	struct weft_http_question asked = {
		.question = { .src = *src, .dst = *dst, .port = port, .proto = IPPROTO_TCP },
		.length = (uint32_t)request->length,
	};
	int error;

	*verdict = (struct explain_verdict){ 0 };
	if (request->length > sizeof(asked.head))
		return -EMSGSIZE;
	if (program < 0)
		return program;
	memcpy(asked.head, request->head, request->length);
	error = loader_judge_http(program, &asked);
	if (error)
		return error;
	verdict->action = asked.question.action;
	verdict->reason = asked.question.reason;
	if (asked.question.reason != WEFT_REASON_HTTP)
		return 0;
	verdict->reason = asked.reason;
	verdict->rule = rule_name(names, asked.rule);
	if (asked.reason >= WEFT_REASON_FIRST_DENY)
		verdict->action = asked.question.dst_peer.flags & WEFT_PEER_PERMISSIVE ?
					  WEFT_VERDICT_WOULD_DENY :
					  WEFT_VERDICT_DENY;
	return 0;
}

bool explain_request_agree(const struct evaluation *evaluation,
			   const struct explain_verdict *reference,
			   const struct explain_verdict *kernel)
{
	size_t i;

	if (reference->action != kernel->action || reference->reason != kernel->reason)
		return false;
	if (!reference->rule || !kernel->rule)
		return !reference->rule == !kernel->rule;
	for (i = 0; i < evaluation->step_count; i++)
		if (evaluation->steps[i].rule && !strcmp(evaluation->steps[i].rule, kernel->rule))
			return true;
	return false;
}
