// SPDX-License-Identifier: Apache-2.0
/* metav1.LabelSelector, checked as strictly as apimachinery does. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/syntax.h"

static struct selector_requirement *selector_append(struct label_selector *selector,
						    size_t *capacity, const char *key,
						    enum selector_operator op)
{
	size_t i =
		memory_grow(&selector->items, &selector->count, capacity, sizeof(*selector->items));

	selector->items[i].key = memory_strdup(key);
	selector->items[i].op = op;
	return &selector->items[i];
}

static int refuse(const struct parse *parse, const struct field *field, const char *consequence,
		  const char *message)
{
	field_finding(parse, field, "InvalidSelector", consequence, "%s", message);
	return -EINVAL;
}

static int read_value(const struct parse *parse, const struct field *field, const char *consequence,
		      const char **text)
{
	int ret = field_read_string(parse, field, text, consequence);

	if (ret != 1)
		return ret ? ret : refuse(parse, field, consequence, "the value is null");
	if (!syntax_is_label_value(*text))
		return refuse(parse, field, consequence, "this is not a legal label value");
	return 0;
}

static int parse_match_labels(const struct parse *parse, const struct field *field,
			      const char *consequence, struct label_selector *selector,
			      size_t *capacity)
{
	struct selector_requirement *requirement;
	const char *text;
	int ret;

	ret = field_read_map(parse, field, consequence);
	if (ret != 1)
		return ret;
	json_object_object_foreach(field->json, key, value) {
		struct field member = { .parent = field, .name = key, .json = value };

		if (!syntax_is_label_key(key))
			return refuse(parse, &member, consequence, "this is not a legal label key");
		if (read_value(parse, &member, consequence, &text))
			return -EINVAL;
		requirement = selector_append(selector, capacity, key, SELECTOR_IN);
		requirement->values = memory_alloc(sizeof(*requirement->values));
		requirement->values[requirement->value_count++] = memory_strdup(text);
	}
	return 0;
}

static int parse_operator(const char *text, enum selector_operator *op)
{
	static const char *const names[] = {
		[SELECTOR_IN] = "In",
		[SELECTOR_NOT_IN] = "NotIn",
		[SELECTOR_EXISTS] = "Exists",
		[SELECTOR_DOES_NOT_EXIST] = "DoesNotExist",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], text)) {
			*op = (enum selector_operator)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_values(const struct parse *parse, const struct field *list,
			const char *consequence, struct selector_requirement *requirement)
{
	bool wanted = requirement->op == SELECTOR_IN || requirement->op == SELECTOR_NOT_IN;
	const char *text;
	size_t count = 0, i;

	if (field_read_list(parse, list, &count, consequence) < 0)
		return -EINVAL;
	if (wanted && !count)
		return refuse(parse, list, consequence, "In and NotIn need values");
	if (!wanted && count)
		return refuse(parse, list, consequence, "Exists and DoesNotExist take no values");
	requirement->values = memory_alloc(count * sizeof(*requirement->values));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		if (read_value(parse, &entry, consequence, &text))
			return -EINVAL;
		requirement->values[requirement->value_count++] = memory_strdup(text);
	}
	return 0;
}

static int parse_expression(const struct parse *parse, const struct field *entry,
			    const char *consequence, struct label_selector *selector,
			    size_t *capacity)
{
	struct field key_field = field_member(entry, "key");
	struct field operator_field = field_member(entry, "operator");
	struct field values = field_member(entry, "values");
	const char *key = "", *operator_text = "";
	enum selector_operator op;

	if (field_need_map(parse, entry, consequence) ||
	    field_read_string(parse, &key_field, &key, consequence) < 0 ||
	    field_read_string(parse, &operator_field, &operator_text, consequence) < 0)
		return -EINVAL;
	if (!syntax_is_label_key(key))
		return refuse(parse, &key_field, consequence, "this is not a legal label key");
	if (parse_operator(operator_text, &op))
		return refuse(parse, &operator_field, consequence,
			      "In, NotIn, Exists and DoesNotExist are the operators there are");
	return parse_values(parse, &values, consequence,
			    selector_append(selector, capacity, key, op));
}

int parse_selector(const struct parse *parse, const struct field *field, const char *consequence,
		   struct label_selector *selector)
{
	static const char *const members[] = { "matchLabels", "matchExpressions" };
	struct field labels = field_member(field, "matchLabels");
	struct field expressions = field_member(field, "matchExpressions");
	size_t capacity = 0, count = 0, i;

	if (field_read_map(parse, field, consequence) < 0 ||
	    field_check_members(parse, field, members, 2, consequence) ||
	    parse_match_labels(parse, &labels, consequence, selector, &capacity) ||
	    field_read_list(parse, &expressions, &count, consequence) < 0)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&expressions, i);

		if (parse_expression(parse, &entry, consequence, selector, &capacity))
			return -EINVAL;
	}
	return 0;
}

void selector_clear(struct label_selector *selector)
{
	struct selector_requirement *requirement;
	size_t i, j;

	for (i = 0; i < selector->count; i++) {
		requirement = &selector->items[i];
		for (j = 0; j < requirement->value_count; j++)
			free(requirement->values[j]);
		free(requirement->values);
		free(requirement->key);
	}
	free(selector->items);
	*selector = (struct label_selector){ 0 };
}
