// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/config/config.h"

enum { ARGS_MAX = 8 };

static struct config config;
static char error[CONFIG_ERROR_LEN];

/* Up to ARGS_MAX arguments, then NULL. */
static int parse(const char *first, ...)
{
	char *argv[ARGS_MAX + 2] = { (char *)"weftd" };
	const char *argument = first;
	int argc = 1;
	va_list list;

	va_start(list, first);
	for (; argument; argument = va_arg(list, const char *))
		argv[argc++] = (char *)argument;
	va_end(list);
	error[0] = '\0';
	return config_parse(&config, argc, argv, error);
}

static int forget_environment(void **state)
{
	static const char *const names[] = { "WEFT_SOURCE",	  "WEFT_MANIFESTS",
					     "WEFT_NODE",	  "WEFT_BPFFS",
					     "WEFT_LISTEN",	  "WEFT_LOG_LEVEL",
					     "WEFT_MAX_POLICIES", "WEFT_CGROUP" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
	return 0;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", NULL), 0);
	assert_string_equal(config.source, "dir");
	assert_string_equal(config.manifests, "/m");
	assert_string_equal(config.bpffs, "/sys/fs/bpf/weft");
	assert_string_equal(config.listen, "127.0.0.1:9464");
	assert_string_equal(config.trust_domain, "cluster.local");
	assert_null(config.cgroup);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config.log_format, LOG_FORMAT_TEXT);
	assert_int_equal(config.max_entries[MAP_POLICY], 0);
	assert_int_equal(config.max_head, 16384);
	assert_int_equal(config.request_sample, 0);
	assert_int_equal(config.request_path, 96);
	assert_int_equal(config.metrics.labels,
			 METRIC_LABELS_ALL & ~(METRIC_LABELS_KIND | METRIC_LABELS_POD));
	assert_int_equal(config.metrics.max_series, 10000);
	assert_int_equal(config.metrics.max_histograms, 1000);
	assert_int_equal(config.metrics.fine_to_ns, 0);
	assert_true(strlen(config.node) > 0);
}

static void test_flag_wins_over_environment(void **state)
{
	(void)state;
	setenv("WEFT_MANIFESTS", "/from-environment", 1);
	setenv("WEFT_NODE", "node-e", 1);
	setenv("WEFT_MAX_POLICIES", "1000", 1);
	setenv("WEFT_LOG_LEVEL", "", 1);
	assert_int_equal(parse("--node=node-f", NULL), 0);
	assert_string_equal(config.manifests, "/from-environment");
	assert_string_equal(config.node, "node-f");
	assert_int_equal(config.max_entries[MAP_POLICY], 1000);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", "--max-endpoints", "77", "--max-local-pods",
			       "16777216", NULL),
			 0);
	assert_int_equal(config.max_entries[MAP_ALIAS], 77);
	assert_int_equal(config.max_entries[MAP_ENDPOINT], 77);
	assert_int_equal(config.max_entries[MAP_IFACE], 16777216);
	assert_int_equal(config.max_entries[MAP_NETNS], 16777216);
	assert_string_equal(config_map_flag(MAP_ENDPOINT), "--max-endpoints");
	assert_string_equal(config_map_flag(MAP_POLICY), "--max-policies");
	assert_null(config_map_flag(MAP_STAT));
}

static uint32_t sample_of(const char *percent)
{
	assert_int_equal(parse("--manifests", "/m", "--request-log-sample", percent, NULL), 0);
	return config.request_sample;
}

static void test_pod_edges(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", NULL), 0);
	assert_true(config.few_pod_edges);
	assert_int_equal(config.pod_edges, POD_EDGES_LOCAL);
	assert_int_equal(parse("--manifests", "/m", "--pod-edges", "all", NULL), 0);
	assert_false(config.few_pod_edges);
	assert_int_equal(config.pod_edges, POD_EDGES_ALL);
}

static void test_ui(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", NULL), 0);
	assert_true(config.ui);
	assert_int_equal(parse("--manifests", "/m", "--ui", "off", NULL), 0);
	assert_false(config.ui);
}

static void test_http(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", "--max-head", "65536", "--request-log-path",
			       "0", NULL),
			 0);
	assert_int_equal(config.max_head, 65536);
	assert_int_equal(config.request_path, 0);
	assert_int_equal(sample_of("0"), 0);
	assert_int_equal(sample_of("0.00000000001"), 1);
	assert_int_equal(sample_of("50"), 0x80000000);
	assert_int_equal(sample_of("12.5"), 0x20000000);
	assert_int_equal(sample_of("99.99999999999"), UINT32_MAX);
	assert_int_equal(sample_of("100"), UINT32_MAX);
}

/* One line that names the option and what it wants. */
static void expect_error(const char *flag, const char *value, const char *wanted)
{
	assert_int_equal(parse("--manifests", "/m", flag, value, NULL), -EINVAL);
	assert_non_null(strstr(error, flag));
	assert_non_null(strstr(error, wanted));
	assert_null(strchr(error, '\n'));
}

static void test_otlp(void **state)
{
	(void)state;
	assert_int_equal(parse("--manifests", "/m", NULL), 0);
	assert_null(config.otlp.endpoint);
	assert_null(config.otlp.headers_file);
	assert_null(config.otlp.ca_file);
	assert_int_equal(config.otlp.interval_s, 60);
	assert_true(config.otlp.gzip);
	assert_int_equal(parse("--manifests", "/m", "--otlp-endpoint", "https://a.b:4318/x/",
			       "--otlp-interval", "15", "--otlp-compression=none", NULL),
			 0);
	assert_string_equal(config.otlp.endpoint, "https://a.b:4318/x/");
	assert_int_equal(config.otlp.interval_s, 15);
	assert_false(config.otlp.gzip);
	assert_int_equal(parse("--manifests", "/m", "--otlp-endpoint=http://[fd00::1]:1",
			       "--otlp-headers-file=/h", "--otlp-ca-file=/c", NULL),
			 0);
	assert_string_equal(config.otlp.headers_file, "/h");
	assert_string_equal(config.otlp.ca_file, "/c");
	expect_error("--otlp-endpoint", "collector:4318", "a URL");
	expect_error("--otlp-endpoint", "grpc://collector:4317", "a URL");
	expect_error("--otlp-endpoint", "http://", "a URL");
	expect_error("--otlp-endpoint", "http://user@collector", "without user");
	expect_error("--otlp-endpoint", "http://collector/?token=x", "query");
	expect_error("--otlp-endpoint", "http://collector/#x", "fragment");
	expect_error("--otlp-interval", "0", "1 to 86400");
	expect_error("--otlp-interval", "86401", "1 to 86400");
	expect_error("--otlp-interval", "1s", "1 to 86400");
	expect_error("--otlp-compression", "zstd", "'gzip' or 'none'");
}

static void test_bad_values(void **state)
{
	char long_text[5000];

	(void)state;
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[0] = '/';
	long_text[sizeof(long_text) - 1] = '\0';
	expect_error("--source", "etcd", "'dir' or 'kube'");
	expect_error("--kubeconfig", long_text, "path");
	expect_error("--node", "", "name");
	expect_error("--node", "a b", "name");
	expect_error("--bpffs", "relative/path", "absolute");
	expect_error("--cgroup", "", "absolute");
	expect_error("--ui", "maybe", "'on' or 'off'");
	expect_error("--pod-edges", "every", "auto, all, local or none");
	expect_error("--max-head", "1023", "1024 to 65536");
	expect_error("--max-head", "65537", "1024 to 65536");
	expect_error("--max-head", "16k", "1024 to 65536");
	expect_error("--request-log-sample", "100.1", "0 to 100");
	expect_error("--request-log-sample", "-1", "0 to 100");
	expect_error("--request-log-sample", "1e1", "0 to 100");
	expect_error("--request-log-sample", "nan", "0 to 100");
	expect_error("--request-log-sample", "0x10", "0 to 100");
	expect_error("--request-log-sample", "1.2.3", "0 to 100");
	expect_error("--request-log-path", "97", "0 to 96");
	expect_error("--request-log-path", "", "0 to 96");
	expect_error("--metrics-labels", "pods", "workload,service_account");
	expect_error("--metrics-max-series", "0", "1 to 1000000");
	expect_error("--metrics-max-series", "-5", "1 to 1000000");
	expect_error("--metrics-max-series", "10k", "1 to 1000000");
	expect_error("--metrics-max-series", "99999999999999999999", "1 to 1000000");
	expect_error("--metrics-max-histograms", "1000001", "1 to 1000000");
	expect_error("--latency-buckets", "finer", "500us-2s");
	expect_error("--log-level", "loud", "debug, info, warn or error");
	expect_error("--log-format", "xml", "text or json");
	expect_error("--trust-domain", "a/b", "trust domain");
	expect_error("--max-policies", "0", "number");
	expect_error("--max-policies", "-1", "number");
	expect_error("--max-policies", "12x", "number");
	expect_error("--max-policies", "16777217", "number");
	expect_error("--max-policies", "99999999999999999999", "number");
	assert_int_equal(parse("--manifests", long_text, NULL), -EINVAL);
	assert_int_equal(parse("--manifests", "/m", "--bpffs", long_text, NULL), -EINVAL);
}

static void test_listen(void **state)
{
	static const char *const good[] = { "0.0.0.0:1", "127.0.0.1:65535", "[::1]:9464",
					    "[fd00::1]:80" };
	static const char *const bad[] = {
		"9464",	  ":9464", "127.0.0.1", "127.0.0.1:0",	"127.0.0.1:65536",
		"::1:80", "[::1]", "[]:80",	"localhost:80", "127.0.0.1:80x",
		""
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(parse("--manifests", "/m", "--listen", good[i], NULL), 0);
		assert_string_equal(config.listen, good[i]);
	}
	assert_int_equal(parse("--manifests", "/m", "--listen", "[10.0.0.1]:80", NULL), 0);
	assert_string_equal(config.listen, "10.0.0.1:80");
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect_error("--listen", bad[i], "ADDR:PORT");
}

static void test_bad_environment_is_named(void **state)
{
	(void)state;
	setenv("WEFT_LISTEN", "nowhere", 1);
	assert_int_equal(parse("--manifests", "/m", NULL), -EINVAL);
	assert_non_null(strstr(error, "WEFT_LISTEN: 'nowhere'"));
	/* A flag makes the variable irrelevant. */
	assert_int_equal(parse("--manifests", "/m", "--listen", "127.0.0.1:80", NULL), 0);
}

static void test_missing_and_stray(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL), -EINVAL);
	assert_non_null(strstr(error, "--manifests"));
	assert_int_equal(parse("--manifests", "/m", "more", NULL), -EINVAL);
	assert_non_null(strstr(error, "'more'"));
}

/* What argp ends the process for; returns its exit status and the first bytes of its output. */
static int run(const char *flag, char *output, size_t size)
{
	int pipes[2], status;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		parse(flag, NULL);
		_exit(99);
	}
	close(pipes[1]);
	memset(output, 0, size);
	for (size_t used = 0; used < size - 1; used += (size_t)got) {
		got = read(pipes[0], output + used, size - 1 - used);
		if (got <= 0)
			break;
	}
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_help_version_unknown(void **state)
{
	char output[16384];

	(void)state;
	assert_int_equal(run("--version", output, sizeof(output)), 0);
	assert_int_equal(strncmp(output, "weftd ", 6), 0);
	assert_int_equal(run("--help", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "--manifests"));
	assert_non_null(strstr(output, "WEFT_MAX_ENDPOINTS"));
	assert_int_equal(run("--no-such-flag", output, sizeof(output)), 2);
	assert_non_null(strstr(output, "--no-such-flag"));
	assert_int_equal(run("--node", output, sizeof(output)), 2);
}

/* The manual page and --help name the same options. */
static void test_man_page_agrees(void **state)
{
	const char *top = getenv("WEFT_TOP");
	char path[4096], help[16384], page[65536], flag[80], *at, *end;
	unsigned int options = 0;
	size_t size;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/man/weftd.8", top ? top : ".");
	file = fopen(path, "re");
	assert_non_null(file);
	size = fread(page, 1, sizeof(page) - 1, file);
	page[size] = '\0';
	fclose(file);
	assert_int_equal(run("--help", help, sizeof(help)), 0);
	for (at = strstr(help, " --"); at; at = strstr(end, " --")) {
		at += 3;
		end = at + strcspn(at, "= \n,[");
		if (end - at > 60 || !strncmp(at, "help)", 5))
			continue;
		/* as in `.BI \-\-log\-level " LEVEL"` */
		size = (size_t)snprintf(flag, sizeof(flag), "\\-\\-");
		for (const char *c = at; c < end; c++)
			size += (size_t)snprintf(flag + size, sizeof(flag) - size,
						 *c == '-' ? "\\%c" : "%c", *c);
		if (!strstr(page, flag))
			fail_msg("%s is not in the manual page", flag);
		options++;
	}
	assert_true(options > 15);
	for (end = page; (at = strstr(end, "\\-\\-"));) {
		char plain[80];

		for (size = 0, end = at;
		     size < sizeof(plain) - 1 && (islower((unsigned char)*end) || *end == '-' ||
						  (*end == '\\' && end[1] == '-')); /* not \fR */
		     end++)
			if (*end != '\\')
				plain[size++] = *end;
		plain[size] = '\0';
		if (!strstr(help, plain))
			fail_msg("%s is in the manual page only", plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, forget_environment),
		cmocka_unit_test_setup(test_flag_wins_over_environment, forget_environment),
		cmocka_unit_test_setup(test_sizes, forget_environment),
		cmocka_unit_test_setup(test_pod_edges, forget_environment),
		cmocka_unit_test_setup(test_ui, forget_environment),
		cmocka_unit_test_setup(test_http, forget_environment),
		cmocka_unit_test_setup(test_otlp, forget_environment),
		cmocka_unit_test_setup(test_bad_values, forget_environment),
		cmocka_unit_test_setup(test_listen, forget_environment),
		cmocka_unit_test_setup(test_bad_environment_is_named, forget_environment),
		cmocka_unit_test_setup(test_missing_and_stray, forget_environment),
		cmocka_unit_test_setup(test_help_version_unknown, forget_environment),
		cmocka_unit_test_setup(test_man_page_agrees, forget_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
