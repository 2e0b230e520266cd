/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent has to say, where people look for it: findings as Events on the objects, its state
 * as an annotation on the Node. Nothing that is enforced waits for any of this.
 */
#ifndef WEFT_USER_KUBE_FEEDBACK_H
#define WEFT_USER_KUBE_FEEDBACK_H

#include "user/kube/kube_http.h"
#include "user/source/source.h"

struct uv_loop_s;
struct json_object;
struct kube_feedback;

/* `sink` is asked for its report a moment after kube_feedback_news(). */
struct kube_feedback *kube_feedback_new(struct uv_loop_s *loop, struct kube_http *http,
					const char *node, const char *name_space,
					const struct source_sink *sink);

/* The report may be another one; its findings are about all objects if `is_synced`. */
void kube_feedback_news(struct kube_feedback *feedback, bool is_synced);

/* "feedback" of /v1/status. New reference. */
struct json_object *kube_feedback_status(const struct kube_feedback *feedback);
void kube_feedback_count(const struct kube_feedback *feedback, struct source_counts *counts);

/* Before the end. True: something is still under way, ask again. */
bool kube_feedback_leave(struct kube_feedback *feedback);

/* NULL is ignored. */
void kube_feedback_free(struct kube_feedback *feedback);

#endif /* WEFT_USER_KUBE_FEEDBACK_H */
