/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serving certificate of an aggregated API server: files, read again when they change, or one
 * of its own, which the cluster's APIService is then told to trust.
 */
#ifndef WEFT_USER_SMI_CERTIFICATE_H
#define WEFT_USER_SMI_CERTIFICATE_H

#include "user/kube/kube_http.h"

struct smi_certificate;

struct smi_certificate_source {
	const char *certificate_file, *key_file; /* PEM; NULL = make one */
	const char *api_service;		 /* that is told of one that was made */
	const char *service; /* that it points to, in the namespace of `http`: the subject */
};

/*
 * -errno when the files cannot be read, or nothing can be made. `changed`: there is another one.
 * `source` and what it points to outlive it.
 */
int smi_certificate_new(struct uv_loop_s *loop, struct kube_http *http,
			const struct smi_certificate_source *source, void (*changed)(void *context),
			void *context, struct smi_certificate **certificate);
/* The loop must run on to close what is open. NULL is ignored. */
void smi_certificate_free(struct smi_certificate *certificate);

/* PEM, until the next change. */
const char *smi_certificate_chain(const struct smi_certificate *certificate);
const char *smi_certificate_key(const struct smi_certificate *certificate);

#endif /* WEFT_USER_SMI_CERTIFICATE_H */
