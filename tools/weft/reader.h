/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads events from the agent as they come. The agent numbers them from 0 and keeps the last
 * ones; a reader asks for what comes after the last it saw, so that nothing is shown twice, and
 * says on stderr what it could not see.
 */
#ifndef WEFT_TOOLS_READER_H
#define WEFT_TOOLS_READER_H

#include <stdbool.h>
#include <stdint.h>
#include "tools/weft/agent.h"

struct reader {
	const struct cli *cli;
	const char *path; /* what to ask for, with its own arguments */
	bool filtered;	  /* the numbers of what is shown have gaps */
	/* Shows one event, as text. */
	void (*print)(struct json_object *event);

	/* the reader's own */
	struct weft_config config;
	double agent_started; /* which agent numbers the events; 0 = none seen yet */
	uint64_t next;	      /* number of the first event not seen yet */
	uint64_t lost;	      /* the agent's counter of events that never reached it */
	bool away;	      /* the agent did not answer last time; that was said */
};

/*
 * Shows the last `limit` events; with `follow` goes on until nobody reads the output any more. An
 * agent that goes away is waited for. Returns an exit status of the command.
 */
int reader_run(struct reader *reader, unsigned int limit, bool follow);

/* For print(): both ends of the event's connection, with a space before each. */
void reader_print_ends(struct json_object *event);

#endif /* WEFT_TOOLS_READER_H */
