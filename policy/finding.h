/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings: what is wrong with an object, as a value - for logs, /v1/findings,
 * `weft status` and Kubernetes Events. A finding never stops the work: it names
 * the consequence (what the object grants or does not grant because of it).
 */
#ifndef WEFT_POLICY_FINDING_H
#define WEFT_POLICY_FINDING_H

#include <stddef.h>

struct object;

struct finding {
	char *api_version; /* "" when unknown, as for a file that does not parse */
	char *kind;
	char *name_space; /* "" for cluster-scoped objects and files */
	char *name;
	char *origin;	   /* file name; "" when the source has none */
	char *field;	   /* JSON path such as spec.rules[0].name; "" = the whole object */
	char *reason;	   /* CamelCase, stable: MissingRoute, InvalidField, Duplicate, ... */
	char *message;	   /* one sentence: what was found */
	char *consequence; /* one sentence: what weft does because of it */
};

struct findings {
	struct finding *items; /* owned */
	size_t count;
	size_t capacity;
};

/*
 * Adds a finding about an object. `message` is a printf format. Allocation
 * failure ends the process (as everywhere in weft: see policy/memory.h).
 */
void finding_add(struct findings *findings, const struct object *object, const char *field,
		 const char *reason, const char *consequence, const char *message, ...)
	__attribute__((format(printf, 6, 7)));

/* The same for something that is no object, e.g. a file that does not parse. */
void finding_add_file(struct findings *findings, const char *origin, const char *reason,
		      const char *consequence, const char *message, ...)
	__attribute__((format(printf, 5, 6)));

/* Appends copies of all findings of `from`. */
void findings_append(struct findings *to, const struct findings *from);

/* Sorts by object, field, reason, so that output is deterministic, and removes exact duplicates. */
void findings_sort(struct findings *findings);

/* Frees the items and leaves an empty list. */
void findings_clear(struct findings *findings);

#endif /* WEFT_POLICY_FINDING_H */
