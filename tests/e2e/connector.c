// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's client for load: calls one address again and again, each time with a
 * new socket, reads the server's name, and prints what happened as one JSON
 * object. It ends after --count calls, after --seconds, or at SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_THREADS = 256,
	MAX_ROWS = 64,
	TEXT_LEN = 96,
	TIMEOUT_MS = 3000,
};

static const char usage[] =
	"usage: connector [options] ADDRESS PORT\n"
	"  --count N        calls in all (default: until --seconds or SIGTERM)\n"
	"  --seconds S\n"
	"  --concurrency N  calls at the same time (default 8)\n"
	"  --pause-us N     rest between two calls of one thread\n"
	"  --timeout-ms N   give up a call (default 3000)\n"
	"  --udp            send a datagram on a connected socket and wait for the answer\n"
	"  --unconnected    UDP without connect\n"
	"  --datagrams N    UDP: exchanges on each socket (default 1)\n"
	"  --mapped         an IPv4 address through an IPv6 socket\n"
	"  --log FILE       a line per call: start (CLOCK_MONOTONIC, us), duration (us), outcome\n";

/* Counts by text; what does not fit is counted as "other". */
struct table {
	struct row {
		char text[TEXT_LEN];
		unsigned long count;
	} rows[MAX_ROWS];
	size_t used;
};

static struct options {
	struct sockaddr_storage target;
	socklen_t target_len;
	bool udp, unconnected;
	unsigned long count, datagrams, pause_us;
	double seconds;
	unsigned int concurrency, timeout_ms;
	FILE *log;
} options = { .datagrams = 1, .concurrency = 8, .timeout_ms = TIMEOUT_MS };

static struct tally {
	struct table servers, failures, peers;
	unsigned long calls, moved;
	uint64_t max_us;
} total;

static atomic_ulong started;
static atomic_bool stop;
static pthread_mutex_t total_lock = PTHREAD_MUTEX_INITIALIZER;

/* One call and its outcome. */
struct call {
	int fd;
	char server[TEXT_LEN];
	char peer[TEXT_LEN];
	bool moved;
};

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void table_add(struct table *table, const char *text, unsigned long count)
{
	size_t i;

	for (i = 0; i < table->used; i++)
		if (!strcmp(table->rows[i].text, text))
			break;
	if (i == MAX_ROWS) {
		i--;
		strcpy(table->rows[i].text, "other");
	} else if (i == table->used) {
		table->used++;
		snprintf(table->rows[i].text, TEXT_LEN, "%s", text);
	}
	table->rows[i].count += count;
}

static void table_merge(struct table *into, const struct table *from)
{
	size_t i;

	for (i = 0; i < from->used; i++)
		table_add(into, from->rows[i].text, from->rows[i].count);
}

static void table_print(const char *name, const struct table *table)
{
	size_t i;

	printf("\"%s\": {", name);
	for (i = 0; i < table->used; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", table->rows[i].text, table->rows[i].count);
	printf("}");
}

/* "address:port"; a v4-mapped address as the IPv4 address it is. */
static void peer_format(const struct sockaddr_storage *peer, char *text)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	char address[INET6_ADDRSTRLEN] = "?";

	if (peer->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
	else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], address, sizeof(address));
	else if (peer->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
	/* the port is at the same place in both */
	snprintf(text, TEXT_LEN, "%s:%u", address, ntohs(v4->sin_port));
}

/* Keeps the name in an answer; what JSON would need quoted becomes '?'. */
static void server_keep(struct call *call, const char *answer, size_t len)
{
	char name[TEXT_LEN];
	size_t i;

	for (i = 0; i < len && i < TEXT_LEN - 1 && answer[i] != '\n'; i++)
		name[i] = answer[i] < ' ' || strchr("\"\\", answer[i]) ? '?' : answer[i];
	name[i] = '\0';
	if (*call->server && strcmp(call->server, name))
		call->moved = true;
	strcpy(call->server, name);
}

/* 0 or an errno value. */
static int call_open(struct call *call)
{
	struct timeval limit = { .tv_sec = options.timeout_ms / 1000,
				 .tv_usec = options.timeout_ms % 1000 * 1000 };

	call->fd = socket(options.target.ss_family,
			  (options.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (call->fd < 0 || setsockopt(call->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(call->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return errno;
	if (options.unconnected)
		return 0;
	return connect(call->fd, (struct sockaddr *)&options.target, options.target_len) ? errno :
											   0;
}

static int call_tcp(struct call *call)
{
	struct sockaddr_storage peer = {};
	socklen_t peer_len = sizeof(peer);
	char answer[TEXT_LEN];
	size_t len = 0;
	ssize_t got;

	do {
		got = recv(call->fd, answer + len, sizeof(answer) - len, 0);
		if (got < 0)
			return errno;
		len += (size_t)got;
	} while (got && len < sizeof(answer) && answer[len - 1] != '\n');
	if (!len)
		return ENODATA;
	server_keep(call, answer, len);
	if (getpeername(call->fd, (struct sockaddr *)&peer, &peer_len))
		return errno;
	peer_format(&peer, call->peer);
	return 0;
}

static int call_udp(struct call *call)
{
	const struct sockaddr *to = (struct sockaddr *)&options.target;
	struct sockaddr_storage from = {};
	socklen_t len = sizeof(from);
	char answer[TEXT_LEN];
	unsigned long i;
	ssize_t got;

	for (i = 0; i < options.datagrams; i++) {
		if (sendto(call->fd, "x", 1, 0, options.unconnected ? to : NULL,
			   options.unconnected ? options.target_len : 0) < 0)
			return errno;
		got = recvfrom(call->fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, &len);
		if (got < 0)
			return errno;
		server_keep(call, answer, (size_t)got);
		peer_format(&from, call->peer);
	}
	return 0;
}

static void call_make(struct tally *tally)
{
	/* A reset leaves no TIME_WAIT behind: ports last for any number of calls. */
	struct linger linger = { .l_onoff = 1 };
	struct call call = { .fd = -1 };
	uint64_t start = clock_us(), took;
	const char *outcome;
	int error;

	error = call_open(&call);
	if (!error)
		error = options.udp ? call_udp(&call) : call_tcp(&call);
	took = clock_us() - start;
	if (error == EAGAIN || error == EINPROGRESS)
		error = ETIMEDOUT;
	tally->calls++;
	tally->moved += call.moved;
	tally->max_us = took > tally->max_us ? took : tally->max_us;
	outcome = error ? strerrorname_np(error) : call.server;
	table_add(error ? &tally->failures : &tally->servers, outcome, 1);
	if (!error)
		table_add(&tally->peers, call.peer, 1);
	if (options.log)
		fprintf(options.log, "%llu %llu %s\n", (unsigned long long)start,
			(unsigned long long)took, outcome);
	if (!options.udp)
		setsockopt(call.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(call.fd);
}

static void *worker(void *unused)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	(void)unused;
	if (!tally)
		abort();
	while (!stop && (!options.count || atomic_fetch_add(&started, 1) < options.count)) {
		call_make(tally);
		if (options.pause_us)
			usleep((useconds_t)options.pause_us);
	}
	pthread_mutex_lock(&total_lock);
	total.calls += tally->calls;
	total.moved += tally->moved;
	total.max_us = tally->max_us > total.max_us ? tally->max_us : total.max_us;
	table_merge(&total.servers, &tally->servers);
	table_merge(&total.failures, &tally->failures);
	table_merge(&total.peers, &tally->peers);
	pthread_mutex_unlock(&total_lock);
	free(tally);
	return NULL;
}

static bool target_parse(const char *address, const char *port, bool mapped)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&options.target;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&options.target;
	char text[INET6_ADDRSTRLEN + 8];

	snprintf(text, sizeof(text), "%s%s", mapped ? "::ffff:" : "", address);
	v4->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		options.target.ss_family = AF_INET;
		options.target_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		options.target.ss_family = AF_INET6;
		options.target_len = sizeof(*v6);
	}
	return options.target_len > 0;
}

static bool options_parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "count", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 's' },
		{ "concurrency", 1, NULL, 'n' },
		{ "pause-us", 1, NULL, 'p' },
		{ "timeout-ms", 1, NULL, 't' },
		{ "udp", 0, NULL, 'u' },
		{ "unconnected", 0, NULL, 'x' },
		{ "datagrams", 1, NULL, 'd' },
		{ "mapped", 0, NULL, 'm' },
		{ "log", 1, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	bool mapped = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'c')
			options.count = strtoul(optarg, NULL, 10);
		else if (option == 's')
			options.seconds = strtod(optarg, NULL);
		else if (option == 'n')
			options.concurrency = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			options.pause_us = strtoul(optarg, NULL, 10);
		else if (option == 't')
			options.timeout_ms = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			options.datagrams = strtoul(optarg, NULL, 10);
		else if (option == 'm')
			mapped = true;
		else if (option == 'l')
			options.log = fopen(optarg, "we");
		else if (option != 'u' && option != 'x')
			return false;
		if (option == 'l' && !options.log)
			return false;
		options.udp |= option == 'u' || option == 'x';
		options.unconnected |= option == 'x';
	}
	if (!options.concurrency || options.concurrency > MAX_THREADS)
		return false;
	return argc - optind == 2 && target_parse(argv[optind], argv[optind + 1], mapped);
}

/* Waits for SIGTERM or the end of --seconds, and lets the workers finish their calls. */
static void wait_for_end(const sigset_t *signals)
{
	struct timespec limit = {
		.tv_sec = (time_t)options.seconds,
		.tv_nsec = (long)((options.seconds - (double)(time_t)options.seconds) * 1e9),
	};

	while (sigtimedwait(signals, NULL, options.seconds > 0 ? &limit : NULL) < 0)
		if (errno != EINTR)
			break;
	stop = true;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	uint64_t begin = clock_us();
	sigset_t signals;
	unsigned int i;

	if (!options_parse(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	if (!options.count)
		pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (i = 0; i < options.concurrency; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL))
			abort();
	if (!options.count)
		wait_for_end(&signals);
	for (i = 0; i < options.concurrency; i++)
		pthread_join(threads[i], NULL);
	if (options.log)
		fclose(options.log);
	printf("{\"calls\": %lu, \"moved\": %lu, \"seconds\": %.3f, \"max_ms\": %.3f, ",
	       total.calls, total.moved, (double)(clock_us() - begin) / 1e6,
	       (double)total.max_us / 1e3);
	table_print("servers", &total.servers);
	printf(", ");
	table_print("failures", &total.failures);
	printf(", ");
	table_print("peers", &total.peers);
	printf("}\n");
	return 0;
}
