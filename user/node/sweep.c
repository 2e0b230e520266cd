// SPDX-License-Identifier: Apache-2.0
/*
 * All sockets are read before the first is destroyed, lest the dump misses some in a hash table
 * that changes under it.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/node/netlink.h"
#include "user/node/sweep.h"

enum sweep_constant {
	SWEEP_PORTS = 65536,
	SWEEP_TRIES = 2,  /* further dumps when changes interrupted one */
	SWEEP_PASSES = 3, /* when handshakes completed meanwhile */
	/* The kernel's states: TCP_ESTABLISHED is 1. */
	SWEEP_ALL_STATES = 0xffe,
	SWEEP_LIVE_STATES = SWEEP_ALL_STATES &
			    ~(1 << TCP_LISTEN | 1 << TCP_TIME_WAIT | 1 << TCP_CLOSE),
};

struct sweep_socket {
	struct inet_diag_sockid id;
	struct sweep_connection connection;
	uint8_t family, state;
};

struct sweep {
	int fd, sock_map_fd; /* sock_map_fd -1: storages are not asked for */
	const struct maps *maps;
	struct sweep_socket *sockets;
	size_t count, capacity;
	uint8_t listening[SWEEP_PORTS / 8]; /* bit per port */
};

static bool sweep_is_listening(const struct sweep *sweep, uint16_t port)
{
	return sweep->listening[port / 8] & 1 << port % 8;
}

static void sweep_address(struct weft_addr *address, unsigned int family, const __be32 words[4])
{
	memset(address, 0, sizeof(*address));
	if (family == AF_INET6) {
		memcpy(address->b, words, sizeof(address->b));
		return;
	}
	address->b[10] = 0xff;
	address->b[11] = 0xff;
	memcpy(address->b + 12, words, sizeof(*words));
}

/* The record of our map among the socket's storages. */
static enum weft_direction sweep_direction_from_storage(const struct nlattr *storages)
{
	const struct nlattr *storage, *attr;
	struct weft_sock record;

	mnl_attr_for_each_nested(storage, storages)
	{
		if (mnl_attr_get_type(storage) != SK_DIAG_BPF_STORAGE)
			continue;
		mnl_attr_for_each_nested(attr, storage)
		{
			if (mnl_attr_get_type(attr) != SK_DIAG_BPF_STORAGE_MAP_VALUE ||
			    mnl_attr_get_payload_len(attr) < sizeof(record))
				continue;
			memcpy(&record, mnl_attr_get_payload(attr), sizeof(record));
			return record.conn.direction;
		}
	}
	return WEFT_DIRECTION_UNKNOWN;
}

/* Most connections are in a table, each in the slot of its cookie. */
static enum weft_direction sweep_direction_from_cookie(const struct maps *maps,
						       const struct inet_diag_sockid *id)
{
	uint64_t cookie = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
	uint32_t index = cookie % WEFT_CONN_SLOTS;
	struct weft_conn_slot slot;

	if (!maps || maps_get(maps, MAP_CONN, &index, &slot) || slot.cookie != cookie)
		return WEFT_DIRECTION_UNKNOWN;
	return slot.conn.direction;
}

/* What the state tells of a socket without a record. */
static enum weft_direction sweep_direction_from_state(unsigned int state)
{
	if (state == TCP_SYN_SENT)
		return WEFT_DIRECTION_OUTBOUND;
	return state == TCP_SYN_RECV ? WEFT_DIRECTION_INBOUND : WEFT_DIRECTION_UNKNOWN;
}

static const struct inet_diag_msg *sweep_message(const struct nlmsghdr *message)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*diag))
		return NULL;
	return diag;
}

static void sweep_take_listener(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *diag = sweep_message(message);
	struct sweep *sweep = context;
	uint16_t port;

	if (!diag)
		return;
	port = ntohs(diag->id.idiag_sport);
	sweep->listening[port / 8] |= (uint8_t)(1 << port % 8);
}

static void sweep_take_socket(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *diag = sweep_message(message);
	struct sweep_connection *connection;
	struct sweep *sweep = context;
	struct sweep_socket *socket;
	const struct nlattr *attr;

	if (!diag)
		return;
	memory_grow(&sweep->sockets, &sweep->count, &sweep->capacity, sizeof(*sweep->sockets));
	socket = &sweep->sockets[sweep->count - 1];
	socket->id = diag->id;
	socket->family = diag->idiag_family;
	socket->state = diag->idiag_state;
	connection = &socket->connection;
	sweep_address(&connection->local, diag->idiag_family, diag->id.idiag_src);
	sweep_address(&connection->remote, diag->idiag_family, diag->id.idiag_dst);
	connection->local_port = ntohs(diag->id.idiag_sport);
	connection->remote_port = ntohs(diag->id.idiag_dport);
	connection->listener = sweep_is_listening(sweep, connection->local_port);
	connection->direction = sweep_direction_from_state(diag->idiag_state);
	mnl_attr_for_each(attr, message,
			  sizeof(*diag)) if (mnl_attr_get_type(attr) == INET_DIAG_SK_BPF_STORAGES &&
					     connection->direction == WEFT_DIRECTION_UNKNOWN)
		connection->direction = sweep_direction_from_storage(attr);
	if (connection->direction == WEFT_DIRECTION_UNKNOWN)
		connection->direction = sweep_direction_from_cookie(sweep->maps, &diag->id);
}

static struct inet_diag_req_v2 *sweep_request(struct nlmsghdr *message, unsigned int type,
					      unsigned int flags, unsigned int family)
{
	struct inet_diag_req_v2 *request;

	message->nlmsg_type = (uint16_t)type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = IPPROTO_TCP;
	return request;
}

static int sweep_dump(struct sweep *sweep, unsigned int family, unsigned int states,
		      void (*take)(const struct nlmsghdr *message, void *context))
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;
	struct nlattr *nest;

	request = sweep_request(message, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
	request->idiag_states = states;
	if (sweep->sock_map_fd >= 0 && states != 1 << TCP_LISTEN) {
		nest = mnl_attr_nest_start(message, INET_DIAG_REQ_SK_BPF_STORAGES);
		mnl_attr_put_u32(message, SK_DIAG_BPF_STORAGE_REQ_MAP_FD,
				 (uint32_t)sweep->sock_map_fd);
		mnl_attr_nest_end(message, nest);
	}
	return netlink_talk(sweep->fd, message, take, sweep);
}

/*
 * One family. What stays inconsistent is taken as it is: to judge most sockets now is better than
 * none. A kernel that refuses storages (or this map) leaves directions unknown.
 */
static int sweep_read_family(struct sweep *sweep, unsigned int family, unsigned int states,
			     void (*take)(const struct nlmsghdr *message, void *context))
{
	size_t before = sweep->count;
	unsigned int tries = 0;
	int err;

	do {
		sweep->count = before;
		err = sweep_dump(sweep, family, states, take);
		/* The kernel refuses storages (or this map): better without directions than not at
		 * all. */
		if (err && err != -EINTR && err != -ETIMEDOUT && sweep->sock_map_fd >= 0) {
			sweep->sock_map_fd = -1;
			tries = 0;
			err = -EINTR;
		}
	} while (err == -EINTR && ++tries <= SWEEP_TRIES);
	return err == -EINTR ? 0 : err;
}

static int sweep_read(struct sweep *sweep)
{
	static const unsigned int families[] = { AF_INET, AF_INET6 };
	size_t i;
	int err = 0;

	for (i = 0; i < 2 && !err; i++)
		err = sweep_read_family(sweep, families[i], 1 << TCP_LISTEN, sweep_take_listener);
	for (i = 0; i < 2 && !err; i++)
		err = sweep_read_family(sweep, families[i], SWEEP_LIVE_STATES, sweep_take_socket);
	return err;
}

static int sweep_destroy(const struct sweep *sweep, const struct sweep_socket *socket)
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;

	request = sweep_request(message, SOCK_DESTROY, NLM_F_ACK, socket->family);
	request->idiag_states = SWEEP_ALL_STATES;
	/* With its cookie: never another socket that has the same addresses now. */
	request->id = socket->id;
	return netlink_talk(sweep->fd, message, NULL, NULL);
}

/*
 * What the kernel keeps of an orphan in FIN_WAIT2 is as small as TIME_WAIT; older ones do not
 * destroy it. Nothing is behind it that could read or send.
 */
static bool sweep_is_remnant(const struct sweep_socket *socket, int err)
{
	return err == -EOPNOTSUPP && socket->state == TCP_FIN_WAIT2;
}

/*
 * True: another pass is needed. The socket of a handshake that completed meanwhile is another one
 * than the request that was dumped, and alive.
 */
static bool sweep_judge(struct sweep *sweep,
			bool (*revoked)(const struct sweep_connection *connection, void *context),
			void *context, struct sweep_result *result)
{
	const struct sweep_socket *socket;
	bool again = false;
	size_t i;
	int err;

	for (i = 0; i < sweep->count; i++) {
		socket = &sweep->sockets[i];
		if (!revoked(&socket->connection, context))
			continue;
		err = sweep_destroy(sweep, socket);
		if (err == -ENOENT && socket->state == TCP_SYN_RECV)
			again = true;
		else if (!err || err == -ENOENT || sweep_is_remnant(socket, err))
			result->destroyed++;
		else
			result->failed++;
	}
	return again;
}

int sweep_run(int diag_fd, const struct maps *maps,
	      bool (*revoked)(const struct sweep_connection *connection, void *context),
	      void *context, struct sweep_result *result)
{
	struct sweep *sweep = memory_alloc(sizeof(*sweep));
	unsigned int passes = 0;
	bool again;
	int err;

	memset(result, 0, sizeof(*result));
	sweep->fd = diag_fd;
	sweep->maps = maps;
	sweep->sock_map_fd = maps ? maps_fd(maps, MAP_SOCK) : -1;
	do {
		sweep->count = 0;
		err = sweep_read(sweep);
		if (err)
			break;
		if (!passes)
			result->seen = (unsigned int)sweep->count;
		again = sweep_judge(sweep, revoked, context, result);
	} while (again && ++passes < SWEEP_PASSES);
	free(sweep->sockets);
	free(sweep);
	return err;
}
