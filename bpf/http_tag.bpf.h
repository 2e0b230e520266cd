/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A keyed hash of bytes that were judged, by which a copy of them is told from something else:
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) with a secret of the
 * node. Who could forge it would have a server read bytes that nobody judged. Pure.
 */
#ifndef WEFT_HTTP_TAG_BPF_H
#define WEFT_HTTP_TAG_BPF_H

#include "http_run.bpf.h"

struct http_tag {
	__u64 v[4];
	__u64 length;
};

static __always_inline __u64 http_tag_rotate(__u64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static __always_inline void http_tag_round(__u64 v[4])
{
	v[0] += v[1];
	v[1] = http_tag_rotate(v[1], 13) ^ v[0];
	v[0] = http_tag_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = http_tag_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = http_tag_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = http_tag_rotate(v[1], 17) ^ v[2];
	v[2] = http_tag_rotate(v[2], 32);
}

static __always_inline void http_tag_begin(struct http_tag *tag, const __u64 key[2])
{
	tag->v[0] = key[0] ^ 0x736f6d6570736575ULL;
	tag->v[1] = key[1] ^ 0x646f72616e646f6dULL;
	tag->v[2] = key[0] ^ 0x6c7967656e657261ULL;
	tag->v[3] = key[1] ^ 0x7465646279746573ULL;
	tag->length = 0;
}

static __always_inline __u32 http_tag_mix(__u64 v[4], const struct http_work *work, __u32 from,
					  __u32 to)
{
	for (int i = 0; i < HTTP_WINDOW / 8; i++) {
		__u64 word;

		if (from > HTTP_WINDOW - 8 || from + 8 > to)
			break;
		word = http_word_at(work, from);
		v[3] ^= word;
		http_tag_round(v);
		v[0] ^= word;
		from += 8;
	}
	return from;
}

/* `length`: bytes before `from`, which are hashed already. */
static __always_inline __u64 http_tag_finish(__u64 v[4], const struct http_work *work, __u32 from,
					     __u32 to, __u64 length)
{
	__u64 last = 0;

	for (int i = 0; i < 7; i++) {
		if (from >= to)
			break;
		last |= (__u64)work->window[from++ & (HTTP_WINDOW - 1)] << i * 8;
		length++;
	}
	last |= length << 56;
	v[3] ^= last;
	http_tag_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		http_tag_round(v);
	return (v[0] ^ v[1] ^ v[2] ^ v[3]) | 1;
}

/* Hashes the whole words of [from, to) of a window; returns where the rest begins. */
HTTP_GLOBAL int http_tag_words(struct http_tag *tag, const struct http_work *work, __u32 from,
			       __u32 to)
{
	__u32 rest;
	__u64 v[4];

	if (!tag || !work)
		return 0;
	for (int i = 0; i < 4; i++)
		v[i] = tag->v[i];
	rest = http_tag_mix(v, work, from, to);
	tag->length += rest - from;
	for (int i = 0; i < 4; i++)
		tag->v[i] = v[i];
	return rest;
}

/* The tag, never 0, when the last bytes are fewer than eight at `from`. */
HTTP_GLOBAL __u64 http_tag_end(struct http_tag *tag, const struct http_work *work, __u32 from,
			       __u32 to)
{
	__u64 v[4];

	if (!tag || !work)
		return 1;
	for (int i = 0; i < 4; i++)
		v[i] = tag->v[i];
	return http_tag_finish(v, work, from, to, tag->length);
}

/* The tag of a window, by itself; `tag` has just begun, and stays as it is. */
HTTP_GLOBAL __u64 http_tag_window(const struct http_tag *tag, const struct http_work *work)
{
	__u32 rest;
	__u64 v[4];

	if (!tag || !work)
		return 1;
	for (int i = 0; i < 4; i++)
		v[i] = tag->v[i];
	rest = http_tag_mix(v, work, 0, work->filled);
	return http_tag_finish(v, work, rest, work->filled, rest);
}

#endif /* WEFT_HTTP_TAG_BPF_H */
