// SPDX-License-Identifier: Apache-2.0
/* The HTTP program of a destination, and which of its rules each source may use on which port. */
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

/* Rules that some entry may use. */
struct mask {
	struct http_rule_mask rules; /* hash key */
	uint32_t number;
	UT_hash_handle hh;
};

/* A destination in the making. */
struct dest_rules {
	struct http_rule *rules;
	struct granted_match *origins;	       /* [rule] */
	const struct traffic_target **targets; /* [rule] */
	size_t count;
	struct mask *masks;
	struct http_rule_mask *mask_list; /* by number */
	size_t mask_count, mask_capacity;
};

uint32_t compile_http_target(struct compilation *c, const struct traffic_target *target,
			     struct match_list *matches)
{
	size_t i = memory_grow(&c->http_targets, &c->http_target_count, &c->http_target_capacity,
			       sizeof(*c->http_targets));

	c->http_targets[i].target = target;
	c->http_targets[i].matches = *matches;
	*matches = (struct match_list){ 0 };
	return (uint32_t)i;
}

void compile_http_free(struct compilation *c)
{
	size_t i;

	for (i = 0; i < c->http_target_count; i++)
		free(c->http_targets[i].matches.items);
	free(c->http_targets);
}

static uint32_t rule_id(struct compilation *c, const struct traffic_target *target,
			const struct granted_match *granted)
{
	char *detail = memory_printf("%s/%s", granted->group->meta.name, granted->match->name);
	uint32_t id = names_get(c->names, WEFT_NAME_RULE, target->meta.name_space,
				target->meta.name, detail);

	free(detail);
	return id;
}

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The targets that entries refer to, each once, in order. Their number. */
static size_t targets_collect(const struct entry *entries, size_t count, uint32_t *targets)
{
	size_t found = 0, kept = 0, i;

	for (i = 0; i < count; i++)
		if (entries[i].entry.action == WEFT_POLICY_HTTP)
			targets[found++] = entries[i].target;
	if (found)
		qsort(targets, found, sizeof(*targets), number_compare);
	for (i = 0; i < found; i++)
		if (!kept || targets[i] != targets[kept - 1])
			targets[kept++] = targets[i];
	return kept;
}

/* The rules of all targets that grant HTTP here, in their order. */
static void rules_collect(struct compilation *c, const uint32_t *targets, size_t count,
			  struct dest_rules *dest)
{
	size_t total = 0, i, j;

	for (i = 0; i < count; i++)
		total += c->http_targets[targets[i]].matches.count;
	dest->rules = memory_alloc(total * sizeof(*dest->rules));
	dest->origins = memory_alloc(total * sizeof(*dest->origins));
	dest->targets = memory_alloc(total * sizeof(*dest->targets));
	for (i = 0; i < count; i++) {
		struct http_target *from = &c->http_targets[targets[i]];

		from->first = dest->count;
		for (j = 0; j < from->matches.count; j++, dest->count++) {
			const struct granted_match *granted = &from->matches.items[j];

			dest->origins[dest->count] = *granted;
			dest->targets[dest->count] = from->target;
			dest->rules[dest->count] = (struct http_rule){
				.match = granted->match,
				.full_paths = granted->group->full_paths,
				.id = rule_id(c, from->target, granted),
			};
		}
	}
}

/* Rules beyond the limit are refused, whoever might use them. */
static void mask_add_target(struct http_rule_mask *mask, const struct http_target *target)
{
	size_t rule;

	for (rule = target->first;
	     rule < target->first + target->matches.count && rule < WEFT_HTTP_RULES_MAX; rule++)
		mask->bits[rule / 64] |= 1ULL << rule % 64;
}

static uint32_t mask_number(struct dest_rules *dest, const struct http_rule_mask *rules)
{
	struct mask *mask;
	size_t i;

	HASH_FIND(hh, dest->masks, rules, sizeof(*rules), mask);
	if (mask)
		return mask->number;
	i = memory_grow(&dest->mask_list, &dest->mask_count, &dest->mask_capacity,
			sizeof(*dest->mask_list));
	dest->mask_list[i] = *rules;
	mask = memory_alloc(sizeof(*mask));
	mask->rules = *rules;
	mask->number = (uint32_t)i;
	HASH_ADD(hh, dest->masks, rules, sizeof(mask->rules), mask);
	return mask->number;
}

static bool same_source(const struct desired_entry *a, const struct desired_entry *b)
{
	return a->src_identity == b->src_identity && a->proto == b->proto;
}

/*
 * One entry of what targets grant to the same peers on the same port. What they grant on any
 * port, which comes first, holds on the others, too. Masks are numbers in dest_rules yet.
 */
static void entries_fold(const struct compilation *c, const struct entry *entries, size_t count,
			 struct dest_rules *rules, struct desired_dest *dest)
{
	struct http_rule_mask any = { 0 }, mask;
	const struct desired_entry *last = NULL;
	size_t i = 0;

	dest->entries = memory_alloc(count * sizeof(*dest->entries));
	while (i < count) {
		struct desired_entry *entry = &dest->entries[dest->entry_count++];

		*entry = entries[i].entry;
		if (!last || !same_source(last, entry))
			any = (struct http_rule_mask){ 0 };
		last = entry;
		mask = any;
		for (; i < count && same_source(&entries[i].entry, entry) &&
		       entries[i].entry.port == entry->port;
		     i++)
			if (entry->action == WEFT_POLICY_HTTP)
				mask_add_target(&mask, &c->http_targets[entries[i].target]);
		if (entry->action != WEFT_POLICY_HTTP)
			continue;
		entry->mask = mask_number(rules, &mask);
		if (entry->port == WEFT_ANY_PORT)
			any = mask;
	}
}

static void report_refusals(struct compilation *c, const struct dest_rules *rules,
			    const struct http_program *program)
{
	size_t i;

	for (i = 0; i < program->refusal_count; i++) {
		const struct http_refusal *refusal = &program->refusals[i];
		const struct granted_match *origin = &rules->origins[refusal->rule];
		char *field = memory_printf("spec.rules[%zu].name", origin->rule);

		finding_add(c->findings, &rules->targets[refusal->rule]->meta, field,
			    "HttpRuleRefused", "this match grants nothing",
			    "match \"%s\" of HTTPRouteGroup %s: %s", origin->match->name,
			    origin->group->meta.key, refusal->message);
		free(field);
	}
}

static void program_add(struct compilation *c, const struct dest_rules *rules,
			struct desired_dest *dest)
{
	/* A target is of the namespace of its destination. */
	const struct realm *realm = compile_realm(c, rules->targets[0]->meta.name_space);
	const struct http_program_options options = {
		.ambiguous_paths = realm->ambiguous_paths,
		.max_head = c->facts->max_head,
	};
	const struct http_program *program;
	size_t i;

	program = http_cache_compile(c->http_cache, rules->rules, rules->count, rules->mask_list,
				     rules->mask_count, &options);
	dest->http = memory_realloc_array(NULL, program->size, 1);
	memcpy(dest->http, program->bytes, program->size);
	dest->http_size = program->size;
	for (i = 0; i < dest->entry_count; i++)
		if (dest->entries[i].action == WEFT_POLICY_HTTP)
			dest->entries[i].mask = program->masks[dest->entries[i].mask];
	report_refusals(c, rules, program);
}

static void dest_rules_clear(struct dest_rules *rules)
{
	struct mask *mask, *next;

	HASH_ITER(hh, rules->masks, mask, next) {
		HASH_DEL(rules->masks, mask);
		free(mask);
	}
	free(rules->mask_list);
	free(rules->rules);
	free(rules->origins);
	free(rules->targets);
}

void compile_http(struct compilation *c, const struct entry *entries, size_t count,
		  struct desired_dest *dest)
{
	uint32_t *targets = memory_alloc(count * sizeof(*targets));
	size_t target_count = targets_collect(entries, count, targets);
	struct dest_rules rules = { 0 };

	if (target_count)
		rules_collect(c, targets, target_count, &rules);
	entries_fold(c, entries, count, &rules, dest);
	if (target_count)
		program_add(c, &rules, dest);
	dest_rules_clear(&rules);
	free(targets);
}
