/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference for HTTP: reads a client's byte stream the slow and obvious way and judges
 * every request straight from the objects, without anything of the compiler's tables. What the
 * kernel is tested against, and what `weft explain` shows. Pure.
 */
#ifndef WEFT_POLICY_EVALUATE_HTTP_H
#define WEFT_POLICY_EVALUATE_HTTP_H

#include "policy/evaluate.h"

struct http_text { /* in the stream, not owned */
	const char *bytes;
	size_t length;
};

struct http_header {
	struct http_text name;	/* as sent */
	struct http_text value; /* without white space around it */
};

static inline bool http_text_is(const struct http_text *text, const char *other)
{
	size_t i;

	for (i = 0; i < text->length; i++)
		if (!other[i] || text->bytes[i] != other[i])
			return false;
	return !other[i];
}

enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED };

/* One request of a stream, well-formed as SEMANTICS "HTTP on the wire" says. */
struct http_request {
	struct http_text method;
	struct http_text target;
	struct http_text path; /* the part of the target that rules see */
	unsigned int minor;    /* HTTP/1.minor */
	struct http_header *headers;
	size_t header_count;
	enum http_body body;
	uint64_t length;	     /* HTTP_BODY_LENGTH */
	bool websocket;		     /* has Upgrade: websocket */
	size_t head_start, head_end; /* offsets in the stream */
};

/*
 * Reads the request at the start of `bytes`. 1: a complete head, in `request`, which
 * the caller clears; 0: more bytes are needed, and those that are there might become a request;
 * else -EINVAL and *reason why what is there can never be one (also AMBIGUOUS_PATH unless
 * `ambiguous_paths`), as a reader that goes byte by byte finds it: request->head_end is the offset
 * of the first byte to blame. max_head: bytes; 0 = WEFT_HTTP_HEAD_DEFAULT.
 */
int http_request_read(const char *bytes, size_t length, bool ambiguous_paths, uint32_t max_head,
		      struct http_request *request, enum weft_reason *reason);
void http_request_clear(struct http_request *request);

/*
 * Bytes of the body at the start of `bytes`: 1 and *used when it is complete; 0 when
 * more are needed (*used: those that belong to it for certain); -EINVAL and *reason (HTTP_CHUNK, or
 * HTTP_FIELD in the trailers) with *used bytes before the one to blame.
 */
int http_body_read(const struct http_request *request, const char *bytes, size_t length,
		   size_t *used, enum weft_reason *reason);

/* Does the namespace of `dst` take paths that servers might read in two ways? */
bool evaluate_ambiguous_paths(const struct store *store, const struct node_facts *facts,
			      const struct weft_addr *dst);

/* The verdict on what is no request, where requests are judged: DENY, or WOULD_DENY. */
enum weft_verdict_action evaluate_malformed(const struct store *store,
					    const struct node_facts *facts,
					    const struct weft_addr *dst);

/*
 * May `src` send this request to `dst`:`port`? Like evaluate_connection(), which is asked first;
 * the evaluation's reason is HTTP when a rule allows it, and *rule then names the first such
 * rule: "namespace/target group/match", to be freed (NULL otherwise).
 */
void evaluate_request(const struct store *store, const struct node_facts *facts,
		      const struct weft_addr *src, const struct weft_addr *dst, uint16_t port,
		      const struct http_request *request, struct evaluation *evaluation,
		      char **rule);

#endif /* WEFT_POLICY_EVALUATE_HTTP_H */
