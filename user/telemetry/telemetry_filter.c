// SPDX-License-Identifier: Apache-2.0
/* Which events somebody wants to see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "policy/workload.h"
#include "user/telemetry/telemetry_internal.h"

int telemetry_parse_status(const char *text, uint16_t *status)
{
	if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
		return -EINVAL;
	if (!strcmp(text + 1, "xx")) {
		*status = (uint16_t)(text[0] - '0');
		return 0;
	}
	if (text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9')
		return -EINVAL;
	*status = (uint16_t)atoi(text);
	return 0;
}

static void side_init(const struct telemetry *telemetry, const char *text,
		      struct telemetry_side_match *side)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	const struct pod *pod;

	if (!text)
		return;
	snprintf(side->name_space, sizeof(side->name_space), "%.*s",
		 slash ? (int)(slash - text) : (int)strlen(text), text);
	side->name = slash ? slash + 1 : NULL;
	if (!side->name)
		return;
	pod = (const struct pod *)store_find(telemetry->store, OBJECT_POD, side->name_space,
					     side->name);
	if (pod && !pod->host_network)
		memcpy(side->addresses, pod->addresses, sizeof(side->addresses));
}

void telemetry_match_init(const struct telemetry *telemetry, const struct telemetry_filter *filter,
			  struct telemetry_match *match)
{
	memset(match, 0, sizeof(*match));
	match->filter = filter;
	side_init(telemetry, filter->from, &match->from);
	side_init(telemetry, filter->to, &match->to);
}

static bool side_matches(const struct telemetry *telemetry, const struct telemetry_side_match *side,
			 uint32_t workload_id, const struct weft_addr *address)
{
	struct workload workload;
	size_t i;

	if (!side->name_space[0])
		return true;
	for (i = 0; i < 2; i++)
		if (!address_is_zero(&side->addresses[i]) &&
		    !address_compare(&side->addresses[i], address))
			return true;
	workload_of(telemetry->names, workload_id, &workload);
	return !strcmp(side->name_space, workload.name_space) &&
	       (!side->name || !strcmp(side->name, workload.name) ||
		!strcmp(side->name, workload.service_account));
}

static bool status_matches(uint16_t wanted, uint16_t status)
{
	return !wanted || wanted == status || (wanted < 10 && wanted == status / 100);
}

static bool path_matches(const char *wanted, const struct weft_request_event *record)
{
	size_t length = strlen(wanted);

	return length <= record->path_len && !memcmp(record->path, wanted, length);
}

bool telemetry_matches(const struct telemetry *telemetry, const struct telemetry_match *match,
		       const struct weft_request_event *record)
{
	const struct telemetry_filter *filter = match->filter;
	const struct weft_event *event = &record->event;

	if (!filter->requests)
		return true;
	return event->type == WEFT_EVENT_REQUEST &&
	       (!filter->denied || event->action == WEFT_VERDICT_DENY ||
		event->action == WEFT_VERDICT_WOULD_DENY) &&
	       (!filter->has_method || filter->method == record->method) &&
	       (!filter->path || path_matches(filter->path, record)) &&
	       status_matches(filter->status, record->status) &&
	       side_matches(telemetry, &match->from, event->src_workload, &event->src) &&
	       side_matches(telemetry, &match->to, event->dst_workload, &event->dst);
}
