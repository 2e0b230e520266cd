/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed access to the fields of a JSON object. Whatever has not the expected
 * type is a finding that names its path; the caller only decides what to do
 * without it. null counts as absent, as in Kubernetes. Pure.
 */
#ifndef WEFT_POLICY_FIELD_H
#define WEFT_POLICY_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/weft_abi.h"
#include "policy/finding.h"

struct json_object;

/*
 * A value and the way to it. Lives on the stack; a parent must outlive its
 * children, so that paths cost nothing until a finding needs one.
 */
struct field {
	const struct field *parent; /* NULL: the object itself */
	const char *name;	    /* NULL: an element of a list */
	size_t index;		    /* of that element */
	struct json_object *json;   /* NULL when absent; not owned */
};

/* The object that is being parsed. */
struct parse {
	struct object *object;
	struct findings *findings;
};

enum { FIELD_EXCERPT_LEN = 80 };

/* Absent (json == NULL) when the parent is no object. */
struct field field_member(const struct field *parent, const char *name);
struct field field_element(const struct field *list, size_t index);

/* "spec.rules[0].name"; a key with other characters as labels["a/b"]. The caller frees it. */
char *field_path(const struct field *field);

/* The start of a text from outside, fit for a message. Returns `excerpt`. */
const char *field_excerpt(const char *text, char excerpt[FIELD_EXCERPT_LEN]);

void field_finding(const struct parse *parse, const struct field *field, const char *reason,
		   const char *consequence, const char *message, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * All of these: 1 = present and of that type, 0 = absent, -EINVAL = something
 * else, with finding InvalidField. The result is only written when 1.
 */
int field_read_map(const struct parse *parse, const struct field *field, const char *consequence);
/* A map that must be there, as an element of a list must: 0 or -EINVAL. */
int field_need_map(const struct parse *parse, const struct field *field, const char *consequence);
int field_read_list(const struct parse *parse, const struct field *field, size_t *count,
		    const char *consequence);
/*
 * 0, or -EINVAL with finding UnknownField when the map has a member that is not among the
 * `count` names: for maps where a misspelt restriction would mean no restriction.
 */
int field_check_members(const struct parse *parse, const struct field *field,
			const char *const *names, size_t count, const char *consequence);
/* A string without NUL in it; owned by the JSON. */
int field_read_string(const struct parse *parse, const struct field *field, const char **text,
		      const char *consequence);
int field_read_bool(const struct parse *parse, const struct field *field, bool *value,
		    const char *consequence);
/* A whole number between min and max. */
int field_read_integer(const struct parse *parse, const struct field *field, int64_t min,
		       int64_t max, int64_t *value, const char *consequence);
/* A usable address: neither 0.0.0.0 nor ::. */
int field_read_address(const struct parse *parse, const struct field *field,
		       struct weft_addr *address, const char *consequence);
/*
 * "TCP" or "UDP" as IPPROTO_TCP or IPPROTO_UDP; absent is TCP and counts as present.
 * SCTP is 0: known, but not ours.
 */
int field_read_protocol(const struct parse *parse, const struct field *field, uint8_t *proto,
			const char *consequence);

#endif /* WEFT_POLICY_FIELD_H */
