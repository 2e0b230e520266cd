// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/smi/certificate_make.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_problem.h"
#include "user/log.h"

enum {
	LOOK_MS = 5000, /* at files, and at the APIService */
	LOOK_AGAIN_MS = 1000,
	IDLE_MS = 5000,
	PEM_MAX = 1 << 20,
	RENEW_S = 30 * 24 * 3600, /* before the end of one that was made */
};

struct smi_certificate {
	uv_loop_t *loop;
	struct kube_http *http;
	const struct smi_certificate_source *source;
	uv_timer_t timer;
	struct kube_ask *ask;
	void (*changed)(void *context);
	void *context;
	char *chain, *key;
	struct kube_problem problem;
};

/* NULL and errno. */
static char *file_read(const char *path)
{
	char *text = memory_alloc(PEM_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, PEM_MAX);
	int err = errno;

	if (fd >= 0)
		close(fd);
	if (size > 0)
		return text;
	free(text);
	errno = size ? err : ENODATA;
	return NULL;
}

/* Both are of one pair only when they are read together; a Secret's files are switched at once. */
static int files_read(const struct smi_certificate_source *source, char **chain, char **key)
{
	*chain = file_read(source->certificate_file);
	*key = *chain ? file_read(source->key_file) : NULL;
	if (*key)
		return 0;
	free(*chain);
	return -errno;
}

/* Takes both over. True when they are others. */
static bool pair_set(struct smi_certificate *certificate, char *chain, char *key)
{
	bool same = certificate->chain && !strcmp(certificate->chain, chain) &&
		    !strcmp(certificate->key, key);

	if (same) {
		free(chain);
		free(key);
		return false;
	}
	free(certificate->chain);
	free(certificate->key);
	certificate->chain = chain;
	certificate->key = key;
	return true;
}

static int pair_make(struct smi_certificate *certificate)
{
	char *chain, *key;
	int err = certificate_make(certificate->source->service,
				   kube_http_name_space(certificate->http), time(NULL), &chain,
				   &key);

	if (!err)
		pair_set(certificate, chain, key);
	return err;
}

static void on_timer(uv_timer_t *timer);

static void again(struct smi_certificate *certificate, const char *error)
{
	kube_problem_set(&certificate->problem, error);
	uv_timer_start(&certificate->timer, on_timer, *error ? LOOK_AGAIN_MS : LOOK_MS, 0);
}

static char *path_of(const struct smi_certificate *certificate)
{
	return memory_printf("/apis/apiregistration.k8s.io/v1/apiservices/%s",
			     certificate->source->api_service);
}

/* Base64 of the chain; the caller frees it by gnutls_free(). */
static int bundle_of(const struct smi_certificate *certificate, gnutls_datum_t *bundle)
{
	gnutls_datum_t chain = { (unsigned char *)certificate->chain,
				 (unsigned int)strlen(certificate->chain) };

	return gnutls_base64_encode2(&chain, bundle) ? -EIO : 0;
}

static void on_patched(void *context, const struct kube_outcome *outcome,
		       struct json_object *answer)
{
	struct smi_certificate *certificate = context;

	(void)answer;
	certificate->ask = NULL;
	if (!outcome->error[0])
		log_info("the APIService trusts the serving certificate", "apiservice",
			 certificate->source->api_service);
	again(certificate, outcome->error);
}

static void bundle_patch(struct smi_certificate *certificate, const char *bundle)
{
	struct kube_call call = {
		.method = "PATCH",
		.content_type = "application/merge-patch+json",
		.idle_ms = IDLE_MS,
	};
	char *path = path_of(certificate);
	char *body = memory_printf("{\"spec\":{\"caBundle\":\"%s\"}}", bundle);

	call.path = path;
	call.body = body;
	certificate->ask = kube_ask_send(certificate->http, &call, on_patched, certificate);
	free(path);
	free(body);
}

static void on_api_service(void *context, const struct kube_outcome *outcome,
			   struct json_object *answer)
{
	struct smi_certificate *certificate = context;
	struct json_object *spec = NULL;
	gnutls_datum_t bundle;

	certificate->ask = NULL;
	if (outcome->error[0]) {
		again(certificate, outcome->error);
		return;
	}
	json_object_object_get_ex(answer, "spec", &spec);
	if (bundle_of(certificate, &bundle)) {
		again(certificate, "the certificate cannot be encoded");
		return;
	}
	if (!strcmp(json_text_of(spec, "caBundle"), (const char *)bundle.data))
		again(certificate, "");
	else
		bundle_patch(certificate, (const char *)bundle.data);
	gnutls_free(bundle.data);
}

static void look_at_files(struct smi_certificate *certificate)
{
	char *chain, *key;
	int err = files_read(certificate->source, &chain, &key);

	if (!err && pair_set(certificate, chain, key))
		certificate->changed(certificate->context);
	again(certificate, err ? strerror(-err) : "");
}

static void on_timer(uv_timer_t *timer)
{
	struct smi_certificate *certificate = timer->data;
	struct kube_call call = { .idle_ms = IDLE_MS };
	char *path;

	if (certificate->source->certificate_file) {
		look_at_files(certificate);
		return;
	}
	if (certificate_end(certificate->chain) < time(NULL) + RENEW_S && !pair_make(certificate))
		certificate->changed(certificate->context);
	path = path_of(certificate);
	call.path = path;
	certificate->ask = kube_ask_send(certificate->http, &call, on_api_service, certificate);
	free(path);
}

int smi_certificate_new(struct uv_loop_s *loop, struct kube_http *http,
			const struct smi_certificate_source *source, void (*changed)(void *context),
			void *context, struct smi_certificate **result)
{
	struct smi_certificate *certificate = memory_alloc(sizeof(*certificate));
	int err;

	certificate->loop = loop;
	certificate->http = http;
	certificate->source = source;
	certificate->changed = changed;
	certificate->context = context;
	certificate->problem.what = source->certificate_file ?
					    "the serving certificate cannot be read" :
					    "the APIService cannot be told of the certificate";
	err = source->certificate_file ?
		      files_read(source, &certificate->chain, &certificate->key) :
		      pair_make(certificate);
	if (err) {
		free(certificate);
		return err;
	}
	uv_timer_init(loop, &certificate->timer);
	certificate->timer.data = certificate;
	uv_timer_start(&certificate->timer, on_timer, 0, 0);
	*result = certificate;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct smi_certificate *certificate = handle->data;

	free(certificate->chain);
	free(certificate->key);
	free(certificate);
}

void smi_certificate_free(struct smi_certificate *certificate)
{
	if (!certificate)
		return;
	kube_ask_cancel(certificate->ask);
	uv_close((uv_handle_t *)&certificate->timer, on_closed);
}

const char *smi_certificate_chain(const struct smi_certificate *certificate)
{
	return certificate->chain;
}

const char *smi_certificate_key(const struct smi_certificate *certificate)
{
	return certificate->key;
}
