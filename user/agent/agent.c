// SPDX-License-Identifier: Apache-2.0
#include "user/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "loader/probe.h"
#include "user/agent/agent_state.h"
#include "user/kube/kube_config.h"
#include "user/log.h"
#include "user/source/source_kube.h"

enum { CLOSE_ROUNDS = 100, EVENTS_TICK_MS = 200, KEEP_BYTES = 32 << 20 };

uint64_t agent_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int fail(const char *what, int err)
{
	log_error("weftd cannot start", "step", what, "error", strerror(-err));
	return err;
}

static void on_loader_log(int level, const char *text)
{
	static const enum log_level levels[] = {
		[LOADER_LOG_ERROR] = LOG_LEVEL_ERROR,
		[LOADER_LOG_WARNING] = LOG_LEVEL_WARN,
		[LOADER_LOG_INFO] = LOG_LEVEL_INFO,
		[LOADER_LOG_DEBUG] = LOG_LEVEL_DEBUG,
	};

	log_write(levels[level], text, (char *)0);
}

static enum store_change sink_put(void *context, struct object *object)
{
	struct agent *agent = context;
	bool can_wait = pace_can_wait(agent, object);
	enum store_change change = store_put(agent->store, object);

	agent->is_urgent |= change != STORE_UNCHANGED && !can_wait;
	if (change != STORE_UNCHANGED)
		news_note(agent);
	return change;
}

static void sink_remove(void *context, enum object_kind kind, const char *key)
{
	struct agent *agent = context;
	const struct object *object = store_find_key(agent->store, kind, key);

	agent->is_urgent |= object && !pace_can_wait(agent, object);
	if (store_remove(agent->store, kind, key) != STORE_UNCHANGED)
		news_note(agent);
}

static void sink_commit(void *context, bool synced)
{
	struct agent *agent = context;

	agent->synced |= synced;
	agent->want_compile = true;
	if (!agent->synced)
		agent_collect_findings(agent);
}

static void on_prepare(uv_prepare_t *prepare)
{
	agent_work(prepare->data);
}

static void on_hostnet(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;
	bool links = false, addresses = false;
	int err = hostnet_drain(agent->hostnet, &links, &addresses);

	(void)status;
	(void)events;
	if (err)
		log_warn("host network events", "error", strerror(-err));
	agent->want_locate |= links;
	agent->want_compile |= addresses;
	agent->is_urgent |= addresses;
}

static void on_pods(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;

	(void)status;
	(void)events;
	pods_watch_drain(agent->pods);
	agent->want_locate = true;
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;

	(void)status;
	(void)events;
	maps_events_drain(agent->events);
}

static void on_events_tick(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	maps_events_drain(agent->events);
	telemetry_tick(agent->telemetry);
	live_tick(agent);
}

static void on_event(const struct weft_event *event, void *context)
{
	struct agent *agent = context;

	telemetry_take_event(agent->telemetry, event);
	if (event->hook == WEFT_HOOK_ACCEPT)
		agent_sweep_soon(agent);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct agent *agent = handle->data;

	if (number == SIGHUP) {
		log_info("reading the manifests again");
		agent->source->ops->rescan(agent->source);
		agent->want_compile = agent->is_urgent = true;
		return;
	}
	log_info("ending; what is enforced stays enforced", "signal", strsignal(number));
	uv_stop(&agent->loop);
}

static int open_loop(struct agent *agent)
{
	static const int numbers[AGENT_SIGNALS] = {
		[AGENT_SIGTERM] = SIGTERM, [AGENT_SIGINT] = SIGINT, [AGENT_SIGHUP] = SIGHUP
	};
	size_t i;
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = uv_loop_init(&agent->loop);
	if (err)
		return err;
	agent->loop.data = agent; /* it is open */
	uv_prepare_init(&agent->loop, &agent->work);
	uv_timer_init(&agent->loop, &agent->retry);
	uv_timer_init(&agent->loop, &agent->settle);
	uv_timer_init(&agent->loop, &agent->tidy);
	uv_timer_init(&agent->loop, &agent->expiry);
	uv_timer_init(&agent->loop, &agent->pace);
	uv_timer_init(&agent->loop, &agent->patience);
	uv_timer_init(&agent->loop, &agent->events_tick);
	agent->work.data = agent->retry.data = agent;
	agent->settle.data = agent->tidy.data = agent->expiry.data = agent;
	agent->patience.data = agent->events_tick.data = agent;
	for (i = 0; i < AGENT_SIGNALS; i++) {
		uv_signal_init(&agent->loop, &agent->signals[i]);
		agent->signals[i].data = agent;
	}
	for (i = 0; i < AGENT_SIGNALS && !err; i++)
		err = uv_signal_start(&agent->signals[i], on_signal, numbers[i]);
	return err;
}

static int watch_fd(struct agent *agent, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	int err = uv_poll_init(&agent->loop, poll, fd);

	if (err)
		return err;
	poll->data = agent;
	return uv_poll_start(poll, UV_READABLE, callback);
}

static bool is_kube(const struct agent *agent)
{
	return !strcmp(agent->config->source, "kube");
}

/*
 * A folder that is not there is a misspelt path more often than one that comes later; once it
 * runs, the agent waits for it to come back.
 */
static int check_manifests(const struct agent *agent)
{
	const char *path = agent->config->manifests;
	int fd, err;

	if (is_kube(agent))
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = -errno;
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	log_error("weftd cannot start", "step", "open the manifests", "path", path, "error",
		  strerror(-err), "remedy", "make this folder, or name another with --manifests");
	return err;
}

static int find_cgroup(struct agent *agent)
{
	int err;

	if (agent->config->cgroup) {
		strncpy(agent->cgroup, agent->config->cgroup, sizeof(agent->cgroup) - 1);
		return 0;
	}
	err = probe_cgroup2_mount(agent->cgroup, sizeof(agent->cgroup));
	if (err)
		log_error("no cgroup2 mount found", "remedy",
			  "mount -t cgroup2 none /sys/fs/cgroup, or give --cgroup");
	return err;
}

static void log_timing(const struct loader_timing *timing)
{
	log_debug("programs are in force", "check_us",
		  log_format_value("%llu", (unsigned long long)timing->check_ns / 1000), "adopt_us",
		  log_format_value("%llu", (unsigned long long)timing->adopt_ns / 1000), "load_us",
		  log_format_value("%llu", (unsigned long long)timing->load_ns / 1000), "pin_us",
		  log_format_value("%llu", (unsigned long long)timing->pin_ns / 1000), "attach_us",
		  log_format_value("%llu", (unsigned long long)timing->attach_ns / 1000));
}

static int open_loader(struct agent *agent)
{
	struct loader_options options = {
		.root = agent->config->bpffs,
		.cgroup = agent->cgroup,
		.node = agent->config->node,
		.listen = agent->config->listen,
		.request_sample = agent->config->request_sample,
		.request_path = agent->config->request_path,
		.no_telemetry = !agent->config->telemetry,
	};
	char error[LOADER_ERROR_LEN] = "";
	int err;

	memcpy(options.max_entries, agent->config->max_entries, sizeof(options.max_entries));
	loader_set_log(on_loader_log);
	err = loader_open(&options, &agent->loader, error);
	if (err)
		log_error("weftd cannot start", "step", "load", "error",
			  error[0] ? error : strerror(-err));
	else
		log_timing(loader_timing(agent->loader));
	return err;
}

/* Everything that reads or writes maps. */
static int open_maps(struct agent *agent)
{
	struct maps *maps = loader_maps(agent->loader);
	int err;

	agent->names = names_new();
	agent->http_cache = http_cache_new();
	agent->store = store_new();
	err = reconcile_new(maps, agent->names, &agent->reconcile);
	if (err)
		return fail("read maps", err);
	agent_plan_expiry(agent);
	attachments_load(agent);
	agent->telemetry = telemetry_new(maps, agent->names, agent->store, &agent->config->metrics);
	agent->past = past_new(maps, agent->names);
	err = maps_events_open(maps, on_event, agent, &agent->events);
	if (!err)
		err = watch_fd(agent, &agent->events_poll, maps_events_fd(agent->events),
			       on_events);
	if (!err)
		err = uv_timer_start(&agent->events_tick, on_events_tick, EVENTS_TICK_MS,
				     EVENTS_TICK_MS);
	return err ? fail("open the ring buffer", err) : 0;
}

static int open_node(struct agent *agent)
{
	int err, fd;

	err = hostnet_new(&agent->hostnet);
	if (!err)
		err = watch_fd(agent, &agent->hostnet_poll, hostnet_fd(agent->hostnet), on_hostnet);
	if (err)
		return fail("watch the host's network", err);
	err = pods_new(agent->cgroup, &agent->pods);
	if (err)
		return fail("watch pods' cgroups", err);
	fd = pods_watch_fd(agent->pods);
	err = fd < 0 ? 0 : watch_fd(agent, &agent->pods_poll, fd, on_pods);
	return err ? fail("watch pods' cgroups", err) : 0;
}

static int open_kube(struct agent *agent, const struct source_sink *sink)
{
	const char *path = agent->config->kubeconfig;
	char error[KUBE_CONFIG_ERROR_LEN] = "";
	struct kube_config config;
	int err;

	err = path ? kube_config_read(path, &config, error) :
		     kube_config_in_cluster(&config, error);
	if (err) {
		log_error("weftd cannot start", "step", "reach the API server", "error", error);
		return err;
	}
	err = source_kube_new(&agent->loop, &config,
			      agent->config->kube_feedback ? agent->config->node : NULL, sink,
			      &agent->source);
	return err ? fail("reach the API server", err) : 0;
}

static int open_source(struct agent *agent)
{
	struct source_sink sink = { sink_put, sink_remove, sink_commit, agent_report, agent };
	int err;

	if (is_kube(agent))
		return open_kube(agent, &sink);
	err = source_dir_new(&agent->loop, agent->config->manifests, &sink, &agent->source);
	return err ? fail("watch the manifests", err) : 0;
}

static bool has_agent(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return locked;
}

/* Before anything is attached: an agent that cannot serve must not leave programs behind. */
static int open_server(struct agent *agent)
{
	const struct config *config = agent->config;
	int err;

	err = server_new(&agent->loop, config->listen, agent_routes, agent, &agent->server);
	if (err)
		log_error("weftd cannot start", "step", "listen", "address", config->listen,
			  "error", strerror(-err), "remedy",
			  err == -EADDRINUSE && has_agent(config->bpffs) ?
				  "another agent runs on this --bpffs: stop it first" :
				  "choose another --listen");
	return err;
}

static int start(struct agent *agent)
{
	int err;

	err = check_manifests(agent);
	/* A misspelt path is to be told at once, not by a collector that refuses. */
	if (!err && agent->config->otlp.endpoint)
		err = otlp_check_files(&agent->config->otlp);
	if (err)
		return err;
	err = open_loop(agent);
	if (err)
		return fail("event loop", err);
	err = find_cgroup(agent);
	if (!err)
		err = open_server(agent);
	if (!err)
		err = open_loader(agent);
	if (!err)
		err = open_maps(agent);
	if (!err)
		err = open_node(agent);
	if (!err)
		err = agent_open_otlp(agent);
	if (!err)
		err = open_source(agent);
	if (err)
		return err;
	/* Whatever was revoked while no agent was there is cut after the first apply. */
	agent->want_sweep = true;
	uv_prepare_start(&agent->work, on_prepare);
	err = agent->source->ops->start(agent->source);
	return err ? fail("start the source", err) : 0;
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Sources and servers close their own handles; the rest are in struct agent. */
static void close_loop(struct agent *agent)
{
	int round;

	if (!agent->loop.data)
		return;
	uv_walk(&agent->loop, close_handle, NULL);
	while (agent->is_tidying)
		uv_run(&agent->loop, UV_RUN_ONCE);
	for (round = 0; round < CLOSE_ROUNDS && uv_loop_close(&agent->loop); round++)
		uv_run(&agent->loop, UV_RUN_NOWAIT);
}

static void stop(struct agent *agent)
{
	struct reconcile_result result;

	if (agent->reconcile && reconcile_is_untidy(agent->reconcile))
		reconcile_tidy(agent->reconcile, &result);
	if (agent->source)
		agent->source->ops->free(agent->source);
	otlp_free(agent->otlp);
	server_free(agent->server);
	close_loop(agent);
	maps_events_close(agent->events);
	readings_clear(&agent->live.readings);
	telemetry_free(agent->telemetry);
	past_free(agent->past);
	pods_free(agent->pods);
	hostnet_free(agent->hostnet);
	reconcile_free(agent->reconcile);
	names_free(agent->names);
	http_cache_free(agent->http_cache);
	desired_clear(&agent->desired);
	agent_free_findings(agent);
	store_free(agent->store);
	free(agent->attachments);
	loader_close(agent->loader);
}

/* A pod costs a descriptor, and the default soft limit is 1024. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/*
 * Compiling frees about as much as it allocates. Given back to the kernel in between, the pages
 * have to be cleared again for every change.
 */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
}

int agent_run(const struct config *config, uint64_t begin_ns)
{
	struct agent agent = { .config = config, .begin_ns = begin_ns };
	struct timespec now;
	int err;

	clock_gettime(CLOCK_REALTIME, &now);
	agent.started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	raise_limits();
	keep_memory();
	log_info("starting", "version", WEFT_VERSION, "node", config->node, "bpffs", config->bpffs,
		 "source", config->source, "listen", config->listen);
	err = start(&agent);
	if (!err) {
		uv_run(&agent.loop, UV_RUN_DEFAULT);
		agent_leave(&agent);
	}
	stop(&agent);
	return err ? 1 : 0;
}
