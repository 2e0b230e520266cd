// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_query.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

enum { PARTS_MAX = 6, PAGE_ITEMS = 500 };

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return length && !text[length] && length < SMI_NAME_LEN && strcmp(text, ".") &&
	       strcmp(text, "..");
}

static int kind_of(const char *plural, enum smi_kind *kind)
{
	size_t i;

	for (i = 0; i < SMI_KIND_COUNT; i++) {
		if (strcmp(smi_kinds[i].plural, plural))
			continue;
		*kind = (enum smi_kind)i;
		return 0;
	}
	return -ENOENT;
}

/* RESOURCE [NAME [edges]] */
static int parts_parse(char *const *parts, size_t count, struct smi_query *query)
{
	if (!count || count > 3 || kind_of(parts[0], &query->kind))
		return -ENOENT;
	if (count > 1 && !is_name(parts[1]))
		return -ENOENT;
	if (count > 1)
		strcpy(query->name, parts[1]);
	query->edges = count > 2;
	return query->edges && strcmp(parts[2], "edges") ? -ENOENT : 0;
}

/* "namespaces/NS/RESOURCE" is of a namespace; "namespaces/NS/edges" is about it. */
static bool is_in_namespace(char *const *parts, size_t count)
{
	return count > 2 && !strcmp(parts[0], "namespaces") && strcmp(parts[2], "edges");
}

int smi_query_parse(const char *path, struct smi_query *query)
{
	char *copy = memory_strdup(path), *rest = copy, *part, *parts[PARTS_MAX];
	size_t count = 0;
	int err = 0;

	memset(query, 0, sizeof(*query));
	while ((part = strsep(&rest, "/"))) {
		if (!*part)
			continue;
		if (count == PARTS_MAX) {
			err = -ENOENT;
			break;
		}
		parts[count++] = part;
	}
	if (!err && is_in_namespace(parts, count)) {
		err = is_name(parts[1]) ? parts_parse(parts + 2, count - 2, query) : -ENOENT;
		if (!err && !smi_kinds[query->kind].is_namespaced)
			err = -ENOENT;
		if (!err)
			strcpy(query->name_space, parts[1]);
	} else if (!err) {
		err = parts_parse(parts, count, query);
		/* Its namespace would be missing. */
		if (!err && *query->name && smi_kinds[query->kind].is_namespaced)
			err = -ENOENT;
	}
	free(copy);
	return err;
}

/* "&NAME=VALUE", the value escaped; "" for an empty value. */
static char *argument(const char *name, const char *prefix, const char *value)
{
	char *escaped, *text;

	if (!*value)
		return memory_strdup("");
	escaped = curl_easy_escape(NULL, value, 0);
	text = memory_printf("&%s=%s%s", name, prefix, escaped ? escaped : "");
	curl_free(escaped);
	return text;
}

char *smi_query_list(enum smi_kind kind, const char *version, const char *name_space,
		     const char *name, const char *selector, const char *token)
{
	const struct smi_kind_info *info = &smi_kinds[kind];
	char *label = argument("labelSelector", "", selector);
	char *field = argument("fieldSelector", "metadata.name%3D", name);
	char *more = argument("continue", "", token);
	char *path;

	path = memory_printf("/%s%s/%s%s%s/%s?limit=%d%s%s%s", *info->group ? "apis/" : "api",
			     info->group, version ? version : info->version,
			     *name_space ? "/namespaces/" : "", name_space, info->plural,
			     PAGE_ITEMS, label, field, more);
	free(label);
	free(field);
	free(more);
	return path;
}
