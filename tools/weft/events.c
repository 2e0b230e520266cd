// SPDX-License-Identifier: Apache-2.0
/* weft events: what the agent read from the ring buffer. One JSON object a line with -o json. */
#include <stdio.h>

#include "tools/weft/cli.h"
#include "tools/weft/output.h"
#include "tools/weft/reader.h"
#include "tools/weft/tap.h"

static void print_event(struct json_object *event)
{
	printf("%s %-10s %s", json_text(event, "time"), json_text(event, "type"),
	       json_text(event, "protocol"));
	reader_print_ends(event);
	if (json_member(event, "request"))
		tap_print_request(event);
	else if (*json_text(event, "reason"))
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

int command_events(const struct cli *cli)
{
	struct reader reader = { .cli = cli, .path = "/v1/events", .print = print_event };

	return reader_run(&reader, cli->limit, cli->follow);
}
