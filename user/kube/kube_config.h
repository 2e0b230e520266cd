/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the Kubernetes API server is and how to authenticate there: a kubeconfig file
 * (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/) or what
 * every pod is given (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
 */
#ifndef WEFT_USER_KUBE_CONFIG_H
#define WEFT_USER_KUBE_CONFIG_H

#include <stddef.h>

enum { KUBE_CONFIG_ERROR_LEN = 512 };

/* Bytes of a PEM text, or the file that has them and may be replaced at any time. NULL: neither. */
struct kube_pem {
	char *path;
	char *bytes;
	size_t size;
};

struct kube_config {
	char *server;	   /* https://HOST:PORT[/PATH], without a slash at its end */
	char *server_name; /* what its certificate must name, NULL = HOST */
	struct kube_pem authority;
	struct kube_pem certificate; /* the client's, with `key` */
	struct kube_pem key;
	char *name_space; /* where the agent's own objects are */
	char *token;	  /* bearer token, NULL = none */
	char *token_path; /* file that has it, read for every request; goes before `token` */
};

/*
 * Of the file's current context. -EINVAL with one line in `error` when the file does not say all
 * that is needed, or asks for what weft does not do (exec plugins, no verification of the server).
 */
int kube_config_read(const char *path, struct kube_config *config,
		     char error[KUBE_CONFIG_ERROR_LEN]);

/* Of the pod that the process is in. -ENOENT with a line in `error`: it is in none. */
int kube_config_in_cluster(struct kube_config *config, char error[KUBE_CONFIG_ERROR_LEN]);

void kube_config_clear(struct kube_config *config);

#endif /* WEFT_USER_KUBE_CONFIG_H */
