// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's client that keeps count, of requests or of conversations (tally.h) with tally_server:
 * prints numbers as one JSON object.
 *
 * http: each connection has --each requests, taken in turn from those named, --depth of them at a
 * time; numbers of "METHOD PATH OUTCOME": a status, "weft" for a 403 of weft's own, "none" when the
 *   connection ended without an answer, "behind" for what was sent behind one that weft denied.
 *   Ends: close; half, the last ones are sent with a FIN behind them; reset, when all are answered;
 *   leave, by a reset when the last ones are acknowledged; abort, by a reset at once.
 * talk: each connection is one conversation of that letter, or: n close, c reset once connected; a
 * reset while connecting; i reset at once after the upload.
 *
 * Both: called, connected, again (SYNs), "refused ERRNO", sent, received (bytes), "broken ERRNO";
 * early, reset before it was known to be connected.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tally.h"

enum { BUFFER = 1 << 16, EVENTS = 256, FDS = 1 << 14, DEPTH = 64, KINDS = 32, FLOOD = 100000 };

static struct connection {
	bool open, connected, draining;
	unsigned int asked, answered; /* requests */
	unsigned int kinds[DEPTH];    /* of request n at n % DEPTH */
	size_t have;
	char *in;
} connections[FDS];

static struct options {
	struct sockaddr_storage target;
	socklen_t target_len;
	bool http;
	unsigned long count;
	unsigned int concurrency, each, depth, up, down;
	const char *end;
	char talk;
	int kinds;
	char methods[KINDS][16];
	const char *paths[KINDS];
} options = { .count = 1, .concurrency = 1, .each = 1, .depth = 1, .end = "close" };

static struct tally tally;
static unsigned long started, sent, received, asked;
static int poll_fd, live, draining;
static char zeros[BUFFER];

static void count(const char *what, const char *detail)
{
	char text[TALLY_TEXT];

	snprintf(text, sizeof(text), "%.79s %.15s", what, detail);
	tally_add(&tally, text, 1);
}

static void count_request(unsigned int kind, const char *outcome)
{
	char text[TALLY_TEXT];

	snprintf(text, sizeof(text), "%s %.60s", options.methods[kind], options.paths[kind]);
	count(text, outcome);
}

static void finish(int fd, bool reset, const char *unanswered)
{
	const struct linger linger = { .l_onoff = 1 };
	struct connection *one = &connections[fd];

	for (; one->answered < one->asked; one->answered++)
		count_request(one->kinds[one->answered % DEPTH], unanswered);
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	draining -= one->draining;
	free(one->in);
	memset(one, 0, sizeof(*one));
	close(fd);
	live--;
}

static bool give(int fd, const char *bytes, size_t length)
{
	ssize_t done = send(fd, bytes, length, MSG_NOSIGNAL);

	if (done > 0)
		sent += (unsigned long)done;
	return done == (ssize_t)length;
}

/* When all that was sent is acknowledged, the connection is reset. */
static void drain(int fd)
{
	int left = 0;

	ioctl(fd, TIOCOUTQ, &left);
	if (!left) {
		finish(fd, true, "none");
	} else if (!connections[fd].draining) {
		connections[fd].draining = true;
		draining++;
	}
}

/* The next requests, in one piece. */
static void ask(int fd)
{
	struct connection *one = &connections[fd];
	char text[DEPTH * 256];
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < options.depth && one->asked < options.each; i++) {
		unsigned int kind = (unsigned int)(asked++ % (unsigned long)options.kinds);
		bool body = options.methods[kind][0] == 'P';

		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s %s HTTP/1.1\r\nhost: tally\r\n%s\r\n%s",
					   options.methods[kind], options.paths[kind],
					   body ? "content-length: 6\r\n" : "",
					   body ? "tally\n" : "");
		one->kinds[one->asked++ % DEPTH] = kind;
	}
	if (!give(fd, text, length)) {
		count("broken", "send");
		finish(fd, false, "none");
	} else if (one->asked == options.each) {
		if (!strcmp(options.end, "half"))
			shutdown(fd, SHUT_WR);
		else if (!strcmp(options.end, "abort"))
			finish(fd, true, "none");
		else if (!strcmp(options.end, "leave"))
			drain(fd);
	}
}

static void answered(int fd, const char *outcome)
{
	struct connection *one = &connections[fd];

	count_request(one->kinds[one->answered++ % DEPTH], outcome);
	if (!strcmp(outcome, "weft")) {
		finish(fd, false, "behind");
	} else if (one->answered == options.each) {
		if (strcmp(options.end, "half")) /* else the server closes first */
			finish(fd, !strcmp(options.end, "reset"), "none");
	} else if (one->answered == one->asked) {
		ask(fd);
	}
}

/* Answers, as far as they are complete. */
static void read_http(int fd)
{
	struct connection *one = &connections[fd];
	char *end, *field, status[4];
	size_t length;

	while (one->open && (end = strstr(one->in, "\r\n\r\n"))) {
		bool ours, head;

		head = !strcmp(options.methods[one->kinds[one->answered % DEPTH]], "HEAD");
		length = (size_t)(end + 4 - one->in);
		field = strstr(one->in, "content-length: ");
		if (!head && field && field < end)
			length += strtoul(field + 16, NULL, 10);
		if (one->have < length)
			return;
		field = strstr(one->in, "server: weft\r\n");
		ours = field && field < end;
		snprintf(status, sizeof(status), "%.3s", one->in + 9);
		one->have -= length;
		memmove(one->in, one->in + length, one->have + 1);
		answered(fd, ours && !strcmp(status, "403") ? "weft" : status);
	}
}

static void read_talk(int fd)
{
	struct connection *one = &connections[fd];

	if (options.talk == TALLY_FLOOD && one->have >= FLOOD)
		finish(fd, true, "");
	else if (options.talk == TALLY_ANSWER && one->have >= (size_t)options.down * TALLY_UNIT)
		finish(fd, false, "");
}

static void begin_talk(int fd)
{
	char head[TALLY_HEAD + 1];
	size_t up = (size_t)options.up * TALLY_UNIT;

	if (options.talk == 'n' || options.talk == 'c') {
		finish(fd, options.talk == 'c', "");
		return;
	}
	snprintf(head, sizeof(head), "%c%03u%04u", options.talk == 'i' ? TALLY_SINK : options.talk,
		 options.up, options.down);
	if (!give(fd, head, TALLY_HEAD) || (up && !give(fd, zeros, up))) {
		count("broken", "send");
		finish(fd, true, "");
	} else if (options.talk == 'i') {
		finish(fd, true, "");
	} else if (options.talk == TALLY_SINK) {
		drain(fd);
	} else if (options.talk == TALLY_LAST) {
		shutdown(fd, SHUT_WR);
	}
}

/* Its SYN may have been sent, and judged, more than once. */
static void count_connected(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	tally_add(&tally, "connected", 1);
	if (info.tcpi_total_retrans)
		tally_add(&tally, "again", info.tcpi_total_retrans);
}

static void happened(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	struct connection *one = &connections[fd];
	size_t room;
	ssize_t got;

	if (!one->connected) {
		int error = 0;
		socklen_t length = sizeof(error);

		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			count("refused", strerrorname_np(error));
			finish(fd, false, "");
			return;
		}
		one->connected = true;
		count_connected(fd);
		epoll_ctl(poll_fd, EPOLL_CTL_MOD, fd, &event);
		if (options.http)
			ask(fd);
		else
			begin_talk(fd);
		return;
	}
	room = options.http ? BUFFER - 1 - one->have : BUFFER - 1;
	got = recv(fd, one->in + (options.http ? one->have : 0), room, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		if (got)
			count("broken", strerrorname_np(errno));
		finish(fd, false, "none");
		return;
	}
	received += (unsigned long)got;
	one->have += (size_t)got;
	if (!options.http) {
		read_talk(fd);
		return;
	}
	one->in[one->have] = '\0';
	read_http(fd);
}

/* A reset while the handshake is under way, or just over. */
static void reset_early(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	tally_add(&tally, info.tcpi_state == TCP_ESTABLISHED ? "connected" : "early", 1);
	finish(fd, true, "");
}

static void call(void)
{
	int fd = socket(options.target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event event = { .events = EPOLLOUT, .data.fd = fd };
	struct connection *one = &connections[fd];
	int yes = 1;

	started++;
	live++;
	tally_add(&tally, "called", 1);
	one->open = true;
	one->in = malloc(BUFFER);
	if (fd < 0 || !one->in)
		exit(1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, (struct sockaddr *)&options.target, options.target_len) &&
	    errno != EINPROGRESS) {
		count("refused", strerrorname_np(errno));
		finish(fd, false, "");
	} else if (options.talk == 'a') {
		reset_early(fd);
	} else {
		epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

static int usage(void)
{
	fprintf(stderr,
		"usage: tally_client http|talk ADDRESS PORT [--count N] [--concurrency N] "
		"[--each N] [--depth N] [--end HOW] METHOD/PATH...\n"
		"       | talk ADDRESS PORT [--count N] [--concurrency N] LETTER UP DOWN\n");
	return 2;
}

static bool parse_words(int argc, char **argv)
{
	char *slash;

	if (!options.http) {
		if (argc != 3)
			return false;
		options.talk = argv[0][0];
		options.up = (unsigned int)atoi(argv[1]);
		options.down = (unsigned int)atoi(argv[2]);
		return options.up * TALLY_UNIT <= BUFFER;
	}
	for (; options.kinds < argc && options.kinds < KINDS; options.kinds++) {
		slash = strchr(argv[options.kinds], '/');
		if (!slash)
			return false;
		snprintf(options.methods[options.kinds], sizeof(options.methods[0]), "%.*s",
			 (int)(slash - argv[options.kinds]), argv[options.kinds]);
		options.paths[options.kinds] = slash;
	}
	return options.kinds && options.depth <= DEPTH;
}

static bool parse_target(const char *address, const char *port)
{
	struct sockaddr_in6 *six = (void *)&options.target;
	struct sockaddr_in *four = (void *)&options.target;

	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((unsigned short)atoi(port));
		options.target_len = sizeof(*four);
		return true;
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((unsigned short)atoi(port));
	options.target_len = sizeof(*six);
	return inet_pton(AF_INET6, address, &six->sin6_addr) == 1;
}

static bool parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "count", 1, NULL, 'c' }, { "concurrency", 1, NULL, 'n' },
		{ "each", 1, NULL, 'e' },  { "depth", 1, NULL, 'd' },
		{ "end", 1, NULL, 'h' },   { 0 }
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (name) {
		case 'c':
			options.count = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			options.concurrency = (unsigned int)atoi(optarg);
			break;
		case 'e':
			options.each = (unsigned int)atoi(optarg);
			break;
		case 'd':
			options.depth = (unsigned int)atoi(optarg);
			break;
		case 'h':
			options.end = optarg;
			break;
		default:
			return false;
		}
	}
	if (argc - optind < 4)
		return false;
	options.http = !strcmp(argv[optind], "http");
	return parse_target(argv[optind + 1], argv[optind + 2]) &&
	       parse_words(argc - optind - 3, argv + optind + 3);
}

int main(int argc, char **argv)
{
	struct rlimit files = { .rlim_cur = FDS, .rlim_max = FDS };
	struct epoll_event events[EVENTS];
	int i, count;

	if (!parse(argc, argv))
		return usage();
	setrlimit(RLIMIT_NOFILE, &files);
	poll_fd = epoll_create1(0);
	while (live || started < options.count) {
		while (live < (int)options.concurrency && started < options.count)
			call();
		count = live ? epoll_wait(poll_fd, events, EVENTS, draining ? 1 : -1) : 0;
		for (i = 0; i < count; i++)
			if (connections[events[i].data.fd].open)
				happened(events[i].data.fd);
		for (i = 0; draining && i < FDS; i++)
			if (connections[i].draining)
				drain(i);
	}
	tally_add(&tally, "sent", sent);
	tally_add(&tally, "received", received);
	printf("{\"port\": \"%s\", ", options.http ? "http" : "tcp");
	tally_print(&tally);
	return 0;
}
