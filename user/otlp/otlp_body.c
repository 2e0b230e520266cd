// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_body.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "policy/memory.h"
#include "user/source/utf8.h"

enum {
	GZIP_WINDOW = 15 + 16, /* of 32 KiB, with a gzip header (zlib.h) */
	GZIP_MEMORY = 8,       /* zlib's default */
	GZIP_PIECE = 1 << 15,  /* text that is compressed at once */
};

struct buffer {
	char *bytes;
	size_t size, room;
};

struct otlp_writer {
	bool gzip;
	z_stream stream;
	struct buffer text; /* what is not compressed, or not yet */
	struct buffer gzipped;
	size_t length;
};

static char *buffer_reserve(struct buffer *buffer, size_t more)
{
	while (buffer->size + more > buffer->room) {
		buffer->room = buffer->room ? buffer->room * 2 : GZIP_PIECE * 2;
		buffer->bytes = memory_realloc_array(buffer->bytes, buffer->room, 1);
	}
	return buffer->bytes + buffer->size;
}

/* As everywhere: it does not return without memory. */
static void *zlib_alloc(void *context, unsigned int count, unsigned int size)
{
	(void)context;
	return memory_alloc((size_t)count * size);
}

static void zlib_free(void *context, void *memory)
{
	(void)context;
	free(memory);
}

struct otlp_writer *otlp_writer_new(bool gzip)
{
	struct otlp_writer *writer = memory_alloc(sizeof(*writer));

	writer->gzip = gzip;
	writer->stream.zalloc = zlib_alloc;
	writer->stream.zfree = zlib_free;
	if (gzip && deflateInit2(&writer->stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW,
				 GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* it is another zlib than the headers say */
	return writer;
}

static void compress_text(struct otlp_writer *writer, int flush)
{
	struct buffer *to = &writer->gzipped;
	z_stream *stream = &writer->stream;

	stream->next_in = (unsigned char *)writer->text.bytes;
	stream->avail_in = (unsigned int)writer->text.size;
	do {
		stream->next_out = (unsigned char *)buffer_reserve(to, GZIP_PIECE);
		stream->avail_out = GZIP_PIECE;
		deflate(stream, flush);
		to->size += GZIP_PIECE - stream->avail_out;
	} while (!stream->avail_out);
	writer->text.size = 0;
}

void otlp_writer_put(struct otlp_writer *writer, const char *text)
{
	size_t length = strlen(text);

	memcpy(buffer_reserve(&writer->text, length), text, length);
	writer->text.size += length;
	writer->length += length;
	if (writer->gzip && writer->text.size >= GZIP_PIECE)
		compress_text(writer, Z_NO_FLUSH);
}

/* Visible ASCII that stands for itself. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

void otlp_writer_put_string(struct otlp_writer *writer, const char *text)
{
	char *clean;

	if (!is_plain(text)) {
		clean = utf8_clean(text);
		otlp_writer_put_json(writer, json_object_new_string(clean));
		free(clean);
		return;
	}
	otlp_writer_put(writer, "\"");
	otlp_writer_put(writer, text);
	otlp_writer_put(writer, "\"");
}

void otlp_writer_put_json(struct otlp_writer *writer, struct json_object *json)
{
	otlp_writer_put(writer,
			json_object_to_json_string_ext(
				json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

size_t otlp_writer_length(const struct otlp_writer *writer)
{
	return writer->length;
}

struct otlp_body *otlp_writer_end(struct otlp_writer *writer, unsigned int items, uint64_t now_ns)
{
	struct otlp_body *body = memory_alloc(sizeof(*body));
	struct buffer *buffer = writer->gzip ? &writer->gzipped : &writer->text;

	if (writer->gzip) {
		compress_text(writer, Z_FINISH);
		deflateEnd(&writer->stream);
		free(writer->text.bytes);
	}
	/* It may wait for long: no more memory than it needs. */
	body->bytes = memory_realloc_array(buffer->bytes, buffer->size ? buffer->size : 1, 1);
	body->size = buffer->size;
	body->items = items;
	body->made_ns = now_ns;
	free(writer);
	return body;
}

void otlp_body_free(struct otlp_body *body)
{
	if (!body)
		return;
	free(body->bytes);
	free(body);
}
