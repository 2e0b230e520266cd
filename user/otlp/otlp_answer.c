// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "user/json_text.h"

enum { DEPTH = 16 };

/* NULL when it is not one JSON value. New reference. */
static struct json_object *parse(const char *body, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *json = json_tokener_parse_ex(tokener, body, (int)size);

	json_tokener_free(tokener);
	return json;
}

static bool is_retryable(unsigned int status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/* 64-bit integers are numbers or texts. Nobody can reject less than nothing. */
static uint64_t count_of(struct json_object *object, const char *name)
{
	struct json_object *member;
	int64_t count;

	if (!json_object_object_get_ex(object, name, &member))
		return 0;
	count = json_object_get_int64(member);
	return count > 0 ? (uint64_t)count : 0;
}

static void read_success(struct json_object *json, const char *rejected_name,
			 struct otlp_answer *answer)
{
	struct json_object *partial;

	answer->verdict = OTLP_TAKEN;
	if (!json_object_object_get_ex(json, "partialSuccess", &partial) ||
	    !json_object_is_type(partial, json_type_object))
		return;
	answer->rejected = count_of(partial, rejected_name);
	snprintf(answer->message, sizeof(answer->message), "%s",
		 json_text_of(partial, "errorMessage"));
	if (answer->rejected && !answer->message[0])
		snprintf(answer->message, sizeof(answer->message), "rejected without a reason");
}

void otlp_answer_read(unsigned int status, const char *body, size_t size, const char *rejected_name,
		      struct otlp_answer *answer)
{
	struct json_object *json = parse(body, size);
	const char *message = json_text_of(json, "message");

	memset(answer, 0, sizeof(*answer));
	if (status / 100 == 2) {
		if (!size || json_object_is_type(json, json_type_object)) {
			read_success(json, rejected_name, answer);
		} else {
			answer->verdict = OTLP_UNREADABLE;
			snprintf(answer->message, sizeof(answer->message),
				 "status %u with a body that is no answer of OTLP", status);
		}
	} else {
		answer->verdict = is_retryable(status) ? OTLP_AGAIN : OTLP_REFUSED;
		snprintf(answer->message, sizeof(answer->message), "status %u%s%.200s", status,
			 *message ? ": " : "", message);
	}
	json_object_put(json);
}
