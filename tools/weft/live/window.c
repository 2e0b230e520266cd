// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/live/window.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/memory.h"
#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/kernel.h"
#include "user/traffic/traffic.h"

/* NULL: it does not answer, or with something else; that is said when there is a `name`. */
static struct traffic *take_answer(int result, struct json_object *json, const char *name,
				   const char *error)
{
	struct traffic *traffic = result ? NULL : traffic_from_json(json, &error);

	json_object_put(json);
	if (!traffic && name && result)
		cli_fail("%s", error);
	else if (!traffic && name)
		cli_fail("%s: no answer of an agent: %s", name, error);
	return traffic;
}

static struct traffic *ask_agent(const char *url)
{
	struct json_object *json = NULL;
	char error[AGENT_ERROR_LEN];
	size_t length = strlen(url);
	char *path;
	int result;

	while (length && url[length - 1] == '/')
		length--;
	path = memory_printf("%.*s/v1/traffic", (int)length, url);
	result = agent_get_url(path, &json, error);
	free(path);
	return take_answer(result, json, url, error);
}

/* What the maps do not know: splits by name, findings. Without an agent there are none. */
static void add_told(struct traffic *sum, const struct maps *maps)
{
	struct traffic *answer, *told;
	struct json_object *json = NULL;
	char error[AGENT_ERROR_LEN];
	struct weft_config config;
	__u32 index = 0;
	int result;

	if (maps_get(maps, MAP_CONFIG, &index, &config))
		return;
	result = agent_get(&config, "/v1/traffic", &json, error);
	answer = take_answer(result, json, NULL, error);
	if (!answer)
		return;
	/* without counters, which were read from the maps */
	told = traffic_between(answer, answer);
	traffic_add(sum, told);
	traffic_free(told);
	traffic_free(answer);
}

static struct traffic *read_maps(const struct window *window)
{
	struct names *names = kernel_names(&window->maps);
	struct traffic *traffic = NULL;
	struct weft_config config = { 0 };
	char node[sizeof(config.node) + 1];
	__u32 index = 0;

	if (names && !maps_get(&window->maps, MAP_CONFIG, &index, &config)) {
		snprintf(node, sizeof(node), "%.*s", (int)sizeof(config.node), config.node);
		traffic = traffic_read(&window->maps, names, NULL, node);
	}
	names_free(names);
	if (!traffic)
		cli_fail("cannot read the maps at %s: %s", window->cli->root, strerror(errno));
	return traffic;
}

static struct traffic *look(const struct window *window, size_t i)
{
	return window->cli->agent_count ? ask_agent(window->cli->agents[i]) : read_maps(window);
}

bool window_open(struct window *window, const struct cli *cli)
{
	bool found = false;
	size_t i;

	*window = (struct window){ .cli = cli };
	if (!cli->agent_count && !cli_open_maps(cli, &window->maps))
		return false;
	window->count = cli->agent_count ? (size_t)cli->agent_count : 1;
	window->earlier = memory_alloc(window->count * sizeof(*window->earlier));
	for (i = 0; i < window->count; i++) {
		window->earlier[i] = look(window, i);
		found |= window->earlier[i] != NULL;
	}
	return found;
}

struct traffic *window_next(struct window *window, unsigned int seconds)
{
	struct timespec pause = { .tv_sec = seconds };
	struct traffic *sum = NULL, *later, *between;
	size_t i;

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
	for (i = 0; i < window->count; i++) {
		later = look(window, i);
		if (later && window->earlier[i]) {
			between = traffic_between(window->earlier[i], later);
			if (!sum)
				sum = traffic_new(window->count == 1 ? later->node : "");
			traffic_add(sum, between);
			traffic_free(between);
		}
		traffic_free(window->earlier[i]);
		window->earlier[i] = later;
	}
	if (sum && !window->cli->agent_count)
		add_told(sum, &window->maps);
	return sum;
}

void window_close(struct window *window)
{
	size_t i;

	for (i = 0; i < window->count; i++)
		traffic_free(window->earlier[i]);
	free(window->earlier);
	if (!window->cli->agent_count)
		maps_close(&window->maps);
}
