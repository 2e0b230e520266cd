// SPDX-License-Identifier: Apache-2.0
/* IdentityBinding of SMI (v1alpha4). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/syntax.h"

static const char no_binding[] = "the IdentityBinding binds nothing";

/* <trust domain>/ns/<namespace>/sa/<service account>; false when it is of another shape. */
static bool spiffe_split(struct spiffe_identity *spiffe, const char *text)
{
	static const char scheme[] = "spiffe://";
	const char *part[5], *end;
	size_t length[5], i;

	if (!strncmp(text, scheme, sizeof(scheme) - 1))
		text += sizeof(scheme) - 1;
	for (i = 0; i < 5; i++) {
		part[i] = text;
		end = strchrnul(text, '/');
		length[i] = (size_t)(end - text);
		if (!length[i] || !*end != (i == 4))
			return false;
		text = end + 1;
	}
	if (length[1] != 2 || memcmp(part[1], "ns", 2) || length[3] != 2 ||
	    memcmp(part[3], "sa", 2) || !syntax_is_label(part[2], length[2]) ||
	    !syntax_is_subdomain(part[4]))
		return false;
	spiffe->trust_domain = memory_printf("%.*s", (int)length[0], part[0]);
	spiffe->name_space = memory_printf("%.*s", (int)length[2], part[2]);
	spiffe->service_account = memory_strdup(part[4]);
	return true;
}

static void parse_spiffe(const struct parse *parse, const struct field *field)
{
	static const char consequence[] = "this identity matches no pod";
	struct identity_binding *binding = (struct identity_binding *)parse->object;
	struct spiffe_identity *spiffe;
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text;
	int ret;

	ret = field_read_string(parse, field, &text, consequence);
	if (!ret)
		field_finding(parse, field, "InvalidField", consequence, "the identity is null");
	if (ret != 1)
		return;
	spiffe = &binding->spiffe[binding->spiffe_count++];
	spiffe->text = memory_strdup(text);
	if (spiffe_split(spiffe, text))
		return;
	spiffe->foreign = true;
	spiffe->trust_domain = memory_strdup("");
	spiffe->name_space = memory_strdup("");
	spiffe->service_account = memory_strdup("");
	field_finding(parse, field, "ForeignIdentity", consequence,
		      "\"%s\" has not the form <trust domain>/ns/<namespace>/sa/<service account>",
		      field_excerpt(text, excerpt));
}

static int parse_spiffe_list(const struct parse *parse, const struct field *list)
{
	struct identity_binding *binding = (struct identity_binding *)parse->object;
	size_t count = 0, i;

	if (field_read_list(parse, list, &count, no_binding) < 0)
		return -EINVAL;
	binding->spiffe = memory_alloc(count * sizeof(*binding->spiffe));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		parse_spiffe(parse, &entry);
	}
	return 0;
}

static int parse_service_account(const struct parse *parse, const struct field *field)
{
	struct identity_binding *binding = (struct identity_binding *)parse->object;
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text;
	int ret;

	ret = field_read_string(parse, field, &text, no_binding);
	if (ret != 1)
		return ret;
	if (!syntax_is_subdomain(text)) {
		field_finding(parse, field, "InvalidField", no_binding,
			      "\"%s\" is not a legal name", field_excerpt(text, excerpt));
		return -EINVAL;
	}
	free(binding->service_account);
	binding->service_account = memory_strdup(text);
	return 0;
}

static int parse_schemes(const struct parse *parse, const struct field *schemes)
{
	struct identity_binding *binding = (struct identity_binding *)parse->object;
	struct field selector = field_member(schemes, "podLabelSelector");
	struct field account = field_member(schemes, "serviceAccount");
	struct field spiffe = field_member(schemes, "spiffeIdentities");

	if (selector.json && account.json) {
		field_finding(parse, schemes, "ExclusiveSchemes", no_binding,
			      "serviceAccount and podLabelSelector exclude each other");
		return -EINVAL;
	}
	binding->has_selector = selector.json;
	if (parse_selector(parse, &selector, no_binding, &binding->selector) ||
	    parse_service_account(parse, &account) || parse_spiffe_list(parse, &spiffe))
		return -EINVAL;
	if (!binding->has_selector && !account.json && !binding->spiffe_count) {
		field_finding(parse, schemes, "MissingField", no_binding, "it has no scheme");
		return -EINVAL;
	}
	return 0;
}

void identity_binding_parse(const struct parse *parse, const struct field *root)
{
	struct identity_binding *binding = (struct identity_binding *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field schemes = field_member(&spec, "schemes");

	binding->service_account = memory_strdup("");
	if (field_read_map(parse, &spec, no_binding) < 0 ||
	    field_read_map(parse, &schemes, no_binding) < 0 || parse_schemes(parse, &schemes))
		binding->invalid = true;
}

void identity_binding_free(struct object *object)
{
	struct identity_binding *binding = (struct identity_binding *)object;
	size_t i;

	selector_clear(&binding->selector);
	for (i = 0; i < binding->spiffe_count; i++) {
		free(binding->spiffe[i].trust_domain);
		free(binding->spiffe[i].name_space);
		free(binding->spiffe[i].service_account);
		free(binding->spiffe[i].text);
	}
	free(binding->spiffe);
	free(binding->service_account);
}
