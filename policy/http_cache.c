// SPDX-License-Identifier: Apache-2.0
#include "policy/http_cache.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "policy/memory.h"

struct cached {
	uint8_t *key; /* everything that the program depends on */
	struct http_program program;
	unsigned int sweep; /* of the cache, when last asked for */
	UT_hash_handle hh;
};

struct http_cache {
	struct cached *programs;
	unsigned int sweep; /* how many there were */
};

/* A key in the making. */
struct key {
	uint8_t *bytes;
	size_t size, capacity;
};

struct http_cache *http_cache_new(void)
{
	return memory_alloc(sizeof(struct http_cache));
}

static void cached_free(struct http_cache *cache, struct cached *cached)
{
	HASH_DEL(cache->programs, cached);
	http_program_clear(&cached->program);
	free(cached->key);
	free(cached);
}

void http_cache_free(struct http_cache *cache)
{
	struct cached *cached, *next;

	if (!cache)
		return;
	HASH_ITER(hh, cache->programs, cached, next)
		cached_free(cache, cached);
	free(cache);
}

static void key_add(struct key *key, const void *bytes, size_t size)
{
	if (key->size + size > key->capacity) {
		key->capacity = (key->size + size) * 2;
		key->bytes = memory_realloc_array(key->bytes, key->capacity, 1);
	}
	if (size)
		memcpy(key->bytes + key->size, bytes, size);
	key->size += size;
}

static void key_add_number(struct key *key, uint64_t number)
{
	key_add(key, &number, sizeof(number));
}

static void key_add_text(struct key *key, const char *text)
{
	key_add(key, text, strlen(text) + 1);
}

static void key_add_rule(struct key *key, const struct http_rule *rule)
{
	const struct http_match *match = rule->match;
	size_t i;

	key_add_number(key, rule->id);
	key_add_number(key, (uint64_t)rule->full_paths << 1 | match->has_path);
	key_add_text(key, match->path_regex);
	key_add_number(key, match->method_count);
	for (i = 0; i < match->method_count; i++)
		key_add_text(key, match->methods[i]);
	key_add_number(key, match->header_count);
	for (i = 0; i < match->header_count; i++) {
		key_add_text(key, match->headers[i].name);
		key_add_text(key, match->headers[i].value_regex);
	}
}

const struct http_program *http_cache_compile(struct http_cache *cache,
					      const struct http_rule *rules, size_t rule_count,
					      const struct http_rule_mask *masks, size_t mask_count,
					      const struct http_program_options *options)
{
	struct key key = { 0 };
	struct cached *cached;
	size_t i;

	key_add_number(&key, options->ambiguous_paths);
	key_add_number(&key, options->max_head);
	key_add_number(&key, mask_count);
	key_add(&key, masks, mask_count * sizeof(*masks));
	for (i = 0; i < rule_count; i++)
		key_add_rule(&key, &rules[i]);
	HASH_FIND(hh, cache->programs, key.bytes, key.size, cached);
	if (cached) {
		free(key.bytes);
	} else {
		cached = memory_alloc(sizeof(*cached));
		cached->key = key.bytes;
		http_program_compile(rules, rule_count, masks, mask_count, options,
				     &cached->program);
		HASH_ADD_KEYPTR(hh, cache->programs, cached->key, (unsigned int)key.size, cached);
	}
	cached->sweep = cache->sweep;
	return &cached->program;
}

void http_cache_sweep(struct http_cache *cache)
{
	struct cached *cached, *next;

	HASH_ITER(hh, cache->programs, cached, next)
		if (cached->sweep != cache->sweep)
			cached_free(cache, cached);
	cache->sweep++;
}
