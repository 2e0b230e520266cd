/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TrafficMetrics as JSON
 * (https://github.com/servicemeshinterface/smi-spec, apis/traffic-metrics/v1alpha1). All return new
 * references.
 */
#ifndef WEFT_USER_SMI_JSON_H
#define WEFT_USER_SMI_JSON_H

#include "user/smi/smi_view.h"

#define SMI_GROUP   "metrics.smi-spec.io"
#define SMI_VERSION "v1alpha1"

struct json_object;

enum { SMI_QUANTITY_LEN = 32 };

/* Seconds as a quantity in canonical form: "10m", "1500u", "2". Rounded to microseconds. */
const char *smi_quantity(uint64_t ns, char text[SMI_QUANTITY_LEN]);

/* What is said of the window in every answer. */
struct smi_moment {
	double time;   /* Unix seconds at its end */
	double window; /* seconds */
};

/* An APIResourceList. */
struct json_object *smi_json_resources(void);

/* {"kind": ..., "namespace": ..., "name": ...} without what is NULL or "". */
struct json_object *smi_json_reference(const char *kind, const char *name_space, const char *name);

/*
 * TrafficMetrics of a resource (`subject`, taken over). `edge` NULL: all that it received; its sum
 * is not used. `sum` NULL: nothing.
 */
struct json_object *smi_json_metrics(struct json_object *subject, const struct smi_edge *edge,
				     const struct smi_sum *sum, const struct smi_moment *moment);

/* A TrafficMetricsList, without items yet: member "items" is an empty list. Takes `subject`. */
struct json_object *smi_json_list(struct json_object *subject, const char *selector);

/* A Status: what went wrong, for people and for clients of Kubernetes. `reason`: "NotFound". */
struct json_object *smi_json_status(unsigned int code, const char *reason, const char *message);

#endif /* WEFT_USER_SMI_JSON_H */
