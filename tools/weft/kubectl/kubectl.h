/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl traffic: this program under the name kubectl-traffic is a plugin of kubectl. It asks the
 * cluster, not this node, through kubectl itself, so that every kind of kubeconfig works.
 */
#ifndef WEFT_TOOLS_KUBECTL_H
#define WEFT_TOOLS_KUBECTL_H

#include <stdbool.h>
#include <stddef.h>
#include "tools/weft/cli.h"

struct json_object;

struct kubectl {
	struct cli cli; /* name_space, format, json, and what tap takes */
	bool all_namespaces;
	const char *selector;	     /* NULL = none */
	const char *agent_namespace; /* where weft's own pods are */
	const char *flags[5];	     /* for kubectl itself; ends with NULL */
	size_t flag_count;
};

/* Everything but the first argument; an exit status. */
int kubectl_main(int argc, char **argv);

int kubectl_top(struct kubectl *kubectl);
int kubectl_topology(struct kubectl *kubectl);
int kubectl_tap(struct kubectl *kubectl);

/*
 * kubectl_run.c: what `kubectl get --raw PATH` prints, parsed, of `count` paths at once: answers[i]
 * is a new reference, or NULL when kubectl failed or printed something else. What kubectl says on
 * stderr is shown unless `quiet`.
 */
void kubectl_get(const struct kubectl *kubectl, char *const *paths, size_t count,
		 struct json_object **answers, bool quiet);
/* The namespace of -n, of -A (""), or of kubectl's context. The caller frees it. */
char *kubectl_namespace(const struct kubectl *kubectl);

#endif /* WEFT_TOOLS_KUBECTL_H */
