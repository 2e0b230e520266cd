/* SPDX-License-Identifier: Apache-2.0 */
/* Options of weftd: flags, then WEFT_* environment variables, then defaults. */
#ifndef WEFT_USER_CONFIG_H
#define WEFT_USER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/weft_abi.h"
#include "loader/maps.h"
#include "policy/workload.h"
#include "user/log.h"
#include "user/telemetry/metric_options.h"
#include "user/otlp/otlp_options.h"

enum { CONFIG_ERROR_LEN = 512 };

enum config_role { CONFIG_ROLE_AGENT, CONFIG_ROLE_METRICS };

/* Strings point into argv, the environment or this struct. */
struct config {
	enum config_role role;
	const char *source;	/* "dir" or "kube" */
	const char *manifests;	/* folder, NULL unless source is dir */
	const char *kubeconfig; /* file; NULL = what a pod is given */
	bool kube_feedback;	/* Events, the Node's annotation */
	bool ui;		/* the page at /ui */
	const char *node;
	const char *bpffs;  /* absolute */
	const char *cgroup; /* absolute; NULL = find the cgroup2 mount */
	const char *listen; /* ADDR:PORT or [ADDR]:PORT */
	const char *trust_domain;
	const char *tls_certificate, *tls_key; /* files, NULL = make one */
	const char *prometheus;		       /* http://HOST:PORT[/PATH], NULL = ask agents */
	unsigned int metrics_window;	       /* seconds */
	unsigned int metrics_interval;	       /* seconds */
	enum log_level log_level;
	enum log_format log_format;
	bool few_pod_edges;	  /* all pods are counted by themselves while there are few */
	enum pod_edges pod_edges; /* if not, or when there are more */
	uint32_t max_head;	  /* bytes of an HTTP request's head */
	uint32_t request_sample;  /* of 2^32 requests that are answered: those logged */
	uint32_t request_path;	  /* bytes of a path in the log */
	struct metric_options metrics;
	bool telemetry;
	struct otlp_options otlp;
	uint32_t max_entries[MAP_ID_COUNT]; /* 0 = default */
	char host_name[WEFT_NAME_LEN];	    /* what `node` defaults to */
	char listen_text[WEFT_LISTEN_LEN];  /* what `listen` points to */
};

/*
 * Fills `config` from the arguments and the environment. -EINVAL with one line in `error`
 * for a bad or missing value. --help, --version and unknown flags end the process as argp
 * does it: 0, or 2 with a message.
 */
int config_parse(struct config *config, int argc, char **argv, char error[CONFIG_ERROR_LEN]);

/* The flag that sets a map's size, "--max-policies"; NULL when there is none. */
const char *config_map_flag(enum map_id id);

#endif /* WEFT_USER_CONFIG_H */
