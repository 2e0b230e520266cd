/* SPDX-License-Identifier: Apache-2.0 */
/* How much is exported: which labels, how many series, how fine the latency histograms are. */
#ifndef WEFT_USER_METRIC_OPTIONS_H
#define WEFT_USER_METRIC_OPTIONS_H

#include <stdint.h>

/* Labels that may be left out. Series that differ in nothing else are added up. */
enum metric_labels_group {
	METRIC_LABELS_WORKLOAD = 1 << 0,	/* source_ and destination_workload */
	METRIC_LABELS_SERVICE_ACCOUNT = 1 << 1, /* source_ and destination_service_account */
	METRIC_LABELS_PORT = 1 << 2,		/* destination_port */
	METRIC_LABELS_SERVICE = 1 << 3,		/* service, backend */
	METRIC_LABELS_RULE = 1 << 4,		/* traffic_target, route_group, match */
	METRIC_LABELS_METHOD = 1 << 5,		/* method */
	METRIC_LABELS_KIND = 1 << 6,		/* source_ and destination_kind, of the workload */
	METRIC_LABELS_POD = 1 << 7,		/* source_ and destination_pod, see --pod-edges */
	METRIC_LABELS_ALL = (1 << 8) - 1,
};

struct metric_options {
	unsigned int labels;	 /* METRIC_LABELS_* */
	uint32_t max_series;	 /* of a family, before the rest is folded */
	uint32_t max_histograms; /* likewise */
	/* Between these the histograms' bounds are at most 4 % apart; both 0: nowhere. */
	uint64_t fine_from_ns, fine_to_ns;
};

/* "all", "none", or names of groups with commas between them. -EINVAL for anything else. */
int metric_options_set_labels(struct metric_options *options, const char *text);
/* 1 to 1000000. -EINVAL for anything else. */
int metric_options_set_most(uint32_t *most, const char *text);
/* "coarse", "fine", or a range such as "500us-2s". -EINVAL for anything else. */
int metric_options_set_buckets(struct metric_options *options, const char *text);

#endif /* WEFT_USER_METRIC_OPTIONS_H */
