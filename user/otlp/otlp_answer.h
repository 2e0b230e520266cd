/* SPDX-License-Identifier: Apache-2.0 */
/* What a collector's answer means for the request (OTLP 1.x, "OTLP/HTTP Response"). */
#ifndef WEFT_USER_OTLP_ANSWER_H
#define WEFT_USER_OTLP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

enum { OTLP_MESSAGE_LEN = 256 };

enum otlp_verdict {
	OTLP_TAKEN,	 /* but for what is rejected */
	OTLP_AGAIN,	 /* to be sent again, later */
	OTLP_REFUSED,	 /* not to be sent again */
	OTLP_UNREADABLE, /* a success, but not an answer of OTLP */
};

struct otlp_answer {
	enum otlp_verdict verdict;
	uint64_t rejected;		/* items of a request that was taken */
	char message[OTLP_MESSAGE_LEN]; /* what is wrong, for people; "" = nothing */
};

/*
 * `status` of HTTP, and the answer's body; `rejected_name`: "rejectedLogRecords" or
 * "rejectedDataPoints". A body of zero bytes is as good as an empty object.
 */
void otlp_answer_read(unsigned int status, const char *body, size_t size, const char *rejected_name,
		      struct otlp_answer *answer);

#endif /* WEFT_USER_OTLP_ANSWER_H */
