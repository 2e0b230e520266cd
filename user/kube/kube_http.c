// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/http/curl_loop.h"
#include "user/json_text.h"

enum {
	CONNECT_MS = 5000,
	KEEPALIVE_S = 15,     /* without a byte before the peer is asked whether it is there */
	STATUS_SIZE = 4096,   /* of the Status that comes with an error */
	TOKEN_SIZE = 1 << 16, /* of a token file */
	RETRY_AFTER_MAX = 60,
};

struct kube_http {
	uv_loop_t *loop;
	struct curl_loop *curl;
	struct kube_config config;
	struct kube_request *requests;
};

struct kube_request {
	struct kube_http *http;
	struct kube_request *next, **link; /* in http->requests */
	CURL *easy;
	struct curl_transfer *transfer;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	uv_timer_t idle;
	unsigned int idle_ms;
	bool is_idle; /* it was given up because nothing came */
	const struct kube_request_ops *ops;
	void *context;
	char error[CURL_ERROR_SIZE];
	char status_text[STATUS_SIZE];
	size_t status_size;
};

static void on_request_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void request_free(struct kube_request *request)
{
	curl_transfer_remove(request->transfer);
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect_to);
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	uv_close((uv_handle_t *)&request->idle, on_request_closed);
}

static bool is_success(long status)
{
	return status == 200 || status == 201;
}

/* The reason of the first of details.causes; "" when there is none. */
static const char *cause_of(struct json_object *status)
{
	struct json_object *details = NULL, *causes = NULL;

	if (json_object_is_type(status, json_type_object))
		json_object_object_get_ex(status, "details", &details);
	if (json_object_is_type(details, json_type_object))
		json_object_object_get_ex(details, "causes", &causes);
	if (!json_object_is_type(causes, json_type_array))
		return "";
	return json_text_of(json_object_array_get_idx(causes, 0), "reason");
}

/* What the API server says in words (metav1.Status), or what HTTP says. */
static void describe_status(const struct kube_request *request, struct kube_outcome *outcome)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json;
	const char *message;

	json = json_tokener_parse_ex(tokener, request->status_text, (int)request->status_size);
	message = json_text_of(json, "message");
	if (*message)
		snprintf(outcome->error, sizeof(outcome->error), "%u: %.200s", outcome->status,
			 message);
	else
		snprintf(outcome->error, sizeof(outcome->error),
			 "the server answers with status %u", outcome->status);
	snprintf(outcome->cause, sizeof(outcome->cause), "%s", cause_of(json));
	json_object_put(json);
	json_tokener_free(tokener);
}

static void request_done(void *context, CURLcode code)
{
	struct kube_request *request = context;
	struct kube_outcome outcome = { 0 };
	curl_off_t retry_after = 0;
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
	outcome.retry_after =
		(unsigned int)(retry_after < RETRY_AFTER_MAX ? retry_after : RETRY_AFTER_MAX);
	if (code == CURLE_OK)
		outcome.status = (unsigned int)status;
	if (request->is_idle)
		snprintf(outcome.error, sizeof(outcome.error), "nothing came for %u s",
			 request->idle_ms / 1000);
	else if (code != CURLE_OK)
		snprintf(outcome.error, sizeof(outcome.error), "%s",
			 request->error[0] ? request->error : curl_easy_strerror(code));
	else if (!is_success(status))
		describe_status(request, &outcome);
	request->ops->done(request->context, &outcome);
	request_free(request);
}

int kube_http_new(struct uv_loop_s *loop, struct kube_config *config, struct kube_http **result)
{
	struct curl_loop *curl;
	struct kube_http *http;
	int err;

	err = curl_loop_new(loop, &curl);
	if (err)
		return err;
	http = memory_alloc(sizeof(*http));
	http->curl = curl;
	http->loop = loop;
	http->config = *config;
	*config = (struct kube_config){ 0 };
	*result = http;
	return 0;
}

void kube_http_free(struct kube_http *http)
{
	if (!http)
		return;
	while (http->requests)
		request_free(http->requests);
	curl_loop_free(http->curl);
	kube_config_clear(&http->config);
	free(http);
}

const char *kube_http_server(const struct kube_http *http)
{
	return http->config.server;
}

const char *kube_http_name_space(const struct kube_http *http)
{
	return http->config.name_space;
}

static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
	struct kube_request *request = context;
	size_t length = size * count, room = sizeof(request->status_text) - request->status_size;
	long status = 0;

	uv_timer_again(&request->idle);
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (is_success(status))
		return request->ops->data(request->context, bytes, length) ? 0 : length;
	if (room > length)
		room = length;
	memcpy(request->status_text + request->status_size, bytes, room);
	request->status_size += room;
	return length;
}

/* The line that ends a head. */
static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
	struct kube_request *request = context;
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (is_success(status) && (*bytes == '\r' || *bytes == '\n') && request->ops->begun)
		request->ops->begun(request->context);
	return size * count;
}

static void on_idle(uv_timer_t *timer)
{
	struct kube_request *request = timer->data;

	request->is_idle = true;
	request_done(request, CURLE_OPERATION_TIMEDOUT);
}

static void set_pem(CURL *easy, const struct kube_pem *pem, CURLoption file, CURLoption memory)
{
	struct curl_blob blob = { .data = pem->bytes, .len = pem->size };

	if (pem->bytes)
		curl_easy_setopt(easy, memory, &blob);
	else if (pem->path)
		curl_easy_setopt(easy, file, pem->path);
}

/* The kubelet replaces the token of a pod before it expires. */
static void add_token(struct kube_request *request)
{
	const struct kube_config *config = &request->http->config;
	char *token = NULL, *header, *end;
	FILE *file;

	if (config->token_path) {
		token = memory_alloc(TOKEN_SIZE);
		file = fopen(config->token_path, "re");
		if (file) {
			token[fread(token, 1, TOKEN_SIZE - 1, file)] = '\0';
			fclose(file);
		}
		for (end = token + strlen(token); end > token && strchr(" \t\r\n", end[-1]); end--)
			;
		*end = '\0';
	} else if (config->token) {
		token = memory_strdup(config->token);
	}
	if (token && *token) {
		header = memory_printf("Authorization: Bearer %s", token);
		request->headers = curl_slist_append(request->headers, header);
		free(header);
	}
	free(token);
}

/* A server that shall show another name is asked for by that name, and connected to by its own. */
static void set_target(struct kube_request *request, const char *path)
{
	const struct kube_config *config = &request->http->config;
	const char *authority = config->server + strlen("https://");
	int length = (int)strcspn(authority, "/");
	const char *port = strrchr(authority, ':');
	char *url, *connect;
	bool has_port;

	if (!config->server_name) {
		url = memory_printf("%s%s", config->server, path);
	} else {
		has_port = port && port < authority + length && !strchr(port, ']');
		connect = memory_printf("::%.*s%s", length, authority, has_port ? "" : ":443");
		request->connect_to = curl_slist_append(NULL, connect);
		curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to);
		free(connect);
		url = memory_printf("https://%s%s%s", config->server_name, authority + length,
				    path);
	}
	curl_easy_setopt(request->easy, CURLOPT_URL, url);
	free(url);
}

static void add_header(struct kube_request *request, const char *name, const char *media_type)
{
	char *header = memory_printf("%s: %s", name, media_type ? media_type : "application/json");

	request->headers = curl_slist_append(request->headers, header);
	free(header);
}

static void set_call(struct kube_request *request, const struct kube_call *call)
{
	add_header(request, "Accept", call->accept);
	if (call->body) {
		add_header(request, "Content-Type", call->content_type);
		curl_easy_setopt(request->easy, CURLOPT_COPYPOSTFIELDS, call->body);
	}
	if (call->method)
		curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, call->method);
	add_token(request);
	set_target(request, call->path);
}

static void set_options(struct kube_request *request)
{
	const struct kube_config *config = &request->http->config;
	CURL *easy = request->easy;

	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "weftd/" WEFT_VERSION);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
			 strncmp(config->server, "http://", 7) ? "https" : "http");
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	set_pem(easy, &config->authority, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
	set_pem(easy, &config->certificate, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB);
	set_pem(easy, &config->key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
}

struct kube_request *kube_http_send(struct kube_http *http, const struct kube_call *call,
				    const struct kube_request_ops *ops, void *context)
{
	struct kube_request *request = memory_alloc(sizeof(*request));

	request->http = http;
	request->ops = ops;
	request->context = context;
	request->idle_ms = call->idle_ms;
	request->next = http->requests;
	request->link = &http->requests;
	if (request->next)
		request->next->link = &request->next;
	http->requests = request;
	uv_timer_init(http->loop, &request->idle);
	request->idle.data = request;
	uv_timer_start(&request->idle, on_idle, call->idle_ms, call->idle_ms);
	request->easy = curl_easy_init();
	set_call(request, call);
	set_options(request);
	request->transfer = curl_loop_add(http->curl, request->easy, request_done, request);
	return request;
}

void kube_request_cancel(struct kube_request *request)
{
	if (request)
		request_free(request);
}
