// SPDX-License-Identifier: Apache-2.0
/* Puts the parts together: API server, agents, certificates, our own server. */
#include "user/smi/smi_role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/kube/kube_http.h"
#include "user/log.h"
#include "user/smi/smi_api.h"
#include "user/smi/smi_auth.h"
#include "user/smi/smi_certificate.h"
#include "user/smi/smi_gather.h"
#include "user/smi/smi_query.h"

enum { CLOSE_ROUNDS = 16, SIGNALS = 2 };

struct smi_role {
	const struct config *config;
	struct smi_certificate_source source;
	uv_loop_t loop;
	uv_signal_t signals[SIGNALS];
	struct kube_http *http;
	struct smi_gather *gather;
	struct smi_auth *auth;
	struct smi_certificate *certificate;
	struct smi_api *api;
	struct server *server; /* NULL until it is known whom to let in */
};

static void plain(struct server_response *response, unsigned int status, const char *text)
{
	*response = (struct server_response){
		.status = status,
		.content_type = "text/plain; charset=utf-8",
	};
	response->body = memory_printf("%s\n", text);
	response->length = strlen(response->body);
}

static void handle_health(const struct server_request *request, struct server_response *response,
			  void *context)
{
	(void)request;
	(void)context;
	plain(response, 200, "ok");
}

static void handle_ready(const struct server_request *request, struct server_response *response,
			 void *context)
{
	const struct smi_role *role = context;
	const char *reason = smi_gather_not_ready(role->gather);

	(void)request;
	plain(response, reason ? 503 : 200, reason ? reason : "ok");
}

static void handle_api(const struct server_request *request, struct server_response *response,
		       void *context)
{
	const struct smi_role *role = context;

	smi_api_handle(role->api, request, response);
}

static const struct server_route routes[] = {
	{ "/healthz", handle_health },
	{ "/readyz", handle_ready },
	{ SMI_BASE, handle_api },
	{ SMI_BASE "/*", handle_api },
	{ NULL, NULL },
};

/* Certificates or the authority have changed, or are known for the first time. */
static void on_changed(void *context)
{
	struct smi_role *role = context;
	const char *address = role->config->listen;
	struct server_tls tls = { 0 };
	int err;

	tls.authority = role->auth ? smi_auth_authority(role->auth) : NULL;
	if (!tls.authority)
		return;
	tls.certificate = smi_certificate_chain(role->certificate);
	tls.key = smi_certificate_key(role->certificate);
	err = role->server ?
		      server_set_tls(role->server, &tls) :
		      server_new_tls(&role->loop, address, &tls, routes, role, &role->server);
	if (!err)
		log_info("serves", "address", address);
	else
		log_error("cannot serve", "address", address, "error",
			  err == -EINVAL ? "the certificates cannot be used" : strerror(-err));
}

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

static int fail(const char *step, const char *error)
{
	log_error("weftd cannot start", "step", step, "error", error);
	return -EINVAL;
}

static int open_api_server(struct smi_role *role)
{
	const char *path = role->config->kubeconfig;
	char error[KUBE_CONFIG_ERROR_LEN] = "";
	struct kube_config config;
	int err = path ? kube_config_read(path, &config, error) :
			 kube_config_in_cluster(&config, error);

	if (err)
		return fail("reach the API server", error);
	err = kube_http_new(&role->loop, &config, &role->http);
	return err ? fail("reach the API server", strerror(-err)) : 0;
}

/* From the agents, or from a Prometheus. */
static int open_gather(struct smi_role *role)
{
	const struct config *config = role->config;
	struct kube_config prometheus = { 0 };

	if (!config->prometheus) {
		role->gather = smi_gather_new(&role->loop, role->http, config->metrics_window,
					      config->metrics_interval);
		return 0;
	}
	prometheus.server = memory_strdup(config->prometheus);
	return smi_gather_new_prometheus(&role->loop, &prometheus, config->metrics_window,
					 config->metrics_interval, &role->gather);
}

static int start(struct smi_role *role)
{
	static const int numbers[SIGNALS] = { SIGTERM, SIGINT };
	const struct config *config = role->config;
	size_t i;
	int err;

	for (i = 0; i < SIGNALS; i++) {
		uv_signal_init(&role->loop, &role->signals[i]);
		uv_signal_start(&role->signals[i], on_signal, numbers[i]);
	}
	err = open_api_server(role);
	if (err)
		return err;
	role->source = (struct smi_certificate_source){
		.certificate_file = config->tls_certificate,
		.key_file = config->tls_key,
		.api_service = SMI_VERSION "." SMI_GROUP,
		.service = "weft-metrics",
	};
	err = smi_certificate_new(&role->loop, role->http, &role->source, on_changed, role,
				  &role->certificate);
	if (err)
		return fail("read the serving certificate", strerror(-err));
	err = open_gather(role);
	if (err)
		return fail("reach Prometheus", strerror(-err));
	role->auth = smi_auth_new(&role->loop, role->http, on_changed, role);
	role->api = smi_api_new(role->http, role->gather, role->auth);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop(struct smi_role *role)
{
	int round;

	smi_api_free(role->api);
	server_free(role->server);
	smi_gather_free(role->gather);
	smi_auth_free(role->auth);
	smi_certificate_free(role->certificate);
	kube_http_free(role->http);
	/* Signals are ours; all other handles are being closed by who has them. */
	uv_walk(&role->loop, close_handle, NULL);
	for (round = 0; round < CLOSE_ROUNDS && uv_loop_close(&role->loop); round++)
		uv_run(&role->loop, UV_RUN_NOWAIT);
}

int smi_role_run(const struct config *config)
{
	struct smi_role role = { .config = config };
	int err;

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&role.loop);
	err = start(&role);
	if (!err)
		uv_run(&role.loop, UV_RUN_DEFAULT);
	stop(&role);
	return err ? 1 : 0;
}
