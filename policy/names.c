// SPDX-License-Identifier: Apache-2.0
#include "policy/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "policy/memory.h"

enum {
	DIGEST_LEN = 1 + 32, /* "~" and 128 bits in hex */
	TEXT_LEN = 1 + WEFT_NAMESPACE_LEN + 2 * WEFT_NAME_LEN,
};

/* Kind, namespace, name and detail as the ABI's fields hold them, each but the kind with its NUL.
 */
struct name_text {
	unsigned int len;
	char bytes[TEXT_LEN];
};

struct name_entry {
	struct weft_name_key key;
	struct weft_name value;
	char *text; /* name_text.bytes */
	UT_hash_handle by_key;
	UT_hash_handle by_text;
};

struct names {
	struct name_entry *by_key;
	struct name_entry *by_text;
	uint32_t next[WEFT_NAME_RULE + 1]; /* by kind: lowest number never given */
	uint64_t added;
};

static const struct weft_name reserved_names[] = {
	[WEFT_ID_UNKNOWN] = { .name = "unknown" },
	[WEFT_ID_HOST] = { .name = "host" },
	[WEFT_ID_SERVICE] = { .name = "service" },
};

struct names *names_new(void)
{
	struct names *names = memory_alloc(sizeof(*names));
	size_t kind;

	for (kind = 0; kind <= WEFT_NAME_RULE; kind++)
		names->next[kind] = WEFT_ID_FIRST;
	return names;
}

static void entry_free(struct name_entry *entry)
{
	free(entry->text);
	free(entry);
}

void names_free(struct names *names)
{
	struct name_entry *entry, *next;

	if (!names)
		return;
	HASH_CLEAR(by_text, names->by_text);
	HASH_ITER(by_key, names->by_key, entry, next) {
		HASH_DELETE(by_key, names->by_key, entry);
		entry_free(entry);
	}
	free(names);
}

/* FNV-1a, 128 bits: wide enough that two texts of one cluster never meet by chance. */
static void digest_write(const char *text, size_t len, char digest[DIGEST_LEN + 1])
{
	const unsigned __int128 prime = ((unsigned __int128)1 << 88) | 0x13b;
	unsigned __int128 hash = ((unsigned __int128)0x6c62272e07bb0142 << 64) | 0x62b821756295c58d;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * prime;
	snprintf(digest, DIGEST_LEN + 1, "~%016llx%016llx", (unsigned long long)(hash >> 64),
		 (unsigned long long)hash);
}

/* Appends a text and its NUL, cut to `size` with the digest of the whole at its end. */
static void text_append(struct name_text *text, const char *part, size_t size)
{
	size_t len = strlen(part);
	char digest[DIGEST_LEN + 1];

	if (len < size) {
		memcpy(text->bytes + text->len, part, len + 1);
		text->len += (unsigned int)len + 1;
		return;
	}
	digest_write(part, len, digest);
	memcpy(text->bytes + text->len, part, size - DIGEST_LEN - 1);
	memcpy(text->bytes + text->len + size - DIGEST_LEN - 1, digest, DIGEST_LEN + 1);
	text->len += (unsigned int)size;
}

static void text_init(struct name_text *text, enum weft_name_kind kind, const char *name_space,
		      const char *name, const char *detail)
{
	text->bytes[0] = (char)kind;
	text->len = 1;
	text_append(text, name_space, WEFT_NAMESPACE_LEN);
	text_append(text, name, WEFT_NAME_LEN);
	text_append(text, detail, WEFT_NAME_LEN);
}

static struct name_entry *find_text(const struct names *names, const struct name_text *text)
{
	struct name_entry *entry;

	HASH_FIND(by_text, names->by_text, text->bytes, text->len, entry);
	return entry;
}

static struct name_entry *find_key(const struct names *names, enum weft_name_kind kind, uint32_t id)
{
	struct weft_name_key key = { .kind = kind, .id = id };
	struct name_entry *entry;

	HASH_FIND(by_key, names->by_key, &key, sizeof(key), entry);
	return entry;
}

static void entry_add(struct names *names, enum weft_name_kind kind, uint32_t id,
		      const struct name_text *text)
{
	struct name_entry *entry = memory_alloc(sizeof(*entry));
	const char *name_space = text->bytes + 1;
	const char *name = name_space + strlen(name_space) + 1;
	const char *detail = name + strlen(name) + 1;

	entry->key = (struct weft_name_key){ .kind = kind, .id = id };
	entry->text = memory_alloc(text->len);
	memcpy(entry->text, text->bytes, text->len);
	strcpy(entry->value.name_space, name_space);
	strcpy(entry->value.name, name);
	strcpy(entry->value.detail, detail);
	HASH_ADD(by_key, names->by_key, key, sizeof(entry->key), entry);
	HASH_ADD_KEYPTR(by_text, names->by_text, entry->text, text->len, entry);
	names->added++;
}

uint64_t names_added(const struct names *names)
{
	return names->added;
}

static bool kind_is_known(enum weft_name_kind kind)
{
	return kind >= WEFT_NAME_IDENTITY && kind <= WEFT_NAME_RULE;
}

static bool is_terminated(const struct weft_name *value)
{
	return memchr(value->name_space, 0, sizeof(value->name_space)) &&
	       memchr(value->name, 0, sizeof(value->name)) &&
	       memchr(value->detail, 0, sizeof(value->detail));
}

int names_seed(struct names *names, const struct weft_name_key *key, const struct weft_name *value)
{
	struct name_entry *by_key, *by_text;
	struct name_text text;

	if (!kind_is_known(key->kind) || !is_terminated(value))
		return -EINVAL;
	if (key->id < WEFT_ID_FIRST) {
		const struct weft_name *own = names_lookup(names, key->kind, key->id);

		return own && !strcmp(own->name, value->name) ? 0 : -EEXIST;
	}
	text_init(&text, key->kind, value->name_space, value->name, value->detail);
	by_key = find_key(names, key->kind, key->id);
	by_text = find_text(names, &text);
	if (by_key || by_text)
		return by_key == by_text ? 0 : -EEXIST;
	entry_add(names, key->kind, key->id, &text);
	if (key->id >= names->next[key->kind])
		names->next[key->kind] = key->id + 1; /* 0 after the last number: see id_take() */
	return 0;
}

/* Upwards, so that a number that was dropped is not met again; wraps after four billion. */
static uint32_t id_take(struct names *names, enum weft_name_kind kind)
{
	uint32_t id = names->next[kind];

	while (id < WEFT_ID_FIRST || find_key(names, kind, id))
		id = id < WEFT_ID_FIRST ? (uint32_t)WEFT_ID_FIRST : id + 1;
	names->next[kind] = id + 1;
	return id;
}

uint32_t names_get(struct names *names, enum weft_name_kind kind, const char *name_space,
		   const char *name, const char *detail)
{
	struct name_entry *entry;
	struct name_text text;
	uint32_t id;

	text_init(&text, kind, name_space, name, detail);
	entry = find_text(names, &text);
	if (entry)
		return entry->key.id;
	id = id_take(names, kind);
	entry_add(names, kind, id, &text);
	return id;
}

uint32_t names_find(const struct names *names, enum weft_name_kind kind, const char *name_space,
		    const char *name, const char *detail)
{
	struct name_entry *entry;
	struct name_text text;

	text_init(&text, kind, name_space, name, detail);
	entry = find_text(names, &text);
	return entry ? entry->key.id : 0;
}

const struct weft_name *names_lookup(const struct names *names, enum weft_name_kind kind,
				     uint32_t id)
{
	struct name_entry *entry;

	if (id < sizeof(reserved_names) / sizeof(*reserved_names))
		return &reserved_names[id];
	entry = find_key(names, kind, id);
	return entry ? &entry->value : NULL;
}

static int entry_compare(const void *a, const void *b)
{
	const struct weft_name_key *x = &(*(struct name_entry *const *)a)->key;
	const struct weft_name_key *y = &(*(struct name_entry *const *)b)->key;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void names_each(const struct names *names,
		void (*callback)(const struct weft_name_key *key, const struct weft_name *value,
				 void *context),
		void *context)
{
	size_t count = HASH_CNT(by_key, names->by_key), i = 0;
	struct name_entry **sorted, *entry;

	if (!count)
		return;
	sorted = memory_alloc(count * sizeof(*sorted));
	for (entry = names->by_key; entry; entry = entry->by_key.next)
		sorted[i++] = entry;
	qsort(sorted, count, sizeof(*sorted), entry_compare);
	for (i = 0; i < count; i++)
		callback(&sorted[i]->key, &sorted[i]->value, context);
	free(sorted);
}

void names_drop(struct names *names, enum weft_name_kind kind, uint32_t id)
{
	struct name_entry *entry = find_key(names, kind, id);

	if (!entry)
		return;
	HASH_DELETE(by_key, names->by_key, entry);
	HASH_DELETE(by_text, names->by_text, entry);
	entry_free(entry);
}
