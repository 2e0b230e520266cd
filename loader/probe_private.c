// SPDX-License-Identifier: Apache-2.0
/*
 * What can only be known by doing it - attaching to an interface, destroying a socket - is done by
 * a child process in a new network namespace, which ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <bpf/bpf.h>
#include "loader/privileges.h"
#include "loader/probe_report.h"
#include "loader/tc.h"

enum { PROBE_TCP_LISTEN = 10 }; /* the kernel's TCP_LISTEN */

struct probe_answers {
	int tcx; /* 0 or -errno */
	int destroy;
};

static int probe_tcx(void)
{
	int program = privileges_load();
	int link;

	if (program < 0)
		return program;
	link = bpf_link_create(program, 1, (enum bpf_attach_type)TC_TCX_EGRESS, NULL);
	close(program);
	if (link < 0)
		return link;
	close(link);
	return 0;
}

static int probe_destroy_port(struct mnl_socket *socket, in_port_t port)
{
	char buffer[8192];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *of;
	ssize_t length;

	request->nlmsg_type = SOCK_DESTROY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	of = mnl_nlmsg_put_extra_header(request, sizeof(*of));
	of->sdiag_family = AF_INET;
	of->sdiag_protocol = IPPROTO_TCP;
	of->idiag_states = 1U << PROBE_TCP_LISTEN;
	of->id.idiag_sport = port;
	of->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	of->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (length < 0)
		return -errno;
	return mnl_cb_run(buffer, (size_t)length, 0, 0, NULL, NULL) < 0 ? -errno : 0;
}

/* Listens on a port that only this namespace has, and destroys the listener. */
static int probe_destroy(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct mnl_socket *socket_diag;
	socklen_t length = sizeof(any);
	int fd, err;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&any, &length)) {
		err = -errno;
		close(fd);
		return err;
	}
	socket_diag = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	err = socket_diag ? 0 : -errno;
	if (!err && mnl_socket_bind(socket_diag, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	if (!err)
		err = probe_destroy_port(socket_diag, any.sin_port);
	if (socket_diag)
		mnl_socket_close(socket_diag);
	close(fd);
	return err;
}

static void probe_answer(int pipe_fd)
{
	struct probe_answers answers;

	/* with a user namespace of its own, even an ordinary user has one question answered */
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		answers.tcx = answers.destroy = -errno;
	} else {
		answers.destroy = probe_destroy();
		answers.tcx = probe_tcx();
	}
	if (write(pipe_fd, &answers, sizeof(answers)) != sizeof(answers))
		_exit(1);
	_exit(0);
}

static void probe_ask(struct probe_answers *answers)
{
	int fds[2], status;
	pid_t child;

	answers->tcx = answers->destroy = -ECHILD;
	if (pipe2(fds, O_CLOEXEC))
		return;
	child = fork();
	if (!child)
		probe_answer(fds[1]);
	close(fds[1]);
	if (child > 0) {
		if (read(fds[0], answers, sizeof(*answers)) != sizeof(*answers))
			answers->tcx = answers->destroy = -ECHILD;
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
}

static void probe_tell_tcx(struct probe *probe, int answer)
{
	if (!answer)
		probe_tell(probe, "tcx", PROBE_OK, "", "tcx links");
	else if (answer == -EINVAL)
		probe_tell(
			probe, "tcx", PROBE_WARNING,
			"a pod with CAP_NET_ADMIN cannot touch them, but other software on the node "
			"can; Linux 6.6 or newer has links",
			"no tcx links: clsact filters are used");
	else
		probe_tell(probe, "tcx", PROBE_UNKNOWN, "run as root to try it", "trying it: %s",
			   strerror(-answer));
}

static void probe_tell_destroy(struct probe *probe, int answer)
{
	static const char consequence[] =
		"live connections cannot be cut when a rule is withdrawn: boot a kernel with "
		"CONFIG_INET_DIAG_DESTROY, or modprobe tcp_diag";

	if (!answer)
		probe_tell(probe, "socket destroy", PROBE_OK, "", "SOCK_DESTROY works");
	else if (answer == -EOPNOTSUPP || answer == -EINVAL || answer == -ENOENT ||
		 answer == -EPROTONOSUPPORT)
		probe_tell(probe, "socket destroy", PROBE_FAILED, consequence, "SOCK_DESTROY: %s",
			   strerror(-answer));
	else
		probe_tell(probe, "socket destroy", PROBE_UNKNOWN, "run as root to try it",
			   "trying SOCK_DESTROY: %s", strerror(-answer));
}

void probe_private(struct probe *probe)
{
	struct probe_answers answers;

	probe_ask(&answers);
	probe_tell_tcx(probe, answers.tcx);
	probe_tell_destroy(probe, answers.destroy);
}
