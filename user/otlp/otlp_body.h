/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of OTLP requests: text that is compressed while it is written, so that what waits is
 * small. */
#ifndef WEFT_USER_OTLP_BODY_H
#define WEFT_USER_OTLP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct otlp_writer;

struct otlp_body {
	struct otlp_body *next; /* in a queue */
	char *bytes;
	size_t size;
	unsigned int items; /* log records or data points */
	uint64_t made_ns;   /* monotonic */
};

/* `gzip` false: the text as it is. */
struct otlp_writer *otlp_writer_new(bool gzip);
void otlp_writer_put(struct otlp_writer *writer, const char *text);
/* A JSON string; what is not UTF-8 in it is replaced. */
void otlp_writer_put_string(struct otlp_writer *writer, const char *text);
/* Takes the reference. */
void otlp_writer_put_json(struct otlp_writer *writer, struct json_object *json);
/* Bytes of text so far, before compression. */
size_t otlp_writer_length(const struct otlp_writer *writer);
/* Frees the writer. */
struct otlp_body *otlp_writer_end(struct otlp_writer *writer, unsigned int items, uint64_t now_ns);

/* NULL is fine. */
void otlp_body_free(struct otlp_body *body);

#endif /* WEFT_USER_OTLP_BODY_H */
