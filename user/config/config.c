// SPDX-License-Identifier: Apache-2.0
#include "user/config/config.h"

#include <argp.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/config/config_http.h"
#include "user/config/config_metrics.h"
#include "user/config/config_number.h"
#include "user/config/config_otlp.h"
#include "user/config/config_smi.h"

enum { MAX_ENTRIES_LIMIT = 1 << 24 };

const char *argp_program_version = "weftd " WEFT_VERSION;

/* One line of this table per option; the key that argp knows it by is OPTION_KEY + index. */
struct config_option {
	const char *flag; /* the environment variable is WEFT_ and this in upper case */
	const char *argument;
	const char *fallback; /* NULL: none */
	const char *doc;
	int (*set)(struct config *config, const struct config_option *option, const char *value,
		   const char **wanted);
	enum map_id maps[2]; /* sized by the option, MAP_ID_COUNT = none */
};

static int set_role(struct config *config, const struct config_option *option, const char *value,
		    const char **wanted)
{
	(void)option;
	*wanted = "'agent' or 'metrics'";
	config->role = strcmp(value, "metrics") ? CONFIG_ROLE_AGENT : CONFIG_ROLE_METRICS;
	return strcmp(value, "agent") && strcmp(value, "metrics") ? -EINVAL : 0;
}

static int set_source(struct config *config, const struct config_option *option, const char *value,
		      const char **wanted)
{
	(void)option;
	*wanted = "'dir' or 'kube'";
	config->source = value;
	return strcmp(value, "dir") && strcmp(value, "kube") ? -EINVAL : 0;
}

static int set_manifests(struct config *config, const struct config_option *option,
			 const char *value, const char **wanted)
{
	(void)option;
	*wanted = "the path of a folder";
	config->manifests = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int set_kubeconfig(struct config *config, const struct config_option *option,
			  const char *value, const char **wanted)
{
	(void)option;
	*wanted = "the path of a file";
	config->kubeconfig = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int parse_switch(const char *value, const char **wanted, bool *on)
{
	*wanted = "'on' or 'off'";
	*on = !strcmp(value, "on");
	return *on || !strcmp(value, "off") ? 0 : -EINVAL;
}

static int set_kube_feedback(struct config *config, const struct config_option *option,
			     const char *value, const char **wanted)
{
	(void)option;
	return parse_switch(value, wanted, &config->kube_feedback);
}

static int set_telemetry(struct config *config, const struct config_option *option,
			 const char *value, const char **wanted)
{
	(void)option;
	return parse_switch(value, wanted, &config->telemetry);
}

static int set_ui(struct config *config, const struct config_option *option, const char *value,
		  const char **wanted)
{
	(void)option;
	*wanted = "'on' or 'off'";
	config->ui = !strcmp(value, "on");
	return strcmp(value, "on") && strcmp(value, "off") ? -EINVAL : 0;
}

static bool is_name(const char *text, size_t size, const char *others)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(others, text[i]))
			return false;
	return len && len < size;
}

static int set_node(struct config *config, const struct config_option *option, const char *value,
		    const char **wanted)
{
	(void)option;
	*wanted = "the name of a Node object";
	config->node = value;
	return is_name(value, WEFT_NAME_LEN, "-.") ? 0 : -EINVAL;
}

static int check_absolute(const char *value, const char **wanted)
{
	*wanted = "an absolute path";
	return value[0] == '/' && strlen(value) < PATH_MAX ? 0 : -EINVAL;
}

static int set_bpffs(struct config *config, const struct config_option *option, const char *value,
		     const char **wanted)
{
	(void)option;
	config->bpffs = value;
	return check_absolute(value, wanted);
}

static int set_cgroup(struct config *config, const struct config_option *option, const char *value,
		      const char **wanted)
{
	(void)option;
	config->cgroup = value;
	return check_absolute(value, wanted);
}

int config_parse_number(const char *text, unsigned long max, unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return errno || *end || !*number || *number > max ? -EINVAL : 0;
}

static int set_listen(struct config *config, const struct config_option *option, const char *value,
		      const char **wanted)
{
	const char *colon = strrchr(value, ':');
	unsigned char address[sizeof(struct in6_addr)];
	char host[WEFT_LISTEN_LEN] = "";
	bool is_bracketed, is_v6;
	unsigned long port;
	size_t len;
	int size;

	(void)option;
	*wanted = "ADDR:PORT or [ADDR]:PORT";
	if (!colon || strlen(value) >= WEFT_LISTEN_LEN ||
	    config_parse_number(colon + 1, 65535, &port))
		return -EINVAL;
	len = (size_t)(colon - value);
	is_bracketed = len > 2 && value[0] == '[' && value[len - 1] == ']';
	memcpy(host, value + is_bracketed, len - 2 * is_bracketed);
	/* IPv4 may stand in them, too: who fills in a node's address need not know which it is. */
	is_v6 = is_bracketed && inet_pton(AF_INET6, host, address) == 1;
	if (!is_v6 && inet_pton(AF_INET, host, address) != 1)
		return -EINVAL;
	size = snprintf(config->listen_text, sizeof(config->listen_text),
			is_v6 ? "[%s]:%lu" : "%s:%lu", host, port);
	config->listen = config->listen_text;
	return size < (int)sizeof(config->listen_text) ? 0 : -EINVAL;
}

static int set_trust_domain(struct config *config, const struct config_option *option,
			    const char *value, const char **wanted)
{
	(void)option;
	*wanted = "a SPIFFE trust domain such as cluster.local";
	config->trust_domain = value;
	return is_name(value, WEFT_NAME_LEN, "-._") ? 0 : -EINVAL;
}

static int set_log_level(struct config *config, const struct config_option *option,
			 const char *value, const char **wanted)
{
	(void)option;
	*wanted = "debug, info, warn or error";
	return log_level_parse(value, &config->log_level);
}

static int set_log_format(struct config *config, const struct config_option *option,
			  const char *value, const char **wanted)
{
	(void)option;
	*wanted = "text or json";
	config->log_format = strcmp(value, "json") ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
	return strcmp(value, "json") && strcmp(value, "text") ? -EINVAL : 0;
}

static int set_pod_edges(struct config *config, const struct config_option *option,
			 const char *value, const char **wanted)
{
	(void)option;
	*wanted = "auto, all, local or none";
	config->few_pod_edges = !strcmp(value, "auto");
	return pod_edges_parse(config->few_pod_edges ? "local" : value, &config->pod_edges);
}

static int set_max_entries(struct config *config, const struct config_option *option,
			   const char *value, const char **wanted)
{
	unsigned long number;
	size_t i;

	*wanted = "a number from 1 to 16777216";
	if (config_parse_number(value, MAX_ENTRIES_LIMIT, &number))
		return -EINVAL;
	for (i = 0; i < 2; i++)
		if (option->maps[i] != MAP_ID_COUNT)
			config->max_entries[option->maps[i]] = (uint32_t)number;
	return 0;
}

#define OPTION(name, arg, standard, text, setter)                                                \
	{                                                                                        \
		.flag = name, .argument = arg, .fallback = standard, .doc = text, .set = setter, \
		.maps = {                                                                        \
			MAP_ID_COUNT,                                                            \
			MAP_ID_COUNT                                                             \
		}                                                                                \
	}
#define SIZE_OPTION(name, text, first, second)                                                \
	{                                                                                     \
		.flag = name, .argument = "N", .doc = text, .set = set_max_entries, .maps = { \
			first,                                                                \
			second                                                                \
		}                                                                             \
	}

static const struct config_option options[] = {
	OPTION("role", "agent|metrics", "agent",
	       "agent: of one node; metrics: serves the SMI TrafficMetrics API of a cluster",
	       set_role),
	OPTION("source", "dir|kube", "dir",
	       "Where objects come from: dir, a folder of manifests; kube, the Kubernetes API server",
	       set_source),
	OPTION("manifests", "DIR", NULL, "Folder of *.yaml, *.yml and *.json manifests",
	       set_manifests),
	OPTION("kubeconfig", "FILE", NULL,
	       "How to reach the API server (default: as every pod may)", set_kubeconfig),
	OPTION("kube-feedback", "on|off", "on",
	       "With --source kube: findings become Events, the agent's state an annotation of its Node",
	       set_kube_feedback),
	OPTION("node", "NAME", NULL, "Name of this node's Node object (default: the host name)",
	       set_node),
	OPTION("bpffs", "ROOT", "/sys/fs/bpf/weft",
	       "Directory on a bpffs where maps, programs and links are pinned", set_bpffs),
	OPTION("cgroup", "PATH", NULL,
	       "cgroup2 directory that holds the node's pods (default: the cgroup2 mount)",
	       set_cgroup),
	OPTION("listen", "ADDR:PORT", "127.0.0.1:9464",
	       "Where /metrics, /healthz, /readyz and /v1 are served", set_listen),
	OPTION("ui", "on|off", "on",
	       "The page at /ui, which shows what /metrics, /v1/topology and /v1/findings do",
	       set_ui),
	OPTION("trust-domain", "NAME", "cluster.local",
	       "Trust domain of the SPIFFE identities in IdentityBindings", set_trust_domain),
	OPTION("max-head", "BYTES", "16384",
	       "Longest head of an HTTP request that rules may allow, 1024 to 65536",
	       config_set_max_head),
	OPTION("pod-edges", "PODS", "auto",
	       "Pods that traffic is counted by, others by their workload: all, local (of this "
	       "node), none; auto: all while the cluster has at most 200",
	       set_pod_edges),
	OPTION("request-log-sample", "PERCENT", "0",
	       "Share of the HTTP requests that become events; denied ones always do",
	       config_set_request_sample),
	OPTION("request-log-path", "BYTES", "96",
	       "Bytes of a request's path in an event, 0 to 96; never its query",
	       config_set_request_path),
	OPTION("prometheus", "URL", NULL,
	       "With --role metrics: a Prometheus that scrapes the agents, to be asked instead of them",
	       config_set_prometheus),
	OPTION("metrics-window", "SECONDS", "30",
	       "With --role metrics: what TrafficMetrics look back on", config_set_metrics_window),
	OPTION("metrics-interval", "SECONDS", "5",
	       "With --role metrics: how often the agents are asked", config_set_metrics_interval),
	OPTION("tls-certificate-file", "FILE", NULL,
	       "With --role metrics: serving certificate, PEM (default: one is made, and the "
	       "APIService told to trust it)",
	       config_set_tls_certificate),
	OPTION("tls-key-file", "FILE", NULL, "With --role metrics: its private key, PEM",
	       config_set_tls_key),
	OPTION("telemetry", "on|off", "on",
	       "Off: of traffic nothing is counted but verdicts, and no events are sent",
	       set_telemetry),
	OPTION("metrics-labels", "LIST", "workload,service_account,port,service,rule,method",
	       "Labels of metrics besides namespaces: all (kind and pod, too), none, or some",
	       config_set_metrics_labels),
	OPTION("metrics-max-series", "N", "10000",
	       "Edges that a metric tells apart; the rest is added up as overflow",
	       config_set_metrics_max_series),
	OPTION("metrics-max-histograms", "N", "1000",
	       "Latency histograms; the rest is added up as overflow",
	       config_set_metrics_max_histograms),
	OPTION("latency-buckets", "coarse|fine|FROM-TO", "coarse",
	       "Bounds of latency histograms: coarse, 18; fine, at most 4 % apart from 1ms to 1s, or "
	       "where FROM-TO says",
	       config_set_latency_buckets),
	OPTION("otlp-endpoint", "URL", NULL,
	       "OpenTelemetry collector that gets metrics and events (default: none)",
	       config_set_otlp_endpoint),
	OPTION("otlp-headers-file", "FILE", NULL,
	       "Lines 'NAME: VALUE' to send to the collector, such as a token",
	       config_set_otlp_headers_file),
	OPTION("otlp-ca-file", "FILE", NULL,
	       "Authorities that may vouch for the collector (default: the system's)",
	       config_set_otlp_ca_file),
	OPTION("otlp-interval", "SECONDS", "60", "From one export of metrics to the next",
	       config_set_otlp_interval),
	OPTION("otlp-compression", "gzip|none", "gzip", "Of what the collector gets",
	       config_set_otlp_compression),
	OPTION("log-level", "LEVEL", "info", "debug, info, warn or error", set_log_level),
	OPTION("log-format", "FORMAT", "text", "text or json", set_log_format),
	SIZE_OPTION("max-addresses", "Addresses of pods, nodes and services (default 65536)",
		    MAP_IDENT, MAP_ID_COUNT),
	SIZE_OPTION("max-local-pods", "Pods of this node (default 4096)", MAP_IFACE, MAP_NETNS),
	SIZE_OPTION("max-destinations", "Identities that rules name as destination (default 16384)",
		    MAP_DEST, MAP_ID_COUNT),
	SIZE_OPTION("max-policies", "Pairs of identities and port that rules name (default 262144)",
		    MAP_POLICY, MAP_ID_COUNT),
	SIZE_OPTION("max-services", "Ports of cluster IPs (default 32768)", MAP_SERVICE,
		    MAP_ID_COUNT),
	SIZE_OPTION("max-endpoints", "Endpoints of all service ports (default 131072)", MAP_ALIAS,
		    MAP_ENDPOINT),
	SIZE_OPTION("max-edges", "Edges that traffic is counted by (default 16384)", MAP_EDGE,
		    MAP_ID_COUNT),
	SIZE_OPTION("max-verdicts",
		    "Edges and reasons that verdicts are counted by (default 16384)", MAP_VERDICT,
		    MAP_ID_COUNT),
	SIZE_OPTION("max-names",
		    "Names of identities, workloads, services and rules (default 32768)", MAP_NAME,
		    MAP_ID_COUNT),
	SIZE_OPTION("max-udp-flows", "UDP exchanges that are remembered (default 131072)",
		    MAP_UDP_FLOW, MAP_ID_COUNT),
	SIZE_OPTION("max-http-flows", "Connections that HTTP rules judge (default 32768)",
		    MAP_HTTP_FLOW, MAP_ID_COUNT),
	SIZE_OPTION("max-requests",
		    "Edges, rules and methods that requests are counted by (default 16384)",
		    MAP_REQUEST, MAP_ID_COUNT),
	SIZE_OPTION("max-latencies", "Buckets of the latency histograms (default 65536)",
		    MAP_LATENCY, MAP_ID_COUNT),
};

enum {
	OPTION_COUNT = sizeof(options) / sizeof(*options),
	OPTION_KEY = 0x100, /* beyond characters: no short flags */
	ENVIRONMENT_LEN = 64,
};

static const char *environment_name(const struct config_option *option, char name[ENVIRONMENT_LEN])
{
	char *c;

	snprintf(name, ENVIRONMENT_LEN, "WEFT_%s", option->flag);
	for (c = name; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

struct arguments {
	const char *values[OPTION_COUNT];
	const char *stray;
};

static error_t take_argument(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	if (key >= OPTION_KEY && key < OPTION_KEY + OPTION_COUNT) {
		arguments->values[key - OPTION_KEY] = value;
		return 0;
	}
	if (key == ARGP_KEY_ARG) {
		if (!arguments->stray)
			arguments->stray = value;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* argp adds no environment variables to its help; they are named behind each text. */
static error_t parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	static char docs[OPTION_COUNT][256];
	struct argp_option table[OPTION_COUNT + 1] = {};
	char name[ENVIRONMENT_LEN];
	struct argp argp = {
		.options = table,
		.parser = take_argument,
		.doc = "The agent of weft on one node: compiles Kubernetes and SMI objects into "
		       "BPF maps and enforces them in the kernel."
		       "\vEvery option can also be given by the environment variable in brackets; "
		       "the flag wins. SIGTERM ends the agent and leaves everything in force "
		       "('weft detach' removes it), SIGHUP reads the manifests again. "
		       "Manual page: weftd(8).",
	};
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		snprintf(docs[i], sizeof(docs[i]), "%s%s%s%s [%s]", options[i].doc,
			 options[i].fallback ? " (default " : "",
			 options[i].fallback ? options[i].fallback : "",
			 options[i].fallback ? ")" : "", environment_name(&options[i], name));
		table[i].name = options[i].flag;
		table[i].key = OPTION_KEY + (int)i;
		table[i].arg = options[i].argument;
		table[i].doc = docs[i];
		table[i].group = options[i].set == set_max_entries ? 2 : 1;
	}
	argp_err_exit_status = 2;
	return argp_parse(&argp, argc, argv, 0, NULL, arguments);
}

static int set_option(struct config *config, const struct config_option *option,
		      const char *flag_value, char error[CONFIG_ERROR_LEN])
{
	char name[ENVIRONMENT_LEN];
	const char *value = flag_value, *wanted = "";

	if (!value) {
		value = getenv(environment_name(option, name));
		if (value && !*value)
			value = NULL;
	}
	if (!value && option->fallback)
		return option->set(config, option, option->fallback, &wanted);
	if (!value || !option->set(config, option, value, &wanted))
		return 0;
	snprintf(error, CONFIG_ERROR_LEN, "%s%s: '%.200s' is not %s", flag_value ? "--" : "",
		 flag_value ? option->flag : name, value, wanted);
	return -EINVAL;
}

/* Node objects are named in lower case, host names are not always. */
static int default_node(struct config *config, char error[CONFIG_ERROR_LEN])
{
	char *c;

	if (gethostname(config->host_name, sizeof(config->host_name) - 1) ||
	    !is_name(config->host_name, WEFT_NAME_LEN, "-.")) {
		snprintf(error, CONFIG_ERROR_LEN,
			 "--node is missing, and the host name is not usable as a node's name");
		return -EINVAL;
	}
	for (c = config->host_name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	config->node = config->host_name;
	return 0;
}

int config_parse(struct config *config, int argc, char **argv, char error[CONFIG_ERROR_LEN])
{
	struct arguments arguments = {};
	size_t i;
	int err;

	memset(config, 0, sizeof(*config));
	err = parse_arguments(argc, argv, &arguments);
	if (err) {
		snprintf(error, CONFIG_ERROR_LEN, "arguments: %s", strerror(err));
		return -err;
	}
	if (arguments.stray) {
		snprintf(error, CONFIG_ERROR_LEN, "unexpected argument '%.200s' (see weftd --help)",
			 arguments.stray);
		return -EINVAL;
	}
	for (i = 0; i < OPTION_COUNT; i++) {
		err = set_option(config, &options[i], arguments.values[i], error);
		if (err)
			return err;
	}
	if (!config->tls_certificate != !config->tls_key) {
		snprintf(error, CONFIG_ERROR_LEN,
			 "--tls-certificate-file and --tls-key-file go together");
		return -EINVAL;
	}
	if (config->role == CONFIG_ROLE_AGENT && !strcmp(config->source, "dir") &&
	    !config->manifests) {
		snprintf(error, CONFIG_ERROR_LEN,
			 "--manifests DIR (or WEFT_MANIFESTS) is missing: the folder to read");
		return -EINVAL;
	}
	return config->node ? 0 : default_node(config, error);
}

const char *config_map_flag(enum map_id id)
{
	static char flag[64];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (options[i].maps[0] != id && options[i].maps[1] != id)
			continue;
		snprintf(flag, sizeof(flag), "--%s", options[i].flag);
		return flag;
	}
	return NULL;
}
