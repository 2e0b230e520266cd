/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where metrics go, whatever the format: family by family, each with all of its samples. Nothing
 * that is handed over is kept by the sink beyond the call.
 */
#ifndef WEFT_USER_METRIC_SINK_H
#define WEFT_USER_METRIC_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO, /* a gauge that is always 1 and says something with its labels */
};

struct metric_family {
	const char *name; /* with the unit at its end; without the suffixes _total and _info */
	enum metric_type type;
	const char *unit; /* "seconds", "bytes"; NULL: what is counted is the unit */
	const char *help; /* a sentence */
	/* enum map_id whose entries are counted: since it was made; 0: the agent, since it started
	 */
	unsigned int map;
};

struct metric_label {
	const char *name;
	const char *value; /* any bytes; "" is as good as absent */
};

/* Names differ; samples of a family have the same ones, and never the same values. */
struct metric_labels {
	const struct metric_label *items;
	size_t count;
};

/* number / 10^decimals, exactly, or a floating-point number. */
struct metric_value {
	bool is_real;
	unsigned int decimals; /* at most 9 */
	uint64_t number;
	double real;
};

/* Bucket i counts what is above bounds[i - 1] and not above bounds[i]; the last one the rest. */
struct metric_histogram {
	const uint64_t *bounds; /* ascending */
	size_t bound_count;
	const uint64_t *counts; /* bound_count + 1; not cumulative */
	uint64_t sum;		/* of everything that was counted */
	unsigned int decimals;	/* of the bounds and of the sum, as in struct metric_value */
	bool is_dense;		/* from one bound to the next it is 3.2 % at most, all the way */
};

struct metric_sink {
	/* What follows belongs to this family; it may have no samples. */
	void (*family)(void *context, const struct metric_family *family);
	/* Of a counter, a gauge or an info. */
	void (*sample)(void *context, const struct metric_labels *labels,
		       const struct metric_value *value);
	void (*histogram)(void *context, const struct metric_labels *labels,
			  const struct metric_histogram *histogram);
	void *context;
};

/* `labels` may be NULL: none. */
void metric_put_number(const struct metric_sink *sink, const struct metric_labels *labels,
		       uint64_t number);
/* number / 10^decimals. */
void metric_put_fixed(const struct metric_sink *sink, const struct metric_labels *labels,
		      uint64_t number, unsigned int decimals);
void metric_put_real(const struct metric_sink *sink, const struct metric_labels *labels,
		     double real);

/* The value as nearly as floating point has it. */
double metric_value_real(const struct metric_value *value);
uint64_t metric_histogram_count(const struct metric_histogram *histogram);

#endif /* WEFT_USER_METRIC_SINK_H */
