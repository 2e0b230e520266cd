/* SPDX-License-Identifier: Apache-2.0 */
/* Events as log records of OTLP. */
#ifndef WEFT_USER_OTLP_LOG_H
#define WEFT_USER_OTLP_LOG_H

#include <stdint.h>

struct json_object;

/*
 * A LogRecord of an event as /v1/events tells it. `time_ns`: when it happened, `observed_ns`: when
 * it was read, both since 1970. New reference.
 */
struct json_object *otlp_log_record(struct json_object *event, uint64_t time_ns,
				    uint64_t observed_ns);

#endif /* WEFT_USER_OTLP_LOG_H */
