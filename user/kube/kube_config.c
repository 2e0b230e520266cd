// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_config.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bpf/weft_abi.h"
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/source/manifest.h"

enum { FILE_SIZE_MAX = 1 << 20 };

static const char service_account[] = "/var/run/secrets/kubernetes.io/serviceaccount";
static const char default_space[] = "weft-system";

struct reading {
	const char *path; /* of the kubeconfig */
	char *error;
};

static int refuse(const struct reading *reading, const char *what, const char *name)
{
	snprintf(reading->error, KUBE_CONFIG_ERROR_LEN, "%s: %s%s%s", reading->path, what,
		 *name ? " " : "", name);
	return -EINVAL;
}

/* NULL when there is none, or an empty one. */
static const char *text_of(struct json_object *object, const char *name)
{
	const char *text = json_text_of(object, name);

	return *text ? text : NULL;
}

/* The map `member` of the item of this name in the list `list`. */
static struct json_object *find_named(struct json_object *root, const char *list, const char *name,
				      const char *member)
{
	struct json_object *items, *item, *found;
	const char *item_name;
	size_t i;

	if (!name || !json_object_object_get_ex(root, list, &items) ||
	    !json_object_is_type(items, json_type_array))
		return NULL;
	for (i = 0; i < json_object_array_length(items); i++) {
		item = json_object_array_get_idx(items, i);
		item_name = text_of(item, "name");
		if (item_name && !strcmp(item_name, name) &&
		    json_object_object_get_ex(item, member, &found) &&
		    json_object_is_type(found, json_type_object))
			return found;
	}
	return NULL;
}

/* Relative paths are relative to the kubeconfig's folder. */
static char *resolve(const struct reading *reading, const char *path)
{
	const char *slash = strrchr(reading->path, '/');

	if (*path == '/' || !slash)
		return memory_strdup(path);
	return memory_printf("%.*s/%s", (int)(slash - reading->path), reading->path, path);
}

static int decode(const char *text, struct kube_pem *pem)
{
	size_t length = strlen(text), padding = 0;
	int size;

	while (padding < 2 && padding < length && text[length - padding - 1] == '=')
		padding++;
	if (!length || length % 4 || length > FILE_SIZE_MAX)
		return -EINVAL;
	pem->bytes = memory_alloc(length);
	size = EVP_DecodeBlock((unsigned char *)pem->bytes, (const unsigned char *)text,
			       (int)length);
	if (size < (int)padding)
		return -EINVAL;
	pem->size = (size_t)size - padding;
	return 0;
}

/* `name` names a file, `name`-data has its bytes in base64 and goes before it. */
static int read_pem(const struct reading *reading, struct json_object *object, const char *name,
		    struct kube_pem *pem)
{
	char *data_name = memory_printf("%s-data", name);
	const char *data = text_of(object, data_name), *path = text_of(object, name);
	int err = 0;

	if (data && decode(data, pem))
		err = refuse(reading, "this is no base64:", data_name);
	else if (!data && path)
		pem->path = resolve(reading, path);
	free(data_name);
	return err;
}

static bool is_true(struct json_object *object, const char *name)
{
	struct json_object *member;

	return json_object_object_get_ex(object, name, &member) && json_object_get_boolean(member);
}

static char *without_slash(const char *url)
{
	size_t length = strlen(url);

	while (length && url[length - 1] == '/')
		length--;
	return memory_printf("%.*s", (int)length, url);
}

static int read_cluster(const struct reading *reading, struct json_object *cluster,
			struct kube_config *config)
{
	const char *server = text_of(cluster, "server"),
		   *name = text_of(cluster, "tls-server-name");

	if (!server || strncmp(server, "https://", 8))
		return refuse(reading, "the cluster's server is missing or not https://", "");
	if (is_true(cluster, "insecure-skip-tls-verify"))
		return refuse(reading,
			      "insecure-skip-tls-verify: weft talks to no server that it cannot "
			      "verify; give certificate-authority",
			      "");
	if (text_of(cluster, "proxy-url"))
		return refuse(reading, "proxy-url is not supported", "");
	config->server = without_slash(server);
	config->server_name = name ? memory_strdup(name) : NULL;
	return read_pem(reading, cluster, "certificate-authority", &config->authority);
}

static int read_user(const struct reading *reading, struct json_object *user,
		     struct kube_config *config)
{
	static const char *const others[] = { "exec", "auth-provider", "username", "as" };
	const char *token = text_of(user, "token"), *path = text_of(user, "tokenFile");
	size_t i;
	int err;

	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (json_object_object_get_ex(user, others[i], NULL))
			return refuse(reading,
				      "only client certificates and tokens are supported, not",
				      others[i]);
	config->token = token ? memory_strdup(token) : NULL;
	config->token_path = path ? resolve(reading, path) : NULL;
	err = read_pem(reading, user, "client-certificate", &config->certificate);
	return err ? err : read_pem(reading, user, "client-key", &config->key);
}

static int read_context(const struct reading *reading, struct json_object *root,
			struct kube_config *config)
{
	const char *name = text_of(root, "current-context");
	struct json_object *context, *cluster, *user;
	int err;

	if (!name)
		return refuse(reading, "there is no current-context", "");
	context = find_named(root, "contexts", name, "context");
	if (!context)
		return refuse(reading, "there is no context", name);
	cluster = find_named(root, "clusters", text_of(context, "cluster"), "cluster");
	if (!cluster)
		return refuse(reading, "there is no such cluster as names the context", name);
	config->name_space = memory_strdup(text_of(context, "namespace") ?: default_space);
	user = find_named(root, "users", text_of(context, "user"), "user");
	if (!user)
		return refuse(reading, "there is no such user as names the context", name);
	err = read_cluster(reading, cluster, config);
	return err ? err : read_user(reading, user, config);
}

static char *read_file(const struct reading *reading, size_t *size)
{
	FILE *file = fopen(reading->path, "re");
	char *text;

	if (!file) {
		snprintf(reading->error, KUBE_CONFIG_ERROR_LEN, "%s: %s", reading->path,
			 strerror(errno));
		return NULL;
	}
	text = memory_alloc(FILE_SIZE_MAX);
	*size = fread(text, 1, FILE_SIZE_MAX, file);
	fclose(file);
	return text;
}

int kube_config_read(const char *path, struct kube_config *config,
		     char error[KUBE_CONFIG_ERROR_LEN])
{
	struct reading reading = { path, error };
	struct findings findings = { 0 };
	struct json_object *items;
	size_t size;
	char *text;
	int err;

	*config = (struct kube_config){ 0 };
	text = read_file(&reading, &size);
	if (!text)
		return -EINVAL;
	err = manifest_read(text, size, NULL, &items, &findings);
	free(text);
	if (err)
		err = refuse(&reading, findings.items[0].message, "");
	findings_clear(&findings);
	if (err)
		return err;
	err = json_object_array_length(items) == 1 ?
		      read_context(&reading, json_object_array_get_idx(items, 0), config) :
		      refuse(&reading, "this is no kubeconfig", "");
	json_object_put(items);
	if (err)
		kube_config_clear(config);
	return err;
}

/* The pod's namespace, or where weft is usually installed. */
static char *read_name_space(void)
{
	char name[WEFT_NAMESPACE_LEN] = "";
	char *path = memory_printf("%s/namespace", service_account);
	FILE *file = fopen(path, "re");

	free(path);
	if (file) {
		if (!fgets(name, sizeof(name), file))
			*name = '\0';
		fclose(file);
	}
	name[strcspn(name, " \t\r\n/")] = '\0';
	return memory_strdup(*name ? name : default_space);
}

int kube_config_in_cluster(struct kube_config *config, char error[KUBE_CONFIG_ERROR_LEN])
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool is_v6 = host && strchr(host, ':');

	*config = (struct kube_config){ 0 };
	if (!host || !*host || access(service_account, F_OK)) {
		snprintf(error, KUBE_CONFIG_ERROR_LEN,
			 "this is no pod of a cluster (%s): give --kubeconfig",
			 host && *host ? service_account : "KUBERNETES_SERVICE_HOST");
		return -ENOENT;
	}
	config->server = memory_printf("https://%s%s%s:%s", is_v6 ? "[" : "", host,
				       is_v6 ? "]" : "", port && *port ? port : "443");
	config->authority.path = memory_printf("%s/ca.crt", service_account);
	config->token_path = memory_printf("%s/token", service_account);
	config->name_space = read_name_space();
	return 0;
}

static void pem_clear(struct kube_pem *pem)
{
	free(pem->path);
	free(pem->bytes);
}

void kube_config_clear(struct kube_config *config)
{
	free(config->server);
	free(config->server_name);
	pem_clear(&config->authority);
	pem_clear(&config->certificate);
	pem_clear(&config->key);
	free(config->name_space);
	free(config->token);
	free(config->token_path);
	*config = (struct kube_config){ 0 };
}
