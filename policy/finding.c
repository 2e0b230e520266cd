// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/finding.h"
#include "policy/memory.h"
#include "policy/model.h"
#include "policy/store.h"

static char *finding_format(const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	return text;
}

static struct finding *finding_new(struct findings *findings)
{
	size_t i = memory_grow(&findings->items, &findings->count, &findings->capacity,
			       sizeof(*findings->items));

	return &findings->items[i];
}

static char *finding_text(const char *text)
{
	return memory_strdup(text ? text : "");
}

void finding_add(struct findings *findings, const struct object *object, const char *field,
		 const char *reason, const char *consequence, const char *message, ...)
{
	struct finding *finding = finding_new(findings);
	va_list arguments;

	finding->api_version = finding_text(object->api_version);
	finding->kind = finding_text(object_kind_name(object->kind));
	finding->name_space = finding_text(object->name_space);
	finding->name = finding_text(object->name);
	finding->origin = finding_text(object->origin);
	finding->field = finding_text(field);
	finding->reason = finding_text(reason);
	finding->consequence = finding_text(consequence);
	va_start(arguments, message);
	finding->message = finding_format(message, arguments);
	va_end(arguments);
}

void finding_add_file(struct findings *findings, const char *origin, const char *reason,
		      const char *consequence, const char *message, ...)
{
	struct finding *finding = finding_new(findings);
	va_list arguments;

	finding->api_version = finding_text("");
	finding->kind = finding_text("");
	finding->name_space = finding_text("");
	finding->name = finding_text("");
	finding->origin = finding_text(origin);
	finding->field = finding_text("");
	finding->reason = finding_text(reason);
	finding->consequence = finding_text(consequence);
	va_start(arguments, message);
	finding->message = finding_format(message, arguments);
	va_end(arguments);
}

void findings_append(struct findings *to, const struct findings *from)
{
	struct finding *finding;
	size_t i;

	for (i = 0; i < from->count; i++) {
		finding = finding_new(to);
		finding->api_version = memory_strdup(from->items[i].api_version);
		finding->kind = memory_strdup(from->items[i].kind);
		finding->name_space = memory_strdup(from->items[i].name_space);
		finding->name = memory_strdup(from->items[i].name);
		finding->origin = memory_strdup(from->items[i].origin);
		finding->field = memory_strdup(from->items[i].field);
		finding->reason = memory_strdup(from->items[i].reason);
		finding->message = memory_strdup(from->items[i].message);
		finding->consequence = memory_strdup(from->items[i].consequence);
	}
}

static void finding_free_texts(struct finding *finding)
{
	free(finding->api_version);
	free(finding->kind);
	free(finding->name_space);
	free(finding->name);
	free(finding->origin);
	free(finding->field);
	free(finding->reason);
	free(finding->message);
	free(finding->consequence);
}

static int finding_compare(const void *a_pointer, const void *b_pointer)
{
	const struct finding *a = a_pointer, *b = b_pointer;
	const char *const left[] = { a->kind,	 a->name_space,	 a->name,
				     a->field,	 a->reason,	 a->origin,
				     a->message, a->consequence, a->api_version };
	const char *const right[] = { b->kind,	  b->name_space,  b->name,
				      b->field,	  b->reason,	  b->origin,
				      b->message, b->consequence, b->api_version };
	size_t i;
	int order = 0;

	for (i = 0; i < sizeof(left) / sizeof(left[0]) && !order; i++)
		order = strcmp(left[i], right[i]);
	return order;
}

void findings_sort(struct findings *findings)
{
	size_t i, kept = 0;

	if (!findings->count)
		return;
	qsort(findings->items, findings->count, sizeof(*findings->items), finding_compare);
	for (i = 1; i < findings->count; i++) {
		if (!finding_compare(&findings->items[kept], &findings->items[i]))
			finding_free_texts(&findings->items[i]);
		else
			findings->items[++kept] = findings->items[i];
	}
	findings->count = kept + 1;
}

void findings_clear(struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		finding_free_texts(&findings->items[i]);
	free(findings->items);
	memset(findings, 0, sizeof(*findings));
}
