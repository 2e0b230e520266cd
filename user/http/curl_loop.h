/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's transfers on the event loop: its multi interface, one timer, a poll for each socket. */
#ifndef WEFT_USER_CURL_LOOP_H
#define WEFT_USER_CURL_LOOP_H

#include <curl/curl.h>

struct uv_loop_s;
struct curl_loop;
struct curl_transfer;

/* Told once, from the loop, when a transfer has ended; it is the callee's to remove. */
typedef void (*curl_transfer_done)(void *context, CURLcode code);

/* -ENOMEM */
int curl_loop_new(struct uv_loop_s *loop, struct curl_loop **curl);

/* After the last transfer was removed; the loop must run on to close what is open. NULL is fine. */
void curl_loop_free(struct curl_loop *curl);

/*
 * Begins what `easy` says, which must have all its options and stays the caller's; its
 * CURLOPT_PRIVATE is taken. Never fails: what is wrong, `done` tells, later.
 */
struct curl_transfer *curl_loop_add(struct curl_loop *curl, CURL *easy, curl_transfer_done done,
				    void *context);

/* Ends it without telling, if it has not ended; before curl_easy_cleanup(). NULL is fine. */
void curl_transfer_remove(struct curl_transfer *transfer);

#endif /* WEFT_USER_CURL_LOOP_H */
