// SPDX-License-Identifier: Apache-2.0
/* Life of the telemetry, names behind its numbers, and how many requests become events. */
#include "user/telemetry/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/memory.h"
#include "user/log.h"
#include "user/telemetry/telemetry_internal.h"

#define WATCH_NS 2000000000ULL

struct telemetry *telemetry_new(const struct maps *maps, const struct names *names,
				const struct store *store, const struct metric_options *options)
{
	struct telemetry *telemetry = memory_alloc(sizeof(*telemetry));

	telemetry->maps = maps;
	telemetry->names = names;
	telemetry->store = store;
	telemetry->options = options;
	latency_bounds_make(&telemetry->bounds, options->fine_from_ns, options->fine_to_ns);
	telemetry->events = memory_alloc(TELEMETRY_EVENTS * sizeof(*telemetry->events));
	return telemetry;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Writes how many requests become events. The rest of weft_config stays as it is. */
static int sample_set(const struct telemetry *telemetry, uint32_t sample, uint32_t *before)
{
	struct weft_config config;
	__u32 index = 0;
	int err = maps_get(telemetry->maps, MAP_CONFIG, &index, &config);

	if (err)
		return err;
	*before = config.request_sample;
	config.request_sample = sample;
	return maps_set(telemetry->maps, MAP_CONFIG, &index, &config);
}

void telemetry_watch(struct telemetry *telemetry)
{
	uint64_t until = clock_ns() + WATCH_NS;
	int err = 0;

	if (!telemetry->watched_ns)
		err = sample_set(telemetry, UINT32_MAX, &telemetry->sample);
	if (err)
		log_warn("requests cannot be watched", "error", strerror(-err));
	else
		telemetry->watched_ns = until;
}

static void unwatch(struct telemetry *telemetry)
{
	uint32_t before;
	int err = sample_set(telemetry, telemetry->sample, &before);

	/* the next tick tries again */
	if (err)
		log_warn("every request stays an event", "error", strerror(-err));
	else
		telemetry->watched_ns = 0;
}

void telemetry_tick(struct telemetry *telemetry)
{
	if (telemetry->watched_ns && clock_ns() >= telemetry->watched_ns)
		unwatch(telemetry);
}

void telemetry_free(struct telemetry *telemetry)
{
	if (!telemetry)
		return;
	if (telemetry->watched_ns)
		unwatch(telemetry);
	metric_admission_clear(&telemetry->edges);
	metric_admission_clear(&telemetry->verdicts);
	metric_admission_clear(&telemetry->requests);
	metric_admission_clear(&telemetry->histograms);
	free(telemetry->events);
	free(telemetry);
}

void telemetry_rule_of(const struct telemetry *telemetry, uint32_t id, struct telemetry_rule *rule)
{
	const struct weft_name *name = id ? names_lookup(telemetry->names, WEFT_NAME_RULE, id) :
					    NULL;
	const char *slash = name ? strchr(name->detail, '/') : NULL;

	rule->name_space = name ? name->name_space : "";
	rule->target = name ? name->name : id ? "unknown" : "";
	rule->match = slash ? slash + 1 : "";
	snprintf(rule->group, sizeof(rule->group), "%.*s", slash ? (int)(slash - name->detail) : 0,
		 slash ? name->detail : "");
}
