// SPDX-License-Identifier: Apache-2.0
/*
 * weft explain SRC DST PORT[/udp]: the reference evaluator's answer, object by
 * object, and next to it what the kernel itself answers from its maps. With a
 * request (--method, --path, --header) both judge that.
 */
#include "tools/weft/explain.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/judge.h"
#include "policy/address.h"
#include "policy/evaluate.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "tools/weft/call.h"
#include "tools/weft/cli.h"
#include "tools/weft/explain_request.h"
#include "tools/weft/kernel.h"
#include "tools/weft/output.h"

struct explainer {
	const struct cli *cli;
	struct model model;
	struct maps maps;
	struct names *names;
	int judge; /* program that is asked about requests, or negative errno */
	struct explain_request request; /* of the answer at hand */
	bool agree;			/* in the answer at hand */
};

static struct json_object *verdict_json(enum weft_verdict_action action, enum weft_reason reason)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "verdict", verdict_name(action));
	json_put_string(json, "reason", reason_name(reason));
	json_put_string(json, "text", reason_text(reason));
	return json;
}

/* A rule that allows a request says more than the reason does. */
static void put_rule(struct json_object *json, const char *rule)
{
	char *text;

	if (!rule)
		return;
	text = memory_printf("The HTTP rule %s allows it.", rule);
	json_put_string(json, "rule", rule);
	json_put_string(json, "text", text);
	free(text);
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
		json_object_object_add(row, "allows", json_object_new_boolean(step->allows));
		json_put_string(row, "text", step->text);
		if (step->rule)
			json_put_string(row, "rule", step->rule);
		json_object_array_add(steps, row);
	}
	json_object_object_add(json, "steps", steps);
	return json;
}

static void put_who(const struct explainer *explainer, struct json_object *json, const char *key,
		    const struct weft_addr *addr)
{
	char text[CALL_WHO_LEN];

	json_put_string(json, key, call_describe(&explainer->model, addr, text));
}

/* Both verdicts on a connection. */
static void explain_connection(struct explainer *explainer, const struct call *call,
			       const struct weft_addr *dst, uint16_t port, struct json_object *json)
{
	struct weft_question asked = {
		.src = call->src, .dst = *dst, .port = port, .proto = call->proto
	};
	struct evaluation evaluation = { 0 };
	int error;

	evaluate_connection(explainer->model.store, &explainer->model.facts, &call->src, dst,
			    call->proto, port, &evaluation);
	json_object_object_add(json, "reference", reference_json(&evaluation));
	if (evaluation.reason == WEFT_REASON_HTTP)
		json_put_string(json, "hint",
				"HTTP rules decide: give --method and --path, and --header where "
				"a rule asks for one");
	error = loader_judge(explainer->cli->root, &asked);
	if (error) {
		json_put_string(json, "kernel_error", strerror(-error));
		explainer->agree = false;
	} else {
		json_object_object_add(json, "kernel", verdict_json(asked.action, asked.reason));
		explainer->agree &= asked.action == evaluation.action &&
				    asked.reason == evaluation.reason;
	}
	evaluation_clear(&evaluation);
}

static const char *request_error(int error)
{
	if (error == -ESTALE)
		return "its programs are of another build than this weft, and might judge otherwise";
	if (error == -EMSGSIZE)
		return "it is only asked about heads of up to 8192 bytes";
	return strerror(-error);
}

/* Both verdicts on a request. */
static void explain_request(struct explainer *explainer, const struct call *call,
			    const struct weft_addr *dst, uint16_t port, struct json_object *json)
{
	const struct explain_request *request = &explainer->request;
	struct explain_verdict reference, kernel;
	struct evaluation evaluation;
	struct json_object *said;
	int error;

	explain_request_reference(&explainer->model, request, &call->src, dst, port, &evaluation,
				  &reference);
	said = reference_json(&evaluation);
	put_rule(said, reference.rule);
	json_object_object_add(json, "reference", said);
	error = explain_request_kernel(explainer->judge, explainer->names, request, &call->src, dst,
				       port, &kernel);
	if (error) {
		json_put_string(json, "kernel_error", request_error(error));
		explainer->agree = false;
	} else {
		said = verdict_json(kernel.action, kernel.reason);
		put_rule(said, kernel.rule);
		json_object_object_add(json, "kernel", said);
		explainer->agree &= explain_request_agree(&evaluation, &reference, &kernel);
	}
	evaluation_clear(&evaluation);
	free(reference.rule);
	free(kernel.rule);
}

/* Both verdicts on a call to one endpoint. */
static struct json_object *explain_endpoint(struct explainer *explainer, const struct call *call,
					    const struct weft_addr *dst, uint16_t port)
{
	struct json_object *json = json_object_new_object();

	json_put_address(json, "endpoint", dst);
	put_who(explainer, json, "endpoint_is", dst);
	json_put_number(json, "port", port);
	if (explainer->request.head)
		explain_request(explainer, call, dst, port, json);
	else
		explain_connection(explainer, call, dst, port, json);
	return json;
}

/* The kernel's share of an endpoint; 0 when its table has none. */
static double table_share(const struct explainer *explainer, const struct desired_service *table,
			  const struct evaluation_choice *choice)
{
	double share = 0;
	size_t i;

	for (i = 0; i < table->endpoint_count; i++) {
		const struct weft_endpoint *endpoint = &table->endpoints[i];
		const struct weft_name *backend =
			names_lookup(explainer->names, WEFT_NAME_SERVICE, endpoint->backend);

		if (endpoint->port == choice->port &&
		    !address_compare(&endpoint->addr, &choice->addr) && backend &&
		    !strcmp(backend->name, choice->backend))
			share += kernel_share(table->alias, table->endpoint_count, i);
	}
	return share;
}

static struct json_object *explain_choice(struct explainer *explainer, const struct call *call,
					  const struct desired_service *table,
					  const struct evaluation_choice *choice)
{
	const double rounding = 1e-6;
	struct json_object *json = explain_endpoint(explainer, call, &choice->addr, choice->port);
	double share = table_share(explainer, table, choice);

	json_put_string(json, "backend", choice->backend);
	json_put_share(json, "share", choice->share);
	if (share > 0)
		json_put_share(json, "kernel_share", share);
	if (share < choice->share - rounding || share > choice->share + rounding) {
		json_object_object_add(json, "kernel_share_differs", json_object_new_boolean(true));
		explainer->agree = false;
	}
	return json;
}

/* Why a call to a service is refused whatever the endpoint; NONE: it is not. */
static enum weft_reason refusal(int result, size_t endpoints)
{
	if (result)
		return WEFT_REASON_UNKNOWN_SERVICE_PORT;
	return endpoints ? WEFT_REASON_NONE : WEFT_REASON_NO_ENDPOINT;
}

static struct json_object *refusal_json(enum weft_reason reason)
{
	return reason == WEFT_REASON_NONE ? verdict_json(WEFT_VERDICT_ALLOW, reason) :
					    verdict_json(WEFT_VERDICT_DENY, reason);
}

/* A meshed pod's call to a service: who may be chosen, and the verdicts for each. */
static void explain_service(struct explainer *explainer, const struct call *call,
			    struct json_object *answer, struct json_object *list)
{
	struct weft_service_key key = { .addr = call->dst,
					.port = call->port,
					.proto = call->proto };
	struct evaluation_choice *choices = NULL;
	const struct traffic_split *split = NULL;
	enum weft_reason objects, kernel;
	struct desired_service table;
	int i, count, error;

	count = evaluate_service(explainer->model.store, &call->dst, call->proto, call->port,
				 &choices, &split);
	error = kernel_read_service(&explainer->maps, &key, &table);
	objects = refusal(count<0, count> 0 ? (size_t)count : 0);
	kernel = refusal(error, table.endpoint_count);
	if (split)
		json_put_string(answer, "split", split->meta.key);
	if (objects != WEFT_REASON_NONE) {
		json_object_object_add(answer, "refused", refusal_json(objects));
		json_object_object_add(answer, "kernel_refused", refusal_json(kernel));
	}
	/* Tables are compared share by share. */
	explainer->agree &= objects == kernel;
	for (i = 0; i < count; i++)
		json_object_array_add(list, explain_choice(explainer, call, &table, &choices[i]));
	kernel_free_service(&table);
	free(choices);
}

/* The head that is in question, as its lines. */
static void put_request(const struct explain_request *request, struct json_object *answer)
{
	const char *line = request->head, *end;
	struct json_object *lines;

	if (!line)
		return;
	lines = json_object_new_array();
	for (; (end = strstr(line, "\r\n")) && end > line; line = end + 2)
		json_object_array_add(lines, json_object_new_string_len(line, (int)(end - line)));
	json_object_object_add(answer, "request", lines);
}

static struct json_object *answer_call(struct explainer *explainer, const struct call *call)
{
	struct json_object *answer = json_object_new_object(), *list = json_object_new_array();
	const struct model *model = &explainer->model;

	explainer->agree = true;
	json_put_string(answer, "node", model->facts.node);
	json_put_address(answer, "source", &call->src);
	put_who(explainer, answer, "source_is", &call->src);
	json_put_address(answer, "destination", &call->dst);
	put_who(explainer, answer, "destination_is", &call->dst);
	json_put_number(answer, "port", call->port);
	json_put_string(answer, "protocol", protocol_name(call->proto));
	put_request(&explainer->request, answer);
	json_object_object_add(answer, "endpoints", list);
	if (!call->service)
		json_object_array_add(list,
				      explain_endpoint(explainer, call, &call->dst, call->port));
	else if (evaluate_is_meshed(model->store, &model->facts, &call->src))
		explain_service(explainer, call, answer, list);
	else
		json_put_string(answer, "note",
				"the source is no meshed pod: weft leaves its calls to cluster IPs "
				"to the cluster's own service proxy; ask for the pods behind it");
	json_object_object_add(answer, "agree", json_object_new_boolean(explainer->agree));
	return answer;
}

/* NULL when the words make no sense, which was said then. */
static struct json_object *answer_words(struct explainer *explainer, const char *src,
					const char *dst, const char *port)
{
	struct json_object *answer;
	struct call call;

	if (!call_parse(&explainer->model, src, dst, port, &call) ||
	    !explain_request_build(explainer->cli, &call, &explainer->request))
		return NULL;
	answer = answer_call(explainer, &call);
	explain_request_clear(&explainer->request);
	return answer;
}

static int explain_one(struct explainer *explainer)
{
	char **words = explainer->cli->argv;
	struct json_object *answer = answer_words(explainer, words[1], words[2], words[3]);

	if (!answer)
		return CLI_FAILED;
	if (explainer->cli->json)
		output_json(answer);
	else
		explain_print(answer);
	json_object_put(answer);
	return explainer->agree ? CLI_OK : CLI_DIFFERS;
}

/* A line of standard input: SRC DST PORT[/udp]. False: it makes no sense. */
static bool explain_line(struct explainer *explainer, char *line, struct json_object *answers)
{
	char *rest, *src = strtok_r(line, " \t\r\n", &rest);
	char *dst = strtok_r(NULL, " \t\r\n", &rest), *port = strtok_r(NULL, " \t\r\n", &rest);
	struct json_object *answer;

	if (!src)
		return true;
	if (!port || strtok_r(NULL, " \t\r\n", &rest)) {
		cli_fail("a line must read SRC DST PORT[/udp]");
		return false;
	}
	answer = answer_words(explainer, src, dst, port);
	if (!answer)
		return false;
	if (explainer->cli->json) {
		json_object_array_add(answers, answer);
		return true;
	}
	explain_print(answer);
	putchar('\n');
	json_object_put(answer);
	return true;
}

/* Many questions, one reading of the agent's objects. */
static int explain_lines(struct explainer *explainer)
{
	struct json_object *all = json_object_new_object(), *answers = json_object_new_array();
	bool understood = true, agree = true;
	char *line = NULL;
	size_t size = 0;

	while (understood && getline(&line, &size, stdin) > 0) {
		explainer->agree = true;
		understood = explain_line(explainer, line, answers);
		agree &= explainer->agree;
	}
	free(line);
	json_object_object_add(all, "answers", answers);
	json_object_object_add(all, "agree", json_object_new_boolean(agree));
	if (understood && explainer->cli->json)
		output_json(all);
	json_object_put(all);
	if (!understood)
		return CLI_FAILED;
	return agree ? CLI_OK : CLI_DIFFERS;
}

int command_explain(const struct cli *cli)
{
	struct explainer explainer = { .cli = cli, .judge = -ENOENT };
	bool lines = cli->argc == 2 && !strcmp(cli->argv[1], "-");
	int result = CLI_FAILED;

	if (cli->argc != 4 && !lines)
		return cli_fail("usage: weft explain SRC DST PORT[/udp], or - for lines of these");
	if (!cli_open_maps(cli, &explainer.maps))
		return CLI_FAILED;
	explainer.names = kernel_names(&explainer.maps);
	if (explain_request_wanted(cli))
		explainer.judge = loader_judge_http_open(cli->root);
	if (!explainer.names)
		cli_fail("cannot read the map weft_name");
	else if (model_open(cli, &explainer.model))
		result = lines ? explain_lines(&explainer) : explain_one(&explainer);
	if (explainer.judge >= 0)
		close(explainer.judge);
	model_close(&explainer.model);
	names_free(explainer.names);
	maps_close(&explainer.maps);
	return result;
}
