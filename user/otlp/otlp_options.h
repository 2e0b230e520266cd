/* SPDX-License-Identifier: Apache-2.0 */
/* How to reach an OTLP collector. */
#ifndef WEFT_USER_OTLP_OPTIONS_H
#define WEFT_USER_OTLP_OPTIONS_H

#include <stdbool.h>

struct otlp_options {
	const char *endpoint; /* http or https; /v1/metrics and /v1/logs are added. NULL = off */
	const char *headers_file; /* of lines "NAME: VALUE"; NULL = none */
	const char *ca_file;	  /* PEM; NULL = the system's */
	unsigned int interval_s;  /* from one export of metrics to the next */
	bool gzip;
};

#endif /* WEFT_USER_OTLP_OPTIONS_H */
