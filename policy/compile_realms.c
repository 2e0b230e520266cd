// SPDX-License-Identifier: Apache-2.0
/* Namespaces and ServiceAccounts; modes and weft.dev annotations. */
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

static const char MESH_KEY[] = "weft.dev/mesh";
static const char HOSTS_KEY[] = "weft.dev/hosts";
static const char EXTERNAL_KEY[] = "weft.dev/external";
static const char PATHS_KEY[] = "weft.dev/ambiguous-paths";

static bool text_is(const char *text, const char *other)
{
	return text && !strcmp(text, other);
}

/* Fails closed: whoever writes the label wants the mesh, whatever the spelling. */
static uint32_t realm_mode(struct compilation *c, const struct object *object)
{
	const char *mode = labels_get(&object->labels, MESH_KEY);

	if (!mode || text_is(mode, "disabled"))
		return 0;
	if (text_is(mode, "permissive"))
		return WEFT_PEER_PERMISSIVE;
	if (!text_is(mode, "enforce"))
		finding_add(c->findings, object, "metadata.labels[weft.dev/mesh]", "InvalidValue",
			    "the namespace is treated as enforce",
			    "\"%s\" is none of enforce, permissive, disabled", mode);
	return WEFT_PEER_ENFORCE;
}

static uint32_t realm_annotations(struct compilation *c, const struct object *object)
{
	const char *hosts = labels_get(&object->annotations, HOSTS_KEY);
	const char *external = labels_get(&object->annotations, EXTERNAL_KEY);
	uint32_t flags = 0;

	if (text_is(hosts, "cluster"))
		flags |= WEFT_PEER_HOSTS_CLUSTER;
	else if (hosts && !text_is(hosts, "local"))
		finding_add(c->findings, object, "metadata.annotations[weft.dev/hosts]",
			    "InvalidValue", "the annotation is treated as local",
			    "\"%s\" is neither cluster nor local", hosts);
	if (text_is(external, "allow"))
		flags |= WEFT_PEER_EXTERNAL_ALLOW;
	else if (external)
		finding_add(c->findings, object, "metadata.annotations[weft.dev/external]",
			    "InvalidValue", "the annotation is ignored", "\"%s\" is not allow",
			    external);
	return flags;
}

/* Does the namespace take paths that servers might read in another way than rules do? */
static bool realm_ambiguous_paths(struct compilation *c, const struct object *object)
{
	const char *paths = labels_get(&object->annotations, PATHS_KEY);

	if (paths && !text_is(paths, "allow"))
		finding_add(c->findings, object, "metadata.annotations[weft.dev/ambiguous-paths]",
			    "InvalidValue", "the annotation is ignored", "\"%s\" is not allow",
			    paths);
	return text_is(paths, "allow");
}

struct realm *compile_realm(struct compilation *c, const char *name)
{
	struct realm *realm;

	HASH_FIND_STR(c->realms, name, realm);
	if (realm)
		return realm;
	realm = memory_alloc(sizeof(*realm));
	realm->name = name;
	HASH_ADD_KEYPTR(hh, c->realms, realm->name, strlen(realm->name), realm);
	return realm;
}

struct account *compile_account(struct realm *realm, const char *name)
{
	struct account *account;

	HASH_FIND_STR(realm->accounts, name, account);
	if (account)
		return account;
	account = memory_alloc(sizeof(*account));
	account->name = name;
	HASH_ADD_KEYPTR(hh, realm->accounts, account->name, strlen(account->name), account);
	return account;
}

void compile_realms(struct compilation *c)
{
	struct object *const *objects;
	size_t count, i;

	objects = store_sorted(c->store, OBJECT_NAMESPACE, &count);
	for (i = 0; i < count; i++) {
		struct realm *realm = compile_realm(c, objects[i]->name);
		uint32_t mode = realm_mode(c, objects[i]);
		uint32_t annotations = realm_annotations(c, objects[i]);

		realm->flags = mode ? mode | annotations : 0;
		realm->ambiguous_paths = realm_ambiguous_paths(c, objects[i]);
	}
}

uint32_t compile_pod_flags(struct compilation *c, const struct realm *realm, const struct pod *pod)
{
	const char *mesh = labels_get(&pod->meta.annotations, MESH_KEY);
	const char *external = labels_get(&pod->meta.annotations, EXTERNAL_KEY);
	uint32_t flags = realm->flags;

	if (external && !text_is(external, "allow"))
		finding_add(c->findings, &pod->meta, "metadata.annotations[weft.dev/external]",
			    "InvalidValue", "the annotation is ignored", "\"%s\" is not allow",
			    external);
	if (mesh && !text_is(mesh, "disabled"))
		finding_add(c->findings, &pod->meta, "metadata.annotations[weft.dev/mesh]",
			    "InvalidValue", "the annotation is ignored",
			    "\"%s\" is not disabled; only the namespace's label enrols", mesh);
	if (text_is(mesh, "disabled"))
		return 0;
	if (flags & WEFT_PEER_MESHED && text_is(external, "allow"))
		flags |= WEFT_PEER_EXTERNAL_ALLOW;
	return flags;
}

static void class_free(struct identity_class *class)
{
	if (!class)
		return;
	free(class->detail);
	free(class->ports);
	free(class);
}

static void account_free(struct account *account)
{
	struct identity_class *class, *next;

	class_free(account->usual);
	HASH_ITER(hh, account->classes, class, next) {
		HASH_DEL(account->classes, class);
		class_free(class);
	}
	free(account->port_names.items);
	free(account);
}

void compile_realms_free(struct compilation *c)
{
	struct account *account, *next_account;
	struct realm *realm, *next_realm;

	HASH_ITER(hh, c->realms, realm, next_realm) {
		HASH_DEL(c->realms, realm);
		HASH_ITER(hh, realm->accounts, account, next_account) {
			HASH_DEL(realm->accounts, account);
			account_free(account);
		}
		compile_uses_free(realm);
		free(realm);
	}
}
