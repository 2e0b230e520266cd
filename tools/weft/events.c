// SPDX-License-Identifier: Apache-2.0
/*
 * weft events: what the agent read from the ring buffer. One JSON object a line with -o json.
 * The agent numbers its events from 0 and keeps the last ones; a following reader asks for what
 * comes after the last it saw, so that nothing is shown twice, and says what it could not see.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

enum { EVENTS_POLL_MS = 100, EVENTS_PER_ANSWER = 1000 };

struct reader {
	const struct cli *cli;
	struct weft_config config;
	double agent_started; /* which agent numbers the events; 0 = none seen yet */
	uint64_t next;	      /* number of the first event not seen yet */
	uint64_t lost;	      /* the agent's counter of events that never reached it */
	bool away;	      /* the agent did not answer last time; that was said */
};

static void print_side(struct json_object *side)
{
	const char *pod = json_text(side, "pod"), *address = json_text(side, "address");
	const char *port = json_text(side, "port");

	putchar(' ');
	if (*pod)
		printf("%s/%s", json_text(side, "namespace"), pod);
	else if (*port && strchr(address, ':'))
		printf("[%s]", address);
	else
		printf("%s", *address ? address : "?");
	if (*port)
		printf(":%s", port);
}

static void print_event(struct json_object *event)
{
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
		printf(" service %s", json_text(event, "service"));
	if (*json_text(event, "backend"))
		printf(" backend %s", json_text(event, "backend"));
	putchar('\n');
}

static void show_event(struct reader *reader, struct json_object *event)
{
	uint64_t number = json_object_get_uint64(json_member(event, "seq"));

	if (number > reader->next)
		fprintf(stderr,
			"weft: %" PRIu64 " events were not seen: the agent keeps only the last\n",
			number - reader->next);
	reader->next = number + 1;
	if (reader->cli->json)
		puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_event(event);
}

/* Events that the kernel could not put into the ring buffer, since the last look. */
static void show_lost(struct reader *reader, struct json_object *answer)
{
	uint64_t lost = json_object_get_uint64(json_member(answer, "lost"));

	if (lost > reader->lost)
		fprintf(stderr, "weft: %" PRIu64 " events were lost: the ring buffer was full\n",
			lost - reader->lost);
	reader->lost = lost;
}

static int reader_ask(struct reader *reader, uint64_t since, struct json_object **answer,
		      char error[AGENT_ERROR_LEN])
{
	char path[96];

	snprintf(path, sizeof(path), "/v1/events?since=%" PRIu64 "&limit=%u", since,
		 (unsigned int)EVENTS_PER_ANSWER);
	return agent_get(&reader->config, path, answer, error);
}

/* Is it another agent than before? Its numbers begin anew then. */
static bool reader_restart(struct reader *reader, struct json_object *answer)
{
	double started = json_object_get_double(json_member(answer, "started"));
	bool restarted = reader->agent_started != 0 && reader->agent_started != started;

	reader->agent_started = started;
	if (restarted)
		reader->next = 0;
	return restarted;
}

/* Shows what is new. -errno when the agent does not answer. */
static int reader_show(struct reader *reader, char error[AGENT_ERROR_LEN])
{
	struct json_object *answer, *items;
	bool more = true;
	size_t i, count;
	int result;

	while (more) {
		result = reader_ask(reader, reader->next, &answer, error);
		if (result)
			return result;
		/* Asked for numbers of an agent that is gone: ask again. */
		more = reader_restart(reader, answer);
		items = more ? NULL : json_list(answer, "items");
		count = json_list_length(items);
		for (i = 0; i < count; i++)
			show_event(reader, json_object_array_get_idx(items, i));
		more |= count == EVENTS_PER_ANSWER;
		show_lost(reader, answer);
		json_object_put(answer);
	}
	fflush(stdout);
	return 0;
}

/* Begins with the last --limit events. */
static int reader_begin(struct reader *reader, char error[AGENT_ERROR_LEN])
{
	struct json_object *answer;
	uint64_t end, oldest;
	int result = reader_ask(reader, UINT64_MAX, &answer, error);

	if (result)
		return result;
	reader_restart(reader, answer);
	end = json_object_get_uint64(json_member(answer, "next"));
	oldest = json_object_get_uint64(json_member(answer, "oldest"));
	reader->next = end > reader->cli->limit ? end - reader->cli->limit : 0;
	if (reader->next < oldest)
		reader->next = oldest;
	reader->lost = json_object_get_uint64(json_member(answer, "lost"));
	json_object_put(answer);
	return 0;
}

/* An agent that comes back may listen elsewhere; while it is away the kernel keeps the events. */
static void reader_wait_for_agent(struct reader *reader, const char *error)
{
	struct maps maps;
	__u32 index = 0;

	if (!reader->away)
		fprintf(stderr, "weft: %s; waiting for it\n", error);
	reader->away = true;
	if (maps_open(&maps, reader->cli->root, false, NULL))
		return;
	maps_get(&maps, MAP_CONFIG, &index, &reader->config);
	maps_close(&maps);
}

/* False when nobody reads the output any more. */
static bool pause_is_over(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO };

	return poll(&output, 1, EVENTS_POLL_MS) <= 0 || !(output.revents & (POLLERR | POLLHUP));
}

int command_events(const struct cli *cli)
{
	struct reader reader = { .cli = cli };
	char error[AGENT_ERROR_LEN];
	int result;

	if (agent_config(cli, &reader.config))
		return CLI_FAILED;
	result = reader_begin(&reader, error);
	if (!result)
		result = reader_show(&reader, error);
	if (result)
		return cli_fail("%s", error);
	while (cli->follow && !ferror(stdout) && pause_is_over()) {
		if (reader_show(&reader, error))
			reader_wait_for_agent(&reader, error);
		else
			reader.away = false;
	}
	return CLI_OK;
}
