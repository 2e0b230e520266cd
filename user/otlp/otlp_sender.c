// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/http/curl_loop.h"
#include "user/log.h"
#include "user/otlp/otlp_answer.h"
#include "user/otlp/otlp_headers.h"
#include "user/http/retry.h"

enum {
	CONNECT_MS = 5000,
	REQUEST_MS = 10000, /* as OTEL_EXPORTER_OTLP_TIMEOUT is by default */
	RETRY_FIRST_MS = 1000,
	RETRY_LAST_MS = 30000,
	RETRY_AFTER_MAX = 3600, /* seconds */
	CA_CACHE_S = 60,	/* authorities are replaced, too */
	ANSWER_MAX = 1 << 16,	/* bytes that are read of it */
	/* As long as the retries of an OpenTelemetry Collector's exporters. */
	EXPIRE_S = 300,
};

struct otlp_sender {
	struct curl_loop *curl;
	const struct otlp_signal *signal;
	const struct otlp_options *options;
	char *url;
	struct otlp_queue queue;

	/* The request that is under way, for the first of the queue. */
	CURL *easy;
	struct curl_transfer *transfer;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	char answer[ANSWER_MAX];
	size_t answer_size;

	uv_timer_t timer; /* active: waits before it tries again */
	unsigned int wait_ms;
	bool is_asked; /* it waits because the collector asked for it */
	char problem[OTLP_MESSAGE_LEN];
	enum otlp_verdict verdict; /* of the last request */
};

static void send_next(struct otlp_sender *sender);

static uint64_t now_ns(void)
{
	return uv_hrtime();
}

/*
 * Logged when it begins, when its consequence becomes another one, and when all is well again:
 * texts of libcurl have times in them.
 */
static void set_problem(struct otlp_sender *sender, enum otlp_verdict verdict, const char *text)
{
	bool is_known = sender->problem[0] && sender->verdict == verdict;

	if (*text && !is_known)
		log_warn("OTLP export", "signal", sender->signal->name, "endpoint", sender->url,
			 "error", text);
	if (!*text && sender->problem[0])
		log_info("OTLP export is well again", "signal", sender->signal->name, "endpoint",
			 sender->url);
	sender->verdict = verdict;
	snprintf(sender->problem, sizeof(sender->problem), "%s", text);
}

static void request_end(struct otlp_sender *sender)
{
	curl_transfer_remove(sender->transfer);
	curl_easy_cleanup(sender->easy);
	curl_slist_free_all(sender->headers);
	sender->transfer = NULL;
	sender->easy = NULL;
	sender->headers = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct otlp_sender *sender = timer->data;
	uint64_t age = EXPIRE_S * UINT64_C(1000000000), now = now_ns();

	otlp_queue_expire(&sender->queue, now > age ? now - age : 0);
	send_next(sender);
}

static void wait_before_retry(struct otlp_sender *sender, unsigned int asked)
{
	uint64_t ms = retry_in(&sender->wait_ms, RETRY_FIRST_MS, RETRY_LAST_MS, asked);

	sender->is_asked = asked;
	sender->queue.counts.retries++;
	uv_timer_start(&sender->timer, on_timer, ms, 0);
}

static void judge(struct otlp_sender *sender, CURLcode code, struct otlp_answer *answer)
{
	long status = 0;

	if (code == CURLE_OK) {
		curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &status);
		otlp_answer_read((unsigned int)status, sender->answer, sender->answer_size,
				 sender->signal->rejected_name, answer);
		return;
	}
	/* Nobody knows whether it was taken: at least once is what OTLP wants. */
	answer->verdict = OTLP_AGAIN;
	snprintf(answer->message, sizeof(answer->message), "%s",
		 sender->error[0] ? sender->error : curl_easy_strerror(code));
}

static void on_done(void *context, CURLcode code)
{
	struct otlp_sender *sender = context;
	struct otlp_answer answer = { 0 };
	curl_off_t asked = 0;

	judge(sender, code, &answer);
	curl_easy_getinfo(sender->easy, CURLINFO_RETRY_AFTER, &asked);
	request_end(sender);
	set_problem(sender, answer.verdict, answer.message);
	switch (answer.verdict) {
	case OTLP_AGAIN:
		wait_before_retry(
			sender, (unsigned int)(asked < RETRY_AFTER_MAX ? asked : RETRY_AFTER_MAX));
		return;
	case OTLP_TAKEN:
		otlp_queue_sent(&sender->queue, answer.rejected);
		break;
	case OTLP_REFUSED:
		otlp_queue_drop(&sender->queue, OTLP_DROP_REFUSED);
		break;
	case OTLP_UNREADABLE:
		otlp_queue_drop(&sender->queue, OTLP_DROP_UNREADABLE);
		break;
	}
	sender->wait_ms = 0;
	send_next(sender);
}

/* What is too long for us is read all the same, so that the connection can be used again. */
static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
	struct otlp_sender *sender = context;
	size_t length = size * count, room = sizeof(sender->answer) - sender->answer_size;

	if (room > length)
		room = length;
	memcpy(sender->answer + sender->answer_size, bytes, room);
	sender->answer_size += room;
	return length;
}

static void add_header(struct otlp_sender *sender, const char *header)
{
	sender->headers = curl_slist_append(sender->headers, header);
}

/* Read for each request: tokens are replaced before they expire. */
static int set_headers(struct otlp_sender *sender)
{
	char why[OTLP_HEADERS_ERROR_LEN];
	char *text;
	int err = 0;

	add_header(sender, "Content-Type: application/json");
	add_header(sender, "Accept: application/json");
	add_header(sender, "Expect:");
	if (sender->options->gzip)
		add_header(sender, "Content-Encoding: gzip");
	if (sender->options->headers_file)
		err = otlp_headers_read(sender->options->headers_file, &sender->headers, why);
	if (err) {
		text = memory_printf("%.100s: %.120s", sender->options->headers_file, why);
		set_problem(sender, OTLP_AGAIN, text);
		free(text);
	}
	return err;
}

static void set_options(struct otlp_sender *sender)
{
	const struct otlp_body *body = sender->queue.first;
	CURL *easy = sender->easy;

	sender->error[0] = '\0';
	sender->answer_size = 0;
	curl_easy_setopt(easy, CURLOPT_URL, sender->url);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, sender->error);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sender->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, sender);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "weftd/" WEFT_VERSION);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A name that nobody resolves would hold up the whole agent when the request ends. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_MS);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	if (sender->options->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, sender->options->ca_file);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
}

/* Begins the next request, if there is something to send and nothing to wait for. */
static void send_next(struct otlp_sender *sender)
{
	if (sender->easy || !sender->queue.first || uv_is_active((uv_handle_t *)&sender->timer))
		return;
	sender->easy = curl_easy_init();
	if (!sender->easy || set_headers(sender)) {
		request_end(sender);
		wait_before_retry(sender, 0);
		return;
	}
	set_options(sender);
	sender->transfer = curl_loop_add(sender->curl, sender->easy, on_done, sender);
}

struct otlp_sender *otlp_sender_new(struct uv_loop_s *loop, struct curl_loop *curl,
				    const struct otlp_signal *signal,
				    const struct otlp_options *options)
{
	struct otlp_sender *sender = memory_alloc(sizeof(*sender));
	size_t length = strlen(options->endpoint);

	while (length && options->endpoint[length - 1] == '/')
		length--;
	sender->curl = curl;
	sender->signal = signal;
	sender->options = options;
	sender->url = memory_printf("%.*s%s", (int)length, options->endpoint, signal->path);
	sender->queue.max_items = signal->max_items;
	sender->queue.max_bytes = signal->max_bytes;
	uv_timer_init(loop, &sender->timer);
	sender->timer.data = sender;
	return sender;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void otlp_sender_free(struct otlp_sender *sender)
{
	if (!sender)
		return;
	request_end(sender);
	if (sender->queue.first)
		log_warn("OTLP export ends with items that were not sent", "signal",
			 sender->signal->name, "items",
			 log_format_value("%u", sender->queue.items));
	otlp_queue_clear(&sender->queue);
	free(sender->url);
	uv_close((uv_handle_t *)&sender->timer, on_closed);
}

void otlp_sender_push(struct otlp_sender *sender, struct otlp_body *body)
{
	otlp_queue_push(&sender->queue, body);
	send_next(sender);
}

void otlp_sender_lost(struct otlp_sender *sender, uint64_t items)
{
	sender->queue.counts.dropped[OTLP_DROP_QUEUE_FULL] += items;
}

bool otlp_sender_is_full(const struct otlp_sender *sender)
{
	return otlp_queue_is_full(&sender->queue);
}

void otlp_sender_supersede(struct otlp_sender *sender)
{
	otlp_queue_drop_all(&sender->queue, sender->easy, OTLP_DROP_SUPERSEDED);
}

void otlp_sender_hurry(struct otlp_sender *sender)
{
	if (!uv_is_active((uv_handle_t *)&sender->timer) || sender->is_asked)
		return;
	uv_timer_stop(&sender->timer);
	send_next(sender);
}

bool otlp_sender_is_busy(const struct otlp_sender *sender)
{
	return sender->easy;
}

const struct otlp_queue *otlp_sender_queue(const struct otlp_sender *sender)
{
	return &sender->queue;
}

const char *otlp_sender_name(const struct otlp_sender *sender)
{
	return sender->signal->name;
}

const char *otlp_sender_problem(const struct otlp_sender *sender)
{
	return sender->problem;
}
