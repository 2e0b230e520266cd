// SPDX-License-Identifier: Apache-2.0
#include "user/http/curl_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>
#include "policy/memory.h"

struct curl_loop {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
};

struct curl_transfer {
	struct curl_loop *curl;
	CURL *easy;
	curl_transfer_done done;
	void *context;
};

struct watched_socket {
	uv_poll_t poll;
	curl_socket_t fd;
	struct curl_loop *curl;
};

static void take_finished(struct curl_loop *curl)
{
	struct curl_transfer *transfer;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(curl->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		transfer->done(transfer->context, message->data.result);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct curl_loop *curl = timer->data;
	int running;

	curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(curl);
}

static int on_timeout(CURLM *multi, long ms, void *context)
{
	struct curl_loop *curl = context;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&curl->timer);
	else
		uv_timer_start(&curl->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watched_socket *socket = poll->data;
	struct curl_loop *curl = socket->curl;
	int flags = 0, running;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(curl->multi, socket->fd, flags, &running);
	take_finished(curl);
}

static void on_socket_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct watched_socket *socket = known;
	struct curl_loop *curl = context;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (!socket)
			return 0;
		uv_poll_stop(&socket->poll);
		uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
		curl_multi_assign(curl->multi, fd, NULL);
		return 0;
	}
	if (!socket) {
		socket = memory_alloc(sizeof(*socket));
		if (uv_poll_init_socket(curl->loop, &socket->poll, fd)) {
			free(socket);
			return -1;
		}
		socket->fd = fd;
		socket->curl = curl;
		socket->poll.data = socket;
		curl_multi_assign(curl->multi, fd, socket);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&socket->poll, events, on_poll) ? -1 : 0;
}

int curl_loop_new(struct uv_loop_s *loop, struct curl_loop **result)
{
	struct curl_loop *curl;
	CURLM *multi;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	if (!multi)
		return -ENOMEM;
	curl = memory_alloc(sizeof(*curl));
	curl->multi = multi;
	curl->loop = loop;
	uv_timer_init(loop, &curl->timer);
	curl->timer.data = curl;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl);
	*result = curl;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void curl_loop_free(struct curl_loop *curl)
{
	if (!curl)
		return;
	curl_multi_cleanup(curl->multi);
	uv_close((uv_handle_t *)&curl->timer, on_closed);
}

struct curl_transfer *curl_loop_add(struct curl_loop *curl, CURL *easy, curl_transfer_done done,
				    void *context)
{
	struct curl_transfer *transfer = memory_alloc(sizeof(*transfer));

	transfer->curl = curl;
	transfer->easy = easy;
	transfer->done = done;
	transfer->context = context;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_multi_add_handle(curl->multi, easy);
	return transfer;
}

void curl_transfer_remove(struct curl_transfer *transfer)
{
	if (!transfer)
		return;
	curl_multi_remove_handle(transfer->curl->multi, transfer->easy);
	free(transfer);
}
