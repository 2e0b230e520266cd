// SPDX-License-Identifier: Apache-2.0
/* weft explain, for people: the verdict, which object gives it, and what else was looked at. */
#include "tools/weft/explain.h"

#include <json-c/json.h>
#include <stdio.h>

#include "tools/weft/output.h"

static void print_step(struct json_object *step)
{
	const char *name_space = json_text(step, "namespace");

	printf("  %s %s %s%s%s: ",
	       json_object_get_boolean(json_member(step, "allows")) ? "allows " : "looked ",
	       json_text(step, "kind"), name_space, *name_space ? "/" : "",
	       json_text(step, "name"));
	output_text(json_text(step, "text"));
	putchar('\n');
}

/* What allows it comes first. */
static void print_steps(struct json_object *steps)
{
	size_t i, count = json_list_length(steps);
	int allows;

	for (allows = 1; allows >= 0; allows--)
		for (i = 0; i < count; i++) {
			struct json_object *step = json_object_array_get_idx(steps, i);

			if (json_object_get_boolean(json_member(step, "allows")) == allows)
				print_step(step);
		}
}

static void print_verdict(const char *who, struct json_object *verdict)
{
	printf("%-11s %s: ", who, json_text(verdict, "verdict"));
	output_text(json_text(verdict, "text"));
	printf(" (%s)\n", json_text(verdict, "reason"));
}

static void print_endpoint(struct json_object *endpoint)
{
	struct json_object *share = json_member(endpoint, "share");
	struct json_object *kernel_share = json_member(endpoint, "kernel_share");

	putchar('\n');
	/* Otherwise it is the destination itself. */
	if (share)
		printf("endpoint    %s port %s, %s\n"
		       "share       %.3f %% of the calls, by backend %s\n",
		       json_text(endpoint, "endpoint"), json_text(endpoint, "port"),
		       json_text(endpoint, "endpoint_is"), 100 * json_object_get_double(share),
		       json_text(endpoint, "backend"));
	print_verdict("objects say", json_member(endpoint, "reference"));
	print_steps(json_list(endpoint, "reference.steps"));
	if (json_member(endpoint, "kernel"))
		print_verdict("kernel says", json_member(endpoint, "kernel"));
	else
		printf("kernel      cannot say: %s\n", json_text(endpoint, "kernel_error"));
	if (json_member(endpoint, "hint"))
		printf("hint        %s\n", json_text(endpoint, "hint"));
	if (share && !kernel_share)
		puts("kernel      does not choose this endpoint");
	else if (share && json_member(endpoint, "kernel_share_differs"))
		printf("kernel      gives it %.3f %%\n",
		       100 * json_object_get_double(kernel_share));
}

/* The head's lines. */
static void print_request(struct json_object *lines)
{
	size_t i;

	for (i = 0; i < json_list_length(lines); i++) {
		printf("%s", i ? "            " : "request     ");
		output_text(json_text(json_object_array_get_idx(lines, i), ""));
		putchar('\n');
	}
}

void explain_print(struct json_object *answer)
{
	struct json_object *endpoints = json_list(answer, "endpoints");
	size_t i;

	printf("from        %s, %s\n", json_text(answer, "source"), json_text(answer, "source_is"));
	printf("to          %s port %s/%s, %s\n", json_text(answer, "destination"),
	       json_text(answer, "port"), json_text(answer, "protocol"),
	       json_text(answer, "destination_is"));
	printf("as seen on  node %s\n", json_text(answer, "node"));
	print_request(json_list(answer, "request"));
	if (*json_text(answer, "split"))
		printf("split by    TrafficSplit %s\n", json_text(answer, "split"));
	if (*json_text(answer, "note"))
		printf("note        %s\n", json_text(answer, "note"));
	if (json_member(answer, "refused")) {
		print_verdict("objects say", json_member(answer, "refused"));
		print_verdict("kernel says", json_member(answer, "kernel_refused"));
	}
	for (i = 0; i < json_list_length(endpoints); i++)
		print_endpoint(json_object_array_get_idx(endpoints, i));
	if (!json_object_get_boolean(json_member(answer, "agree")))
		puts("\nThe objects and the kernel DISAGREE (a change may be on its way: try "
		     "again).");
}
