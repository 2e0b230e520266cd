// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/reader.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/memory.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

enum { READER_POLL_MS = 100, READER_PER_ANSWER = 1000 };

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

void reader_print_ends(struct json_object *event)
{
	print_side(json_member(event, "source"));
	printf(" ->");
	print_side(json_member(event, "destination"));
}

static void say_missed(uint64_t count)
{
	if (count)
		fprintf(stderr,
			"weft: %" PRIu64 " events were not seen: the agent keeps only the last\n",
			count);
}

static void show_event(struct reader *reader, struct json_object *event)
{
	uint64_t number = json_object_get_uint64(json_member(event, "seq"));

	if (!reader->filtered && number > reader->next)
		say_missed(number - reader->next);
	reader->next = number + 1;
	if (reader->cli->json)
		puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		reader->print(event);
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
	char *path = memory_printf("%s%csince=%" PRIu64 "&limit=%u", reader->path,
				   strchr(reader->path, '?') ? '&' : '?', since,
				   (unsigned int)READER_PER_ANSWER);
	int result = agent_get(&reader->config, path, answer, error);

	free(path);
	return result;
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

/*
 * Shows the events of an answer. A filter leaves gaps in their numbers: then the answer itself
 * says from where on the agent looked, and where to go on.
 */
static size_t show_events(struct reader *reader, struct json_object *answer)
{
	uint64_t oldest = json_object_get_uint64(json_member(answer, "oldest"));
	struct json_object *items = json_list(answer, "items");
	size_t i, count = json_list_length(items);

	if (reader->filtered && oldest > reader->next)
		say_missed(oldest - reader->next);
	for (i = 0; i < count; i++)
		show_event(reader, json_object_array_get_idx(items, i));
	if (reader->filtered)
		reader->next = json_object_get_uint64(json_member(answer, "next"));
	return count;
}

/* Shows what is new. -errno when the agent does not answer. */
static int reader_show(struct reader *reader, char error[AGENT_ERROR_LEN])
{
	struct json_object *answer;
	bool more = true;
	int result;

	while (more) {
		result = reader_ask(reader, reader->next, &answer, error);
		if (result)
			return result;
		/* Asked for numbers of an agent that is gone: ask again. */
		more = reader_restart(reader, answer);
		if (!more)
			more = show_events(reader, answer) == READER_PER_ANSWER;
		show_lost(reader, answer);
		json_object_put(answer);
	}
	fflush(stdout);
	return 0;
}

/* Begins with the last events. */
static int reader_begin(struct reader *reader, unsigned int limit, char error[AGENT_ERROR_LEN])
{
	struct json_object *answer;
	uint64_t end, oldest;
	int result = reader_ask(reader, UINT64_MAX, &answer, error);

	if (result)
		return result;
	reader_restart(reader, answer);
	end = json_object_get_uint64(json_member(answer, "next"));
	oldest = json_object_get_uint64(json_member(answer, "oldest"));
	reader->next = end > limit ? end - limit : 0;
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

	return poll(&output, 1, READER_POLL_MS) <= 0 || !(output.revents & (POLLERR | POLLHUP));
}

int reader_run(struct reader *reader, unsigned int limit, bool follow)
{
	char error[AGENT_ERROR_LEN];
	int result;

	if (agent_config(reader->cli, &reader->config))
		return CLI_FAILED;
	result = reader_begin(reader, limit, error);
	if (!result)
		result = reader_show(reader, error);
	if (result)
		return cli_fail("%s", error);
	while (follow && !ferror(stdout) && pause_is_over()) {
		if (reader_show(reader, error))
			reader_wait_for_agent(reader, error);
		else
			reader->away = false;
	}
	return CLI_OK;
}
