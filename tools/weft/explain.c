// SPDX-License-Identifier: Apache-2.0
/*
 * weft explain SRC DST PORT[/udp]: the reference evaluator's answer, object by
 * object, and next to it what the kernel itself answers from its maps.
 */
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/judge.h"
#include "policy/address.h"
#include "policy/evaluate.h"
#include "policy/reason.h"
#include "tools/weft/cli.h"
#include "tools/weft/model.h"
#include "tools/weft/output.h"

struct question {
	const struct cli *cli;
	struct model model;
	struct weft_addr src, dst;
	const struct service *service; /* DST names a service */
	uint16_t port;
	uint8_t proto;
	bool agree; /* so far */
};

static bool pod_address(const struct object *object, struct weft_addr *addr)
{
	const struct pod *pod = (const struct pod *)object;
	size_t i;

	for (i = 0; i < 2; i++)
		if (!address_is_zero(&pod->addresses[i])) {
			*addr = pod->addresses[i];
			return true;
		}
	return false;
}

/* The first pod that runs under a ServiceAccount. */
static const struct object *pod_of_account(const struct store *store, const char *name_space,
					   const char *name)
{
	const struct object *found = NULL;
	struct object **pods;
	size_t i, count;

	pods = store_sorted(store, OBJECT_POD, &count);
	for (i = 0; i < count && !found; i++)
		if (!strcmp(pods[i]->name_space, name_space) &&
		    !strcmp(((struct pod *)pods[i])->service_account, name) &&
		    !((struct pod *)pods[i])->finished)
			found = pods[i];
	free(pods);
	return found;
}

/* NAMESPACE/NAME with an optional pod/, sa/ or svc/ before it, or an address. */
static bool resolve(struct question *question, const char *text, struct weft_addr *addr,
		    const struct service **service)
{
	const struct store *store = question->model.store;
	const struct object *object = NULL;
	char name_space[WEFT_NAMESPACE_LEN];
	const char *kind = "", *name;

	if (!address_parse(text, addr))
		return true;
	if (!strncmp(text, "pod/", 4) || !strncmp(text, "svc/", 4) || !strncmp(text, "sa/", 3)) {
		kind = text;
		text = strchr(text, '/') + 1;
	}
	name = strchr(text, '/');
	if (!name || (size_t)(name - text) >= sizeof(name_space)) {
		cli_fail("'%s' is neither an address nor NAMESPACE/NAME", text);
		return false;
	}
	snprintf(name_space, sizeof(name_space), "%.*s", (int)(name - text), text);
	name++;
	if (!*kind || *kind == 'p')
		object = store_find(store, OBJECT_POD, name_space, name);
	if (!object && service && (!*kind || !strncmp(kind, "svc", 3))) {
		*service =
			(const struct service *)store_find(store, OBJECT_SERVICE, name_space, name);
		if (*service && (*service)->cluster_ip_count) {
			*addr = (*service)->cluster_ips[0];
			return true;
		}
	}
	if (!object && (!*kind || !strncmp(kind, "sa", 2)))
		object = pod_of_account(store, name_space, name);
	if (!object || !pod_address(object, addr)) {
		cli_fail("%s/%s is no pod with an address%s in the agent's objects", name_space,
			 name, service ? ", service" : "");
		return false;
	}
	return true;
}

static bool parse_port(const char *text, struct question *question)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	question->proto = IPPROTO_TCP;
	if (!strcmp(end, "/udp"))
		question->proto = IPPROTO_UDP;
	else if (*end && strcmp(end, "/tcp"))
		port = 0;
	question->port = (uint16_t)port;
	return port > 0 && port <= 65535;
}

static struct json_object *verdict_json(enum weft_verdict_action action, enum weft_reason reason)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "verdict", verdict_name(action));
	json_put_string(json, "reason", reason_name(reason));
	json_put_string(json, "text", reason_text(reason));
	return json;
}

static struct json_object *reference_json(const struct evaluation *evaluation)
{
	struct json_object *json = verdict_json(evaluation->action, evaluation->reason);
	struct json_object *steps = json_object_new_array();
	size_t i;

	for (i = 0; i < evaluation->step_count; i++) {
		const struct evaluation_step *step = &evaluation->steps[i];
		struct json_object *row = json_object_new_object();

		json_put_string(row, "kind", step->kind);
		json_put_string(row, "namespace", step->name_space);
		json_put_string(row, "name", step->name);
		json_put_string(row, "allows", step->allows ? "yes" : "no");
		json_put_string(row, "text", step->text);
		json_object_array_add(steps, row);
	}
	json_object_object_add(json, "steps", steps);
	return json;
}

/* Both answers for one endpoint. */
static struct json_object *explain_endpoint(struct question *question, const struct weft_addr *dst,
					    uint16_t port)
{
	struct weft_question asked = {
		.src = question->src, .dst = *dst, .port = port, .proto = question->proto
	};
	struct json_object *json = json_object_new_object();
	struct evaluation evaluation = { 0 };
	int error;

	json_put_address(json, "endpoint", dst);
	json_put_number(json, "port", port);
	evaluate_connection(question->model.store, &question->model.facts, &question->src, dst,
			    question->proto, port, &evaluation);
	json_object_object_add(json, "reference", reference_json(&evaluation));
	error = loader_judge(question->cli->root, &asked);
	if (error) {
		json_put_string(json, "kernel_error", strerror(-error));
		question->agree = false;
	} else {
		json_object_object_add(json, "kernel", verdict_json(asked.action, asked.reason));
		if (asked.action != evaluation.action || asked.reason != evaluation.reason)
			question->agree = false;
	}
	evaluation_clear(&evaluation);
	return json;
}

/* A service: who may be chosen, and the verdict for each. */
static int explain_service(struct question *question, struct json_object *answer)
{
	struct json_object *list = json_object_new_array();
	struct evaluation_choice *choices = NULL;
	const struct traffic_split *split = NULL;
	char percent[16];
	int i, count;

	count = evaluate_service(question->model.store, &question->dst, question->proto,
				 question->port, &choices, &split);
	json_object_object_add(answer, "endpoints", list);
	if (count == -ENOENT)
		json_put_string(answer, "service_verdict",
				reason_text(WEFT_REASON_UNKNOWN_SERVICE_PORT));
	else if (count == 0)
		json_put_string(answer, "service_verdict", reason_text(WEFT_REASON_NO_ENDPOINT));
	if (split)
		json_put_string(answer, "split", split->meta.key);
	for (i = 0; i < count; i++) {
		struct json_object *json =
			explain_endpoint(question, &choices[i].addr, choices[i].port);

		json_put_string(json, "backend", choices[i].backend);
		snprintf(percent, sizeof(percent), "%.3f %%", 100 * choices[i].share);
		json_put_string(json, "share", percent);
		json_object_array_add(list, json);
	}
	free(choices);
	return count;
}

static void print_endpoint(struct json_object *endpoint)
{
	static const struct column steps[] = { { "OBJECT", "kind" }, { "NAMESPACE", "namespace" },
					       { "NAME", "name" },   { "ALLOWS", "allows" },
					       { "WHY", "text" },    { 0 } };
	struct json_object *list = json_member(endpoint, "reference.steps");

	printf("endpoint   %s port %s", json_text(endpoint, "endpoint"),
	       json_text(endpoint, "port"));
	if (*json_text(endpoint, "backend"))
		printf(" (backend %s, share %s)", json_text(endpoint, "backend"),
		       json_text(endpoint, "share"));
	printf("\nobjects    %s: %s - %s\n", json_text(endpoint, "reference.verdict"),
	       json_text(endpoint, "reference.reason"), json_text(endpoint, "reference.text"));
	if (*json_text(endpoint, "kernel_error"))
		printf("kernel     cannot say: %s\n", json_text(endpoint, "kernel_error"));
	else
		printf("kernel     %s: %s\n", json_text(endpoint, "kernel.verdict"),
		       json_text(endpoint, "kernel.reason"));
	if (json_object_array_length(list))
		output_table(list, steps);
}

static void print_answer(struct json_object *answer)
{
	struct json_object *list = json_member(answer, "endpoints");
	size_t i;

	if (*json_text(answer, "service_verdict"))
		printf("refused    %s\n", json_text(answer, "service_verdict"));
	if (*json_text(answer, "split"))
		printf("split      %s\n", json_text(answer, "split"));
	for (i = 0; i < json_object_array_length(list); i++) {
		if (i)
			putchar('\n');
		print_endpoint(json_object_array_get_idx(list, i));
	}
	if (!json_object_get_boolean(json_member(answer, "agree")))
		puts("\nThe objects and the kernel DISAGREE (a change may be on its way: try again).");
}

int command_explain(const struct cli *cli)
{
	struct question question = { .cli = cli, .agree = true };
	struct json_object *answer = NULL;
	int result = CLI_FAILED;

	if (cli->argc != 4 || !parse_port(cli->argv[3], &question))
		return cli_fail("usage: weft explain SRC DST PORT[/udp]");
	if (!model_open(cli, &question.model) ||
	    !resolve(&question, cli->argv[1], &question.src, NULL) ||
	    !resolve(&question, cli->argv[2], &question.dst, &question.service))
		goto out;
	answer = json_object_new_object();
	json_put_address(answer, "source", &question.src);
	json_put_address(answer, "destination", &question.dst);
	json_put_string(answer, "protocol", protocol_name(question.proto));
	if (question.service) {
		explain_service(&question, answer);
	} else {
		struct json_object *list = json_object_new_array();

		json_object_array_add(list,
				      explain_endpoint(&question, &question.dst, question.port));
		json_object_object_add(answer, "endpoints", list);
	}
	json_object_object_add(answer, "agree", json_object_new_boolean(question.agree));
	if (cli->json)
		output_json(answer);
	else
		print_answer(answer);
	result = question.agree ? CLI_OK : CLI_DIFFERS;
out:
	json_object_put(answer);
	model_close(&question.model);
	return result;
}
