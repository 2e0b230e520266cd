/* SPDX-License-Identifier: Apache-2.0 */
/* How well the API server's resources are followed, for /v1/status and as families of metrics. */
#ifndef WEFT_USER_KUBE_STREAMS_H
#define WEFT_USER_KUBE_STREAMS_H

#include "user/kube/kube_reflector.h"
#include "user/telemetry/metric_sink.h"

struct kube_stream {
	const char *resource; /* "pods" */
	const char *version;  /* of the API: "v1" */
	struct kube_reflector_state state;
};

/* An object with a member by resource; new reference. */
struct json_object *kube_streams_status(const struct kube_stream *streams, size_t count);
void kube_streams_write_metrics(const struct kube_stream *streams, size_t count,
				const struct metric_sink *sink);

#endif /* WEFT_USER_KUBE_STREAMS_H */
