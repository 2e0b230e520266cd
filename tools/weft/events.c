// SPDX-License-Identifier: Apache-2.0
/* weft events: what the agent read from the ring buffer. One JSON object a line with -o json. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

enum { EVENTS_POLL_MS = 100, EVENTS_KEPT = 8192 };

static void print_side(struct json_object *side)
{
	const char *pod = json_text(side, "pod");

	if (*pod)
		printf(" %s/%s", json_text(side, "namespace"), pod);
	else
		printf(" %s", *json_text(side, "address") ? json_text(side, "address") : "?");
	if (*json_text(side, "port"))
		printf(":%s", json_text(side, "port"));
}

static void print_event(const struct cli *cli, struct json_object *event)
{
	if (cli->json) {
		puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	printf("%s %-10s %s", json_text(event, "time"), json_text(event, "type"),
	       json_text(event, "protocol"));
	print_side(json_member(event, "source"));
	printf(" ->");
	print_side(json_member(event, "destination"));
	if (*json_text(event, "reason"))
		printf(" %s (%s)", json_text(event, "reason"), json_text(event, "hook"));
	else
		printf(" sent %s received %s bytes in %s us, rtt %s us, retransmits %s",
		       json_text(event, "bytes_to_destination"),
		       json_text(event, "bytes_to_source"), json_text(event, "duration_us"),
		       json_text(event, "srtt_us"), json_text(event, "retransmits"));
	if (*json_text(event, "service"))
		printf(" service %s backend %s", json_text(event, "service"),
		       json_text(event, "backend"));
	putchar('\n');
}

/* Prints what came since *since and moves it on. */
static int show_new(const struct cli *cli, uint64_t *since, uint64_t *lost, unsigned int limit)
{
	char error[AGENT_ERROR_LEN], path[96];
	struct json_object *answer, *items;
	uint64_t now_lost;
	size_t i;
	int result;

	snprintf(path, sizeof(path), "/v1/events?since=%" PRIu64 "&limit=%u", *since, limit);
	result = agent_get(cli, path, &answer, error);
	if (result) {
		cli_fail("%s", error);
		return result;
	}
	items = json_member(answer, "items");
	for (i = 0; i < json_object_array_length(items); i++)
		print_event(cli, json_object_array_get_idx(items, i));
	*since = json_object_get_uint64(json_member(answer, "next"));
	now_lost = json_object_get_uint64(json_member(answer, "lost"));
	if (now_lost > *lost)
		fprintf(stderr, "weft: %" PRIu64 " events were lost (ring buffer full)\n",
			now_lost - *lost);
	*lost = now_lost;
	fflush(stdout);
	json_object_put(answer);
	return 0;
}

/* The sequence number from which `limit` events remain. */
static int first_sequence(const struct cli *cli, uint64_t *since)
{
	char error[AGENT_ERROR_LEN];
	struct json_object *answer;
	uint64_t next = 0, before;

	*since = 0;
	do { /* limit is per answer; walk to the end */
		char path[96];

		before = next;
		snprintf(path, sizeof(path), "/v1/events?since=%" PRIu64 "&limit=%u", next,
			 (unsigned int)EVENTS_KEPT);
		if (agent_get(cli, path, &answer, error)) {
			cli_fail("%s", error);
			return -ECONNREFUSED;
		}
		next = json_object_get_uint64(json_member(answer, "next"));
		json_object_put(answer);
	} while (next != before);
	*since = next > cli->limit ? next - cli->limit : 0;
	return 0;
}

int command_events(const struct cli *cli)
{
	const struct timespec pause = { .tv_nsec = EVENTS_POLL_MS * 1000000L };
	uint64_t since, lost = 0;

	if (first_sequence(cli, &since))
		return CLI_FAILED;
	if (show_new(cli, &since, &lost, cli->limit))
		return CLI_FAILED;
	while (cli->follow) {
		nanosleep(&pause, NULL);
		if (show_new(cli, &since, &lost, EVENTS_KEPT))
			return CLI_FAILED;
	}
	return CLI_OK;
}
