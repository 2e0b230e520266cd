// SPDX-License-Identifier: Apache-2.0
/* IdentityBindings: which pods a subject of a TrafficTarget covers. */
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

const struct identity_binding *compile_binding(const struct compilation *c,
					       const struct subject *subject)
{
	struct object *object;

	if (subject->kind != SUBJECT_IDENTITY_BINDING)
		return NULL;
	object = store_find(c->store, OBJECT_IDENTITY_BINDING, subject->name_space, subject->name);
	if (!object || ((struct identity_binding *)object)->invalid)
		return NULL;
	return (struct identity_binding *)object;
}

bool compile_spiffe_binds(const struct compilation *c, const struct identity_binding *binding,
			  const struct spiffe_identity *spiffe)
{
	return !spiffe->foreign && !strcmp(spiffe->trust_domain, c->facts->trust_domain) &&
	       !strcmp(spiffe->name_space, binding->meta.name_space);
}

/* Identities of another shape were found by the parser; these need the trust domain. */
static void spiffe_check(struct compilation *c, const struct identity_binding *binding, size_t i)
{
	const struct spiffe_identity *spiffe = &binding->spiffe[i];
	char *field;

	if (spiffe->foreign || compile_spiffe_binds(c, binding, spiffe))
		return;
	field = memory_printf("spec.schemes.spiffeIdentities[%zu]", i);
	if (strcmp(spiffe->trust_domain, c->facts->trust_domain))
		finding_add(c->findings, &binding->meta, field, "ForeignTrustDomain",
			    "this identity matches no pod",
			    "%s is not of this cluster's trust domain %s", spiffe->text,
			    c->facts->trust_domain);
	else
		finding_add(c->findings, &binding->meta, field, "ForeignNamespace",
			    "this identity matches no pod",
			    "%s is of another namespace; a binding binds pods of its own only",
			    spiffe->text);
	free(field);
}

void compile_bindings_check(struct compilation *c)
{
	struct object *const *objects;
	size_t count, i, j;

	objects = store_sorted(c->store, OBJECT_IDENTITY_BINDING, &count);
	for (i = 0; i < count; i++) {
		struct identity_binding *binding = (struct identity_binding *)objects[i];

		for (j = 0; !binding->invalid && j < binding->spiffe_count; j++)
			spiffe_check(c, binding, j);
	}
}

/* A label that every matching pod has, or NULL. */
static const struct selector_requirement *selector_demand(const struct label_selector *selector)
{
	size_t i;

	for (i = 0; i < selector->count; i++)
		if (selector->items[i].op == SELECTOR_IN && selector->items[i].value_count == 1)
			return &selector->items[i];
	return NULL;
}

/* "key" NUL "value": neither can contain the separator. The caller frees. */
static char *label_text(const char *key, const char *value, unsigned int *len)
{
	size_t key_len = strlen(key), value_len = strlen(value);
	char *text = memory_alloc(key_len + 1 + value_len + 1);

	memcpy(text, key, key_len);
	memcpy(text + key_len + 1, value, value_len);
	*len = (unsigned int)(key_len + 1 + value_len);
	return text;
}

static void use_index(struct realm *realm, struct binding_use *use)
{
	const struct selector_requirement *demand = selector_demand(&use->binding->selector);
	struct label_bucket *bucket;
	unsigned int len;
	char *label;

	if (!demand) {
		use->next = realm->unlabelled;
		realm->unlabelled = use;
		return;
	}
	label = label_text(demand->key, demand->values[0], &len);
	HASH_FIND(hh, realm->buckets, label, len, bucket);
	if (bucket) {
		free(label);
	} else {
		bucket = memory_alloc(sizeof(*bucket));
		bucket->label = label;
		bucket->label_len = len;
		HASH_ADD_KEYPTR(hh, realm->buckets, bucket->label, len, bucket);
	}
	use->next = bucket->uses;
	bucket->uses = use;
}

static struct binding_use *use_find(const struct realm *realm,
				    const struct identity_binding *binding)
{
	struct binding_use *use;

	HASH_FIND_PTR(realm->uses, &binding, use);
	return use;
}

static void account_use(struct realm *realm, const char *service_account, const char *port_name)
{
	struct account *account = compile_account(realm, service_account);

	if (*port_name)
		compile_text_add(&account->port_names, port_name);
}

void compile_use_subject(struct compilation *c, const struct subject *subject,
			 const char *port_name)
{
	struct realm *realm = compile_realm(c, subject->name_space);
	const struct identity_binding *binding;
	struct binding_use *use;
	size_t i;

	if (subject->kind == SUBJECT_SERVICE_ACCOUNT)
		account_use(realm, subject->name, port_name);
	binding = compile_binding(c, subject);
	if (!binding)
		return;
	if (*binding->service_account)
		account_use(realm, binding->service_account, port_name);
	for (i = 0; i < binding->spiffe_count; i++)
		if (compile_spiffe_binds(c, binding, &binding->spiffe[i]))
			account_use(realm, binding->spiffe[i].service_account, port_name);
	if (!binding->has_selector)
		return;
	use = use_find(realm, binding);
	if (!use) {
		use = memory_alloc(sizeof(*use));
		use->binding = binding;
		HASH_ADD_PTR(realm->uses, binding, use);
		use_index(realm, use);
	}
	if (*port_name)
		compile_text_add(&use->port_names, port_name);
}

static void uses_match(struct binding_use *first, const struct pod *pod, struct use_list *list)
{
	struct binding_use *use;
	size_t i;

	for (use = first; use; use = use->next) {
		if (!selector_matches(&use->binding->selector, &pod->meta.labels))
			continue;
		i = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
		list->items[i] = use;
	}
}

static int use_compare(const void *a, const void *b)
{
	const struct binding_use *const *x = a, *const *y = b;

	return strcmp((*x)->binding->meta.name, (*y)->binding->meta.name);
}

void compile_match_uses(const struct realm *realm, const struct pod *pod, struct use_list *list)
{
	const struct labels *labels = &pod->meta.labels;
	struct label_bucket *bucket;
	unsigned int len;
	char *label;
	size_t i;

	list->count = 0;
	if (!realm->uses)
		return;
	uses_match(realm->unlabelled, pod, list);
	for (i = 0; i < labels->count; i++) {
		label = label_text(labels->items[i].key, labels->items[i].value, &len);
		HASH_FIND(hh, realm->buckets, label, len, bucket);
		free(label);
		if (bucket)
			uses_match(bucket->uses, pod, list);
	}
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), use_compare);
}

static void classes_append(struct compilation *c, struct class_list *list,
			   struct identity_class *class)
{
	size_t i;

	if (class->mark == c->mark)
		return;
	class->mark = c->mark;
	i = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
	list->items[i] = class;
}

static void account_classes(struct compilation *c, struct realm *realm, const char *service_account,
			    struct class_list *list)
{
	struct account *account = compile_account(realm, service_account);
	struct identity_class *class;

	if (account->usual)
		classes_append(c, list, account->usual);
	for (class = account->classes; class; class = class->hh.next)
		classes_append(c, list, class);
}

void compile_subject_classes(struct compilation *c, const struct subject *subject,
			     struct class_list *list)
{
	struct realm *realm = compile_realm(c, subject->name_space);
	const struct identity_binding *binding;
	struct binding_use *use;
	size_t i;

	if (subject->kind == SUBJECT_SERVICE_ACCOUNT)
		account_classes(c, realm, subject->name, list);
	binding = compile_binding(c, subject);
	if (!binding)
		return;
	if (*binding->service_account)
		account_classes(c, realm, binding->service_account, list);
	for (i = 0; i < binding->spiffe_count; i++)
		if (compile_spiffe_binds(c, binding, &binding->spiffe[i]))
			account_classes(c, realm, binding->spiffe[i].service_account, list);
	use = binding->has_selector ? use_find(realm, binding) : NULL;
	for (i = 0; use && i < use->classes.count; i++)
		classes_append(c, list, use->classes.items[i]);
}

void compile_uses_free(struct realm *realm)
{
	struct label_bucket *bucket, *next_bucket;
	struct binding_use *use, *next;

	HASH_ITER(hh, realm->buckets, bucket, next_bucket) {
		HASH_DEL(realm->buckets, bucket);
		free(bucket->label);
		free(bucket);
	}
	HASH_ITER(hh, realm->uses, use, next) {
		HASH_DEL(realm->uses, use);
		free(use->port_names.items);
		free(use->classes.items);
		free(use);
	}
}
