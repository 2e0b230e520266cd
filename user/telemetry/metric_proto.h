/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as protocol buffers for Prometheus, the only format of its that has native histograms:
 * those whose bounds are close enough become one.
 */
#ifndef WEFT_USER_METRIC_PROTO_H
#define WEFT_USER_METRIC_PROTO_H

#include "user/telemetry/metric_sink.h"

struct metric_bytes {
	uint8_t *bytes;
	size_t length, room;
};

struct metric_proto {
	struct metric_sink sink;     /* to write to */
	enum metric_type type;	     /* of the family that is being made */
	struct metric_bytes family;  /* its message */
	struct metric_bytes message; /* those before, each with its length in front */
};

/* It must not move, for the sink points to it. */
void metric_proto_init(struct metric_proto *proto);
/* What was written, malloc'ed; `proto` is empty again. */
char *metric_proto_take(struct metric_proto *proto, size_t *length);

#endif /* WEFT_USER_METRIC_PROTO_H */
