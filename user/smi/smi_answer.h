/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of the TrafficMetrics API, out of a view and the objects that are meant. Pure. */
#ifndef WEFT_USER_SMI_ANSWER_H
#define WEFT_USER_SMI_ANSWER_H

#include "user/smi/smi_json.h"
#include "user/smi/smi_query.h"

/* Objects as the API server lists them: arrays, kept as they are. */
struct smi_objects {
	struct json_object *items; /* what is asked about */
	struct json_object *pods;  /* of services: the pods that they may select; else NULL */
};

/*
 * TrafficMetrics, or a list of them. New reference; NULL when a single object is asked for and
 * there is none.
 */
struct json_object *smi_answer(const struct smi_query *query, const char *selector,
			       const struct smi_objects *objects, const struct smi_view *view,
			       const struct smi_moment *moment);

#endif /* WEFT_USER_SMI_ANSWER_H */
