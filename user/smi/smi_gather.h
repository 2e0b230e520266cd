/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agents of a cluster counted: asks each of them for /v1/traffic, or a Prometheus that has
 * scraped them all, again and again.
 */
#ifndef WEFT_USER_SMI_GATHER_H
#define WEFT_USER_SMI_GATHER_H

#include "user/kube/kube_http.h"
#include "user/smi/smi_json.h"
#include "user/smi/smi_view.h"

struct smi_gather;

/*
 * Agents are the pods of weftd in the namespace of `http`; `window_s` is what shall be looked
 * back, `interval_s` how often each is asked. All outlive it.
 */
struct smi_gather *smi_gather_new(struct uv_loop_s *loop, struct kube_http *http,
				  unsigned int window_s, unsigned int interval_s);
/* The same from a Prometheus; takes its address over. -ENOMEM */
int smi_gather_new_prometheus(struct uv_loop_s *loop, struct kube_config *prometheus,
			      unsigned int window_s, unsigned int interval_s,
			      struct smi_gather **gather);
/* The loop must run on to close what is open. NULL is ignored. */
void smi_gather_free(struct smi_gather *gather);

/* NULL once all agents were found and each has answered, or failed to, or Prometheus has; else why
 * not. */
const char *smi_gather_not_ready(const struct smi_gather *gather);

/*
 * The windows of the agents that have answered lately; `moment` is theirs. The array is the
 * caller's to free, what is in it stays valid until the loop goes on.
 */
struct smi_node *smi_gather_nodes(const struct smi_gather *gather, size_t *count,
				  struct smi_moment *moment);

#endif /* WEFT_USER_SMI_GATHER_H */
