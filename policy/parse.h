/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per kind that fills the typed object from JSON (metadata is
 * done by object.c) and one that frees what it filled. They never fail: a bad
 * field is a finding, and an SMI object becomes `invalid` where that is needed
 * so that a mistake never grants more than was meant.
 */
#ifndef WEFT_POLICY_PARSE_H
#define WEFT_POLICY_PARSE_H

#include "policy/field.h"
#include "policy/model.h"

void node_parse(const struct parse *parse, const struct field *root);
void node_free(struct object *object);
void pod_parse(const struct parse *parse, const struct field *root);
void pod_free(struct object *object);
void service_parse(const struct parse *parse, const struct field *root);
void service_free(struct object *object);
void endpoint_slice_parse(const struct parse *parse, const struct field *root);
void endpoint_slice_free(struct object *object);
void traffic_target_parse(const struct parse *parse, const struct field *root);
void traffic_target_free(struct object *object);
void identity_binding_parse(const struct parse *parse, const struct field *root);
void identity_binding_free(struct object *object);
void port_route_parse(const struct parse *parse, const struct field *root);
void port_route_free(struct object *object);
void http_route_group_parse(const struct parse *parse, const struct field *root);
void http_route_group_free(struct object *object);
void traffic_split_parse(const struct parse *parse, const struct field *root);
void traffic_split_free(struct object *object);

/*
 * A field that older versions of a kind have at the top level and newer ones in
 * `spec`; both places are taken in every version. Given in both, it is a
 * finding and -EINVAL, because nobody can say which one is meant; else 0.
 */
int parse_member_either(const struct parse *parse, const struct field *root,
			const struct field *spec, const char *name, const char *consequence,
			struct field *member);

/*
 * metav1.LabelSelector. -EINVAL when any of it is not what apimachinery accepts:
 * a selector that lost a requirement would select too much.
 */
int parse_selector(const struct parse *parse, const struct field *field, const char *consequence,
		   struct label_selector *selector);
void selector_clear(struct label_selector *selector);

void target_rules_free(struct target_rule *rules, size_t count);

#endif /* WEFT_POLICY_PARSE_H */
