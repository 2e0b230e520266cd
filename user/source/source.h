/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects come from. A source parses objects and hands them to its sink; it
 * never sees maps. The same interface serves a manifest folder and the API server.
 */
#ifndef WEFT_USER_SOURCE_H
#define WEFT_USER_SOURCE_H

#include <stdbool.h>
#include "policy/store.h"

struct uv_loop_s;
struct json_object;
struct metric_sink;

/* How the agent is. */
struct source_report {
	const char *not_ready; /* NULL when it is ready, else why not */
	size_t pods, pods_attached;
	const struct findings *findings; /* all of them, sorted */
	const struct store *store;
};

struct source_counts {
	unsigned long events_sent, events_failed; /* Kubernetes Events */
	bool is_leader;				  /* it tells what all agents know */
};

struct source_sink {
	/* Takes ownership. Whether it is news. */
	enum store_change (*put)(void *context, struct object *object);
	void (*remove)(void *context, enum object_kind kind, const char *key);
	/* A batch is complete: the store is consistent, compile now. `synced` once everything was
	 * seen. */
	void (*commit)(void *context, bool synced);
	/* Valid until the event loop goes on. */
	void (*report)(void *context, struct source_report *report);
	void *context;
};

struct source;

struct source_ops {
	/* A pod that it has not told of when it is synced is not known yet. */
	bool tells_all_pods;
	/* Starts delivering; the first commit may come before it returns. */
	int (*start)(struct source *source);
	/* Looks at once for changes that it may have missed. */
	void (*rescan)(struct source *source);
	/* The source's own part of /v1/status ("source": {...}); `applied` = state of the last
	 * commit that is in the maps. New reference. */
	struct json_object *(*status)(const struct source *source);
	/* What was committed last is in the maps now. */
	void (*applied)(struct source *source);
	/* Findings about files and objects that are not in the store (duplicates, unparsable, field
	 * errors). */
	const struct findings *(*findings)(const struct source *source);
	/* A file whose objects are unknown, since it has not parsed in this source's life; NULL =
	 * all were read. What it holds may be what other objects depend on. */
	const char *(*unread)(const struct source *source);
	/* The report may be another one from now on. NULL: of no interest. */
	void (*reported)(struct source *source);
	/* NULL: there is nothing to count. */
	void (*count)(const struct source *source, struct source_counts *counts);
	/* Families of its own. NULL: there are none. */
	void (*write_metrics)(const struct source *source, const struct metric_sink *sink);
	/* The agent is about to end. True: something is still to be told to others, ask again a
	 * little later. NULL: nothing ever is. */
	bool (*leave)(struct source *source);
	/* Delivers nothing from now on; the loop must run once more to close what is open. */
	void (*free)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

/* A folder of *.yaml, *.yml, *.json manifests, watched with inotify. */
int source_dir_new(struct uv_loop_s *loop, const char *path, const struct source_sink *sink,
		   struct source **source);

#endif /* WEFT_USER_SOURCE_H */
