/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a direction of a connection out of its segments, window by window, and knowing again
 * what was read: the parts of the engine that see packets and are the same in both directions.
 */
#ifndef WEFT_HTTP_READ_BPF_H
#define WEFT_HTTP_READ_BPF_H

#include "http_flow.bpf.h"
#include "http_run.bpf.h"
#include "http_tag.bpf.h"

enum http_read_number {
	HTTP_READ_CHUNK = 8192,	 /* longer ones are pieces of their own, whatever they hold */
	HTTP_READ_STEPS = 16384, /* scans per segment; what is beyond waits for the next copy */
	HTTP_READ_MORE_FULL = WEFT_HTTP_MORE - 100, /* a segment may be 45 of them and their bodies
						     */
};

/* The working memory of one program run; what stands in it is of an earlier one. */
struct http_read {
	struct http_work work;
	struct http_tag tag;
	__u64 key[2];
	__u64 offset; /* of the segment's first byte in its stream */
	__u64 next;   /* see weft_http_flow */
	__u64 epoch;  /* see weft_http_flow */
	__u64 whole; /* tag of the window, while it and `tag` are where they began; 0 = not known */
	__u32 payload;	/* where in the packet the segment's bytes begin */
	__u32 base;	/* the window begins at this byte of the segment */
	__u32 tag_from; /* first byte of the window that is not in `tag` */
	__u32 limit;	/* bytes of the segment to read */
	__u32 wire;	/* bytes per segment on the wire that it is made of; 0 = it is one */
	__u32 mark;	/* where the next of those begins */
	__u32 head_at;	/* byte of the segment where the last head began */
	__u32 path_at;	/* where its target began, and ended */
	__u32 path_end;
	__u64 verify_start; /* see http_read_verify() */
	__u64 verify_have;
	__u64 verify_wanted;
	__u32 verify_index;
	__u32 verify_differs;
	__u32 requests;
	__u32 requests_before; /* the last head */
	__u32 rule;	       /* of the last head, or of the request that is answered */
	int checksum;	       /* see checksum_place() */
	__u32 outcome;	       /* enum http_outcome */
	__u8 through;	       /* the chunk is whole in this segment, and part of its piece */
	__u8 tagged;	       /* what is read will have to be known again */
	__u8 phase;
	__u8 permissive;
	__u8 would_deny; /* permissive: reason why */
	__u8 would_method;
	__u8 unknown; /* an answer began with the segment whose head was not known */
	struct weft_request_event event;
};

/*
 * A length from 1 to `max`, a power of two, unchanged, but so that kernel 6.1 knows its range: its
 * verifier learns nothing of a register from a comparison with a copy of it.
 */
static __always_inline __u32 http_read_bound(__u32 length, __u32 max)
{
	length--;
	asm volatile("" : "+r"(length));
	return (length & (max - 1)) + 1;
}

static __always_inline const struct weft_http_arena *http_arena(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&weft_http, &zero);
}

/* Byte of the segment that is read next. */
static __always_inline __u32 http_read_at(const struct http_read *read)
{
	return read->base + read->work.pos;
}

/* Goes on at this byte, with nothing in the window and a new tag. */
static __always_inline void http_read_jump(struct http_read *read, __u32 at)
{
	read->base = at;
	read->tag_from = 0;
	read->work.pos = 0;
	read->work.filled = 0;
	read->whole = 0;
	if (read->tagged)
		http_tag_begin(&read->tag, read->key);
}

/*
 * Fills the window when all of it was read. The bytes that are no whole word for the tag yet
 * are kept.
 */
__noinline int http_read_refill(struct __sk_buff *skb, struct http_read *read)
{
	struct http_work *work;
	__u32 kept, length;

	if (!read)
		return -1;
	work = &read->work;
	read->whole = 0;
	if (read->tagged && work->filled)
		read->tag_from = http_tag_words(&read->tag, work, read->tag_from, work->filled);
	else
		read->tag_from = work->filled;
	kept = work->filled - read->tag_from;
	if (kept > 7)
		return -1;
	read->base += read->tag_from;
	length = read->limit - read->base;
	if (length > HTTP_WINDOW)
		length = HTTP_WINDOW;
	if (read->tagged && length > read->mark - read->base)
		length = read->mark - read->base;
	if (length <= kept || length > HTTP_WINDOW || !length)
		return -1;
	if (bpf_skb_load_bytes(skb, read->payload + read->base, work->window,
			       http_read_bound(length, HTTP_WINDOW)))
		return -1;
	read->tag_from = 0;
	work->pos = kept;
	work->filled = length;
	return 0;
}

/* The n-th piece that is remembered, counted from the oldest. */
static __always_inline struct weft_http_piece *http_piece(struct weft_http_flow *flow, __u32 n)
{
	return &flow->pieces[(flow->piece_first + n) & (WEFT_HTTP_PIECES - 1)];
}

/* Where the pieces end. */
static __always_inline __u64 http_pieces_end(struct weft_http_flow *flow)
{
	return flow->piece_count ? http_piece(flow, flow->piece_count - 1)->end :
				   flow->pieces_start;
}

static __always_inline struct weft_http_more *http_more_find(const struct weft_http_flow *flow,
							     bool create)
{
	static const struct weft_http_more fresh;
	struct weft_http_more_key key = {
		.client_isn = flow->client_isn,
		.server_isn = flow->server_isn,
		.epoch = flow->pieces_epoch,
	};
	struct weft_http_more *more = bpf_map_lookup_elem(&weft_http_more, &key);

	if (more || !create)
		return more;
	bpf_map_update_elem(&weft_http_more, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&weft_http_more, &key);
}

static __always_inline struct weft_http_piece *http_more_piece(struct weft_http_more *more, __u32 n)
{
	return &more->pieces[(more->first + n) & (WEFT_HTTP_MORE - 1)];
}

/* Remembers a piece that begins at `start` elsewhere: there is no room for it in the flow. */
static __always_inline void http_more_add(const struct weft_http_flow *flow, __u64 start,
					  const struct weft_http_piece *piece)
{
	struct weft_http_more *more = http_more_find(flow, true);

	if (!more)
		return;
	if (!more->count || http_more_piece(more, more->count - 1)->end != start) {
		more->client_isn = flow->client_isn;
		more->server_isn = flow->server_isn;
		more->start = start;
		more->count = 0;
	} else if (more->count >= WEFT_HTTP_MORE) {
		more->start = http_more_piece(more, 0)->end;
		more->first++;
		more->count--;
	}
	*http_more_piece(more, more->count) = *piece;
	more->count++;
}

/*
 * Would the oldest piece be forgotten that the server lacks, if a segment more was read? It could
 * not be told when it comes again, and the connection could not go on.
 */
static __always_inline bool http_pieces_are_full(const struct weft_http_flow *flow)
{
	struct weft_http_more *more;

	if (!READ_ONCE(flow->misses) || flow->piece_count < WEFT_HTTP_PIECES)
		return false;
	more = http_more_find(flow, false);
	return more && more->count >= HTTP_READ_MORE_FULL && more->start <= READ_ONCE(flow->acked);
}

/* Remembers what was read, up to this offset, as a piece; `tag` 0: a body. */
__noinline int http_piece_add(struct weft_http_flow *flow, __u64 end, __u64 tag)
{
	struct weft_http_piece *piece;

	if (!flow)
		return 0;
	if (flow->piece_count >= WEFT_HTTP_PIECES) {
		/* The oldest goes, and is of interest as long as the server does not have it. */
		struct weft_http_piece oldest = *http_piece(flow, 0);

		if (oldest.end > READ_ONCE(flow->acked))
			http_more_add(flow, flow->pieces_start, &oldest);
		flow->pieces_start = oldest.end;
		flow->piece_first++;
		flow->piece_count--;
	}
	piece = http_piece(flow, flow->piece_count);
	piece->end = end;
	piece->tag = tag;
	flow->piece_count++;
	return 0;
}

/* Forgets all pieces when the server has them. */
static __always_inline void http_pieces_acked(struct weft_http_flow *flow, __u64 acked)
{
	if (acked < http_pieces_end(flow))
		return;
	flow->piece_count = 0;
	flow->pieces_start = flow->next;
	flow->unverified = 0;
}

/* Forgets what is remembered behind this offset: it was read, but will not be delivered. */
__noinline int http_pieces_cut(struct weft_http_flow *flow, __u64 end)
{
	if (!flow)
		return 0;
	for (int i = 0; i < WEFT_HTTP_PIECES; i++) {
		if (!flow->piece_count || http_pieces_end(flow) <= end)
			break;
		flow->piece_count--;
	}
	if (!flow->piece_count && flow->pieces_start > end) {
		flow->pieces_start = end;
		flow->pieces_epoch++;
	}
	return 0;
}

/* Ends the piece that is being read where the reading is. */
__noinline int http_read_piece(struct weft_http_flow *flow, struct http_read *read)
{
	struct http_work *work;
	__u64 end, tag;
	__u32 rest;

	if (!flow || !read)
		return 0;
	work = &read->work;
	end = read->offset + http_read_at(read);
	if (end <= http_pieces_end(flow))
		return 0;
	tag = read->whole;
	if (!tag || work->pos < work->filled) {
		rest = http_tag_words(&read->tag, work, read->tag_from, work->pos);
		tag = http_tag_end(&read->tag, work, rest, work->pos);
	}
	http_piece_add(flow, end, tag);
	read->whole = 0;
	http_tag_begin(&read->tag, read->key);
	read->tag_from = work->pos;
	return 0;
}

/*
 * Ends a piece where the reading is if that is between two segments of those that this one was
 * made of (GSO): what is lost comes again in those.
 */
static __always_inline void http_read_mark(struct weft_http_flow *flow, struct http_read *read)
{
	__u32 at = http_read_at(read);

	if (!read->wire) {
		read->mark = HTTP_NOWHERE;
	} else if (at >= read->mark) {
		http_read_piece(flow, read);
		read->mark = (at / read->wire + 1) * read->wire;
	}
}

struct http_tag_walk {
	struct __sk_buff *skb;
	struct http_read *read;
	__u32 from;
	__u32 to;
};

static long http_tag_walk_step(__u32 index __attribute__((unused)), void *context)
{
	struct http_tag_walk *walk = context;
	struct http_read *read = walk->read;
	__u32 length = walk->to - walk->from;

	if (walk->from >= walk->to)
		return 1;
	if (length > HTTP_WINDOW)
		length = HTTP_WINDOW;
	if (!length || bpf_skb_load_bytes(walk->skb, read->payload + walk->from, read->work.window,
					  http_read_bound(length, HTTP_WINDOW)))
		return 1;
	if (length < HTTP_WINDOW) {
		read->work.filled = length;
		return 1;
	}
	http_tag_words(&read->tag, &read->work, 0, HTTP_WINDOW);
	read->work.filled = 0;
	walk->from += HTTP_WINDOW;
	return 0;
}

/* The tag of bytes [from, to) of the segment. Overwrites the window. */
__noinline __u64 http_read_tag(struct __sk_buff *skb, struct http_read *read, __u32 from, __u32 to)
{
	struct http_tag_walk walk = { .skb = skb, .read = read, .from = from, .to = to };
	__u32 rest;

	if (!read)
		return 0;
	http_tag_begin(&read->tag, read->key);
	read->work.filled = 0;
	bpf_loop(1024, http_tag_walk_step, &walk, 0);
	rest = http_tag_words(&read->tag, &read->work, 0, read->work.filled);
	return http_tag_end(&read->tag, &read->work, rest, read->work.filled);
}

/* A copy of judged bytes that is being compared, piece by piece. */
struct http_verify {
	struct __sk_buff *skb;
	struct http_read *read;
	struct weft_http_flow *flow;
	struct weft_http_more *more; /* NULL: everything is in the flow */
};

/* In the scratch memory and not on the stack: the verifier would follow every value. */
static long http_verify_step(__u32 index __attribute__((unused)), void *context)
{
	struct http_verify *verify = context;
	struct weft_http_flow *flow = verify->flow;
	struct http_read *read = verify->read;
	struct weft_http_more *more = verify->more;
	__u64 start = read->verify_start, have = read->verify_have, end, tag;
	struct weft_http_piece *piece;
	__u32 ring;

	if (have >= read->verify_wanted)
		return 1;
	if (more && read->verify_index < more->count) {
		piece = http_more_piece(more, read->verify_index);
	} else {
		ring = read->verify_index - (more ? more->count : 0);
		if (more && !ring) /* there may be a gap, which the server has */
			start = flow->pieces_start;
		if (ring >= flow->piece_count)
			return 1;
		piece = http_piece(flow, ring);
	}
	end = piece->end;
	tag = piece->tag;
	read->verify_index++;
	read->verify_start = end;
	if (end <= have || start > have)
		return 0;
	if (!tag) {
		read->verify_have = end < read->verify_wanted ? end : read->verify_wanted;
		return 0;
	}
	/* All of a piece or nothing of it. */
	if (start < read->offset || end > read->verify_wanted)
		return 1;
	if (http_read_tag(verify->skb, read, start - read->offset, end - read->offset) != tag) {
		read->verify_differs = 1;
		return 1;
	}
	read->verify_have = end;
	return 0;
}

/*
 * Is the segment's beginning, up to `length` bytes that were judged before, a copy of what was
 * judged? What the server has acknowledged it will not read again. Returns how many bytes are;
 * fewer than `length`: the rest cannot be told; -1: they differ.
 */
static __always_inline int http_read_verify(struct __sk_buff *skb, struct weft_http_flow *flow,
					    struct http_read *read, __u32 length)
{
	struct http_verify verify = { .skb = skb, .read = read, .flow = flow };
	__u64 acked = READ_ONCE(flow->acked);

	read->verify_start = flow->pieces_start;
	read->verify_index = 0;
	read->verify_wanted = read->offset + length;
	read->verify_have = read->offset;
	read->verify_differs = 0;
	if (read->verify_have < acked)
		read->verify_have = acked < read->verify_wanted ? acked : read->verify_wanted;
	if (read->verify_have < flow->pieces_start)
		verify.more = http_more_find(flow, false);
	if (verify.more)
		read->verify_start = verify.more->start;
	bpf_loop(WEFT_HTTP_MORE + WEFT_HTTP_PIECES, http_verify_step, &verify, 0);
	/* Was that memory given away meanwhile? What another connection may send says nothing. */
	if (verify.more && (READ_ONCE(verify.more->client_isn) != flow->client_isn ||
			    READ_ONCE(verify.more->server_isn) != flow->server_isn))
		return 0;
	if (read->verify_differs)
		return -1;
	return read->verify_have - read->offset;
}

#endif /* WEFT_HTTP_READ_BPF_H */
