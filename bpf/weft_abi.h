/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and user space: keys, values, enums
 * and events of every map. Data only. Included by both sides; nobody retypes
 * a struct.
 *
 * Conventions
 *   addresses  16 bytes, network order; IPv4 as ::ffff:a.b.c.d
 *   ports      host order; 0 is the wildcard "any port" where a comment says so
 *   protocol   IPPROTO_TCP (6) or IPPROTO_UDP (17), nothing else
 *   time       CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns) unless stated
 *   identity   number of (namespace, ServiceAccount[, class]); local to one node
 *   workload   number of the owner of a pod (Deployment, ..., or the pod itself)
 *
 * Numbers of enums are part of the ABI and of the metrics: append, never recycle.
 * Any other change increments WEFT_ABI_VERSION.
 */
#ifndef WEFT_ABI_H
#define WEFT_ABI_H

#include "weft_abi_addr.h"
#include "weft_abi_http.h"

enum weft_abi {
	WEFT_ABI_VERSION = 2,
	WEFT_NAME_LEN = 256,	 /* a Kubernetes name (253) and its NUL */
	WEFT_NAMESPACE_LEN = 64, /* a Kubernetes namespace (63) and its NUL */
	WEFT_LISTEN_LEN = 72,	 /* "[v6 address]:port" and its NUL */
	WEFT_ANY_PORT = 0,
	WEFT_IFACE_COPIES = 256, /* a power of two */
};

/* Reserved identities and workloads; the agent allocates from WEFT_ID_FIRST. */
enum weft_reserved_id {
	WEFT_ID_UNKNOWN = 0, /* an address that is no known pod, host or service */
	WEFT_ID_HOST = 1,    /* a node's own address: host processes, hostNetwork pods */
	WEFT_ID_SERVICE = 2, /* a cluster IP; never the source of a packet */
	WEFT_ID_FIRST = 256,
};

/* Properties of an address or of a local pod (bit mask). */
enum weft_peer_flag {
	WEFT_PEER_ENFORCE = 1,	  /* connections to it need a rule */
	WEFT_PEER_PERMISSIVE = 2, /* connections to it pass, verdicts are counted as would_deny */
	WEFT_PEER_LOCAL_HOST = 4, /* address of this node itself: may always reach its pods */
	WEFT_PEER_EXTERNAL_ALLOW = 8, /* unknown sources may reach it (weft.dev/external: allow) */
	WEFT_PEER_HOSTS_CLUSTER = 16, /* every node may reach it (weft.dev/hosts: cluster) */
	WEFT_PEER_HTTP = 32, /* weft_iface only: some of its callers are judged by HTTP rules */
};
/* A pod is meshed - its calls to cluster IPs are split - with either mode. */
#define WEFT_PEER_MESHED (WEFT_PEER_ENFORCE | WEFT_PEER_PERMISSIVE)

/*
 * Why a verdict is what it is: the one numbered list, also the metric label
 * (lower case, without prefix). Below WEFT_REASON_FIRST_DENY the packet or
 * connection passes.
 */
enum weft_reason {
	WEFT_REASON_NONE = 0,
	WEFT_REASON_UNMESHED = 1,	  /* the destination is not meshed */
	WEFT_REASON_POLICY = 2,		  /* a TrafficTarget allows it */
	WEFT_REASON_LOCAL_HOST = 3,	  /* from this node to its own pod */
	WEFT_REASON_CLUSTER_HOST = 4,	  /* from a node, and weft.dev/hosts: cluster */
	WEFT_REASON_EXTERNAL_ALLOWED = 5, /* unknown source, weft.dev/external: allow */
	WEFT_REASON_OWN_POD = 6,	  /* a pod to itself */
	WEFT_REASON_UDP_REPLY = 7,	  /* answer to a flow that the pod opened */
	WEFT_REASON_HTTP = 8,		  /* HTTP rules decide, request by request */
	WEFT_REASON_FIRST_DENY = 32,
	WEFT_REASON_NO_RULE = 32,		 /* no TrafficTarget allows it */
	WEFT_REASON_UNKNOWN_SOURCE = 33,	 /* the source address is no known pod */
	WEFT_REASON_REMOTE_HOST = 34,		 /* from another node's host address */
	WEFT_REASON_HTTP_NOT_SUPPORTED_YET = 35, /* not used any more */
	WEFT_REASON_NO_ENDPOINT = 36,		 /* service port without a usable endpoint */
	WEFT_REASON_UNKNOWN_SERVICE_PORT = 37,	 /* cluster IP, but not a port of the service */
	WEFT_REASON_SPOOFED_SOURCE = 38,	 /* source address does not belong to the pod */
	WEFT_REASON_MALFORMED = 39,		 /* truncated or inconsistent headers */
	WEFT_REASON_EXTENSION_HEADER = 40,	 /* IPv6 headers that cannot be walked */
	WEFT_REASON_TCP_FRAGMENT = 41,		 /* fragmented TCP towards an enforced pod */
	WEFT_REASON_UDP_FRAGMENT = 42,	    /* fragment whose first was not allowed or not seen */
	WEFT_REASON_IP_PROTOCOL = 43,	    /* not TCP, UDP or ICMP */
	WEFT_REASON_ETHERTYPE = 44,	    /* not IPv4, IPv6 or ARP */
	WEFT_REASON_NO_ADDRESS = 45,	    /* the pod's own address is not published yet */
	WEFT_REASON_INTERNAL = 46,	    /* a map lookup that must succeed failed */
	WEFT_REASON_OTHER_DESTINATION = 47, /* another pod's frame, flooded by a bridge */
	WEFT_REASON_TUNNEL = 48, /* from a pod: a tunnel's packet to something that is no pod */
	/* HTTP: see SEMANTICS "HTTP on the wire" for what is well-formed */
	WEFT_REASON_NO_HTTP_RULE = 49,	      /* no rule allows the request */
	WEFT_REASON_AMBIGUOUS_PATH = 50,      /* servers might read another path than the rules */
	WEFT_REASON_HTTP_REQUEST_LINE = 51,   /* malformed, or something stands before it */
	WEFT_REASON_HTTP_VERSION = 52,	      /* neither HTTP/1.0 nor HTTP/1.1 */
	WEFT_REASON_HTTP_FIELD = 53,	      /* malformed field line */
	WEFT_REASON_HTTP_HEAD_SIZE = 54,      /* head longer than --max-head */
	WEFT_REASON_HTTP_CONTENT_LENGTH = 55, /* malformed or repeated */
	WEFT_REASON_HTTP_TRANSFER_ENCODING = 56, /* not `chunked`, or beside Content-Length, or 1.0
						  */
	WEFT_REASON_HTTP_CHUNK = 57,		 /* malformed chunk size, extension or end */
	WEFT_REASON_HTTP_HOST = 58, /* missing, repeated, malformed, not the target's authority */
	WEFT_REASON_HTTP_UPGRADE = 59,	     /* to something else than websocket, or repeated */
	WEFT_REASON_HTTP2 = 60,		     /* HTTP/2 preface */
	WEFT_REASON_TLS = 61,		     /* TLS ClientHello */
	WEFT_REASON_HTTP_UNFINISHED = 62,    /* FIN before the head ends */
	WEFT_REASON_SYN_DATA = 63,	     /* data before the handshake is complete */
	WEFT_REASON_URGENT = 64,	     /* TCP urgent data */
	WEFT_REASON_HTTP_STATE_LOST = 65,    /* connection whose request boundaries are not known */
	WEFT_REASON_RETRANSMISSION = 66,     /* other bytes than those judged before */
	WEFT_REASON_HTTP_RULES_CHANGED = 67, /* in the middle of a head, more than a second ago */
	WEFT_REASON_HTTP_UNVERIFIABLE = 68,  /* many segments that might be copies of judged ones */
};

enum weft_verdict_action {
	WEFT_VERDICT_ALLOW = 1,
	WEFT_VERDICT_DENY = 2,
	WEFT_VERDICT_WOULD_DENY = 3, /* permissive: passed, but enforce would deny */
};

/* Where a verdict was made; the metric label is the lower-case name. */
enum weft_hook {
	WEFT_HOOK_CONNECT = 1,	/* cgroup connect4/6, client's side */
	WEFT_HOOK_SENDMSG = 2,	/* cgroup sendmsg4/6, client's side */
	WEFT_HOOK_TO_POD = 3,	/* TC egress of the pod's host-side interface */
	WEFT_HOOK_FROM_POD = 4, /* TC ingress of the pod's host-side interface */
	WEFT_HOOK_ACCEPT = 5,	/* sockops: no SYN was judged for it (SYN cookies); cut by the agent
				 */
};

/* Which end of a connection reports; label reporter="source" | "destination". */
enum weft_direction {
	WEFT_DIRECTION_UNKNOWN = 0,
	WEFT_DIRECTION_OUTBOUND = 1, /* the local pod opened it: reporter "source" */
	WEFT_DIRECTION_INBOUND = 2,  /* the local pod accepted it: reporter "destination" */
};

/* weft_config[0]: who owns these maps. Written by the agent at start. */
struct weft_config {
	__u32 abi_version;
	__u32 agent_pid;      /* in the agent's pid namespace */
	__u64 http_key[2];    /* secret of the hashes in weft_http_flow; set once */
	__u32 request_sample; /* requests that become events: of 2^32; those denied always do */
	__u32 request_path;   /* bytes of a path in an event, at most WEFT_HTTP_PATH_LEN */
	char listen[WEFT_LISTEN_LEN]; /* ADDR:PORT of the agent's HTTP server */
	char node[WEFT_NAME_LEN];     /* the node's name */
};

/* weft_ident: address -> who it is (pods, node addresses, cluster IPs). */
struct weft_peer {
	__u32 identity;
	__u32 workload;
	__u32 flags; /* enum weft_peer_flag */
};

/*
 * weft_iface: ifindex of a pod's host-side interface, and weft_netns: cookie
 * of a pod's network namespace (SO_NETNS_COOKIE) -> the local pod.
 */
struct weft_local {
	struct weft_peer peer;
	__s32 nsid; /* of the pod's network namespace, seen from the node's; -1 = none */
	struct weft_addr addr[2]; /* the pod's own addresses, ::ffff:v4 first; all-zero = none */
};

/*
 * weft_epoch: changes of weft_ident, weft_iface, weft_dest and weft_policy so far; counted after
 * each. What a program has found there holds as long as this stands still, if it was read before.
 * 0 = nobody counts: then nothing is kept.
 */

/* weft_iface_copy: an entry of weft_iface, per CPU, at element ifindex % WEFT_IFACE_COPIES. */
struct weft_iface_copy {
	__u64 epoch; /* 0 = nothing here */
	__u32 ifindex;
	struct weft_local local;
	__u32 bulk; /* 1: the last long frame was of a body, so the next one may be */
	struct weft_http_transfer transfer;
};

/*
 * weft_dest: identity -> the policy in force for it. Entries of weft_policy
 * are written under a new generation and switched by one write here, so that
 * a destination never sees half a change. No entry = no rule allows anything.
 */
struct weft_dest {
	__u32 generation;
	__u32 entries; /* number of weft_policy entries, for the reader */
	__u32 http;    /* offset of its HTTP program in weft_http; 0 = none */
	__u32 pad;
};

struct weft_policy_key {
	__u32 dst_identity;
	__u32 generation; /* weft_dest.generation */
	__u32 src_identity;
	__u16 port; /* host order; WEFT_ANY_PORT after the exact port */
	__u8 proto;
	__u8 pad;
};

enum weft_policy_action {
	WEFT_POLICY_ALLOW = 1,
	WEFT_POLICY_HTTP = 2, /* HTTP rules decide */
};

/*
 * The entry of the exact port includes what the one of any port says, so that one answer is
 * enough: ALLOW there makes it ALLOW, HTTP rules there are in its mask.
 */
struct weft_policy {
	enum weft_policy_action action;
	__u32 mask; /* HTTP: set (of the program) of the units that this source may use here */
};

/* weft_service: a port of a cluster IP -> its endpoint table. */
struct weft_service_key {
	struct weft_addr addr; /* cluster IP */
	__u16 port;	       /* host order */
	__u8 proto;
	__u8 pad;
};

struct weft_service {
	__u32 service;		/* weft_name id */
	__u32 first;		/* index of the table in weft_alias and weft_endpoint */
	__u32 count;		/* slots; 0 = no usable endpoint: refuse */
	__u32 generation;	/* changes with every change of the table */
	__u32 affinity_seconds; /* sessionAffinity ClientIP time-out; 0 = none */
	__u32 split;		/* 1: a TrafficSplit made this table */
};

/*
 * weft_alias: Walker alias table. For a uniform 32-bit r and x = (u64)r * count:
 * slot = x >> 32; take it if (u32)x < threshold, else take slot `alias`.
 * Threshold 0xffffffff means "always" (also for the last 2^-32).
 */
struct weft_alias {
	__u32 threshold;
	__u32 alias; /* relative to weft_service.first */
};

struct weft_endpoint {
	struct weft_addr addr;
	__u16 port; /* host order, the backend's targetPort */
	__u16 pad;
	__u32 backend; /* weft_name id of the backend service */
};

/* weft_sticky: the endpoint that a caller keeps (UDP exchange, ClientIP affinity). */
struct weft_sticky_key {
	__u64 scope;	       /* socket cookie, or netns cookie for ClientIP affinity */
	struct weft_addr addr; /* cluster IP */
	__u16 port;
	__u8 proto;
	__u8 pad[5];
};

struct weft_sticky {
	__u64 last_ns; /* last use */
	struct weft_endpoint endpoint;
	__u32 generation; /* weft_service.generation when last checked */
	__u32 pad;
};

/* weft_udp_peer: what an unconnected UDP socket believes it talks to. */
struct weft_udp_peer_key {
	__u64 cookie;	       /* socket cookie */
	struct weft_addr addr; /* endpoint */
	__u16 port;	       /* host order */
	__u8 pad[6];
};

struct weft_udp_peer {
	struct weft_addr addr; /* cluster IP */
	__u16 port;	       /* host order */
	__u16 pad;
};

/* What has become of a TCP connection. */
enum weft_conn_state {
	WEFT_CONN_CHOSEN = 0,	   /* its endpoint: the kernel has not begun to connect */
	WEFT_CONN_CONNECTING = 1,  /* told when its socket closes, from here on */
	WEFT_CONN_ESTABLISHED = 2, /* counted: ends are known */
};

/*
 * A TCP connection: of one to a cluster IP what the application asked for, since connect; of any,
 * once it is established, who talks to whom. Kept so that the close is counted where the opening
 * was, that a sweep knows who opened it and that getpeername shows what was asked for.
 */
struct weft_conn {
	__u64 start_ns; /* CLOCK_MONOTONIC: when its state began, for CHOSEN and ESTABLISHED */
	__u32 service;	/* outbound: what was called and what it got, 0 = no service */
	__u32 backend;
	__u32 src_identity;
	__u32 dst_identity;
	__u32 src_workload;
	__u32 dst_workload;
	__u8 direction; /* enum weft_direction */
	__u8 state;	/* enum weft_conn_state */
	__u16 endpoint_port;
	__u16 vip_port; /* host order; 0: no service involved, vip unset */
	__u16 pad;
	struct weft_addr vip;
};

/*
 * weft_conn: index is the socket's cookie modulo WEFT_CONN_SLOTS. Cookies are given in sequence,
 * so neighbours in time have different slots. One cache line. A slot that is still CHOSEN
 * WEFT_CONN_ABANDONED_NS later is free: its socket never began to connect.
 */
enum { WEFT_CONN_SLOTS = 32768 };
#define WEFT_CONN_BUSY	       (~0ULL) /* no socket's cookie */
#define WEFT_CONN_ABANDONED_NS 1000000000ULL

struct weft_conn_slot {
	__u64 cookie; /* 0 = free; WEFT_CONN_BUSY = being written */
	struct weft_conn conn;
};

/*
 * weft_sock: socket storage, of UDP and MPTCP sockets that are connected to a cluster IP, and of
 * TCP sockets whose slot in weft_conn is another's. UDP has vip and endpoint only.
 * Read by user space through sock_diag (INET_DIAG_SK_BPF_STORAGES).
 */
struct weft_sock {
	struct weft_conn conn;
	struct weft_addr endpoint;
};

/* weft_udp_flow: who opened a UDP exchange, seen from the local pod. */
struct weft_udp_flow_key {
	struct weft_addr pod;
	struct weft_addr peer;
	__u16 pod_port; /* host order */
	__u16 peer_port;
};

struct weft_udp_flow {
	__u64 last_ns;		       /* last packet that keeps it alive, within a second */
	enum weft_direction direction; /* OUTBOUND: the pod opened it, replies pass */
	__u32 ifindex;		       /* of the pod: its address may be another's later */
};

/* weft_frag: verdict of the first fragment of a UDP datagram towards a pod. */
struct weft_frag_key {
	struct weft_addr src;
	struct weft_addr dst;
	__u32 id; /* IPv4 (16 bit) or IPv6 identification, network order bits */
	__u32 ifindex;
};

struct weft_frag {
	__u64 last_ns;
	enum weft_verdict_action action;
	__u32 pad;
};

/* weft_edge: counters of traffic that passed, per CPU. */
struct weft_edge_key {
	__u32 src_workload;
	__u32 dst_workload;
	__u32 service; /* weft_name id, 0 = addressed directly (or unknown here) */
	__u32 backend; /* weft_name id, 0 as above */
	__u16 port;    /* destination's port, host order */
	__u8 proto;
	__u8 direction; /* enum weft_direction of the reporting pod */
};

struct weft_edge {
	__u64 opened; /* TCP connections established */
	__u64 closed;
	__u64 bytes_to_dst; /* payload; TCP: acknowledged or received, added on close */
	__u64 bytes_to_src;
	__u64 datagrams_to_dst; /* UDP packets */
	__u64 datagrams_to_src;
	__u64 retransmits; /* TCP segments retransmitted by the reporting side */
	__u64 duration_us; /* sum over closed connections */
	__u64 srtt_us;	   /* sum of the last smoothed RTT over closed connections */
};

/* weft_verdict: judged connections and packets, per CPU. */
struct weft_verdict_key {
	__u32 src_workload;
	__u32 dst_workload;
	enum weft_reason reason;
	__u8 proto;  /* IPPROTO_*, 0 = not TCP or UDP */
	__u8 hook;   /* enum weft_hook */
	__u8 action; /* enum weft_verdict_action */
	__u8 pad;
};

struct weft_verdict {
	__u64 count;
};

/* weft_stat: per-CPU counters of the programs themselves, by index. */
enum weft_stat {
	WEFT_STAT_EVENTS_LOST = 0,	   /* ring buffer full */
	WEFT_STAT_EDGE_OVERFLOW = 1,	   /* weft_edge full: counted under the all-zero key */
	WEFT_STAT_VERDICT_OVERFLOW = 2,	   /* weft_verdict full: counted under its all-zero key */
	WEFT_STAT_SOCK_STORAGE_FAILED = 3, /* no memory for weft_sock (nor room in weft_conn) */
	WEFT_STAT_STICKY_FAILED = 4,	   /* weft_sticky could not be written */
	WEFT_STAT_UDP_PEER_FAILED = 5,	   /* weft_udp_peer could not be written: send refused */
	WEFT_STAT_UDP_FLOW_FAILED = 6, /* weft_udp_flow could not be written: reply will be denied
					*/
	WEFT_STAT_FRAG_FAILED = 7,    /* weft_frag could not be written: fragments will be denied */
	WEFT_STAT_REJECT_FAILED = 8,  /* RST or ICMP could not be built: dropped in silence */
	WEFT_STAT_HTTP_REORDERED = 9, /* segment of a head dropped until what is before it comes */
	WEFT_STAT_HTTP_BUSY = 10,     /* segment dropped: another CPU reads the connection */
	WEFT_STAT_HTTP_UNVERIFIED = 11, /* segment dropped: nothing tells if it is a true copy */
	WEFT_STAT_HTTP_WAITING = 12, /* denied request dropped until earlier answers are through */
	WEFT_STAT_HTTP_FLOW_FAILED = 13,  /* weft_http_flow could not be written: SYN dropped */
	WEFT_STAT_REQUEST_OVERFLOW = 14,  /* weft_request full: counted under its all-zero key */
	WEFT_STAT_LATENCY_OVERFLOW = 15,  /* weft_latency full: not counted there */
	WEFT_STAT_CLOSES_UNTOLD = 16,	  /* closes beyond the pace of events: counted, no event */
	WEFT_STAT_HTTP_ANSWERS_LOST = 17, /* connection whose answers are not told apart any more */
	WEFT_STAT_COUNT,
};

/* weft_events: ring buffer records. Fields that do not apply are zero. */
enum weft_event_type {
	WEFT_EVENT_VERDICT = 1, /* denied or would_deny */
	WEFT_EVENT_TCP_CLOSE = 2,
	WEFT_EVENT_REQUEST = 3, /* struct weft_request_event: answered (sampled), or denied (all) */
};

struct weft_event {
	__u64 time_ns;
	enum weft_event_type type;
	enum weft_reason reason;
	struct weft_addr src; /* the side that opened the connection or flow */
	struct weft_addr dst;
	__u16 src_port; /* host order; 0 = not known at this hook */
	__u16 dst_port;
	__u8 proto;
	__u8 hook;	/* enum weft_hook */
	__u8 action;	/* enum weft_verdict_action */
	__u8 direction; /* enum weft_direction */
	__u32 src_identity;
	__u32 dst_identity;
	__u32 src_workload;
	__u32 dst_workload;
	__u32 service;
	__u32 backend;
	__u64 bytes_to_dst; /* TCP_CLOSE */
	__u64 bytes_to_src;
	__u64 duration_us;
	__u32 srtt_us;
	__u32 retransmits;
};

/* The first member has the ends; its bytes and duration are zero. */
struct weft_request_event {
	struct weft_event event;
	__u64 latency_ns; /* answered: from the end of the head to the first byte of the answer */
	__u32 rule;	  /* weft_name id; 0 = none */
	__u16 status;	  /* as sent, 403 when weft denied it, 0 = reset */
	__u8 method;	  /* enum weft_http_method */
	__u8 path_len;	  /* bytes in `path`: cut at the query, at WEFT_HTTP_PATH_LEN */
	char path[WEFT_HTTP_PATH_LEN];
};

/* weft_name: numbers to names; for people, for labels, and to allocate them again after a restart.
 */
enum weft_name_kind {
	WEFT_NAME_IDENTITY = 1, /* name = ServiceAccount, detail = class or "" */
	/* name = owner, detail = "Kind/ServiceAccount"; of a pod by itself
	 * "Kind/ServiceAccount/pod", of pods that are gone, together, "Kind/ServiceAccount/" */
	WEFT_NAME_WORKLOAD = 2,
	WEFT_NAME_SERVICE = 3, /* name = Service, detail = "" */
	WEFT_NAME_RULE = 4,    /* name = TrafficTarget, detail = "HTTPRouteGroup/match" */
};

struct weft_name_key {
	enum weft_name_kind kind;
	__u32 id;
};

struct weft_name {
	char name_space[WEFT_NAMESPACE_LEN];
	char name[WEFT_NAME_LEN];
	char detail[WEFT_NAME_LEN];
};

/* The program weft_judge: a connection in question, and what the maps say about it. */
struct weft_question {
	struct weft_addr src; /* asked */
	struct weft_addr dst; /* asked: an endpoint, not a cluster IP */
	__u16 port;	      /* asked, host order */
	__u8 proto;	      /* asked */
	__u8 pad;
	enum weft_reason reason;
	enum weft_verdict_action action;
	struct weft_peer src_peer;
	struct weft_peer dst_peer;
};

/* The program weft_judge_http: a request's head in question. */
enum { WEFT_QUESTION_HEAD_LEN = 8192 };

struct weft_http_question {
	struct weft_question question; /* reason HTTP: the rest is judged */
	enum weft_reason reason;       /* of the request; HTTP when a rule allows it */
	__u32 rule;		       /* weft_name id */
	__u32 length;		       /* asked: bytes in `head` */
	__u32 pad;
	char head[WEFT_QUESTION_HEAD_LEN]; /* asked */
};

#define WEFT_ASSERT_SIZE(type, size)                  \
	_Static_assert(sizeof(struct type) == (size), \
		       #type " changed its size: new WEFT_ABI_VERSION?")

WEFT_ASSERT_SIZE(weft_addr, 16);
WEFT_ASSERT_SIZE(weft_config, 360);
WEFT_ASSERT_SIZE(weft_peer, 12);
WEFT_ASSERT_SIZE(weft_local, 48);
WEFT_ASSERT_SIZE(weft_dest, 16);
WEFT_ASSERT_SIZE(weft_policy_key, 16);
WEFT_ASSERT_SIZE(weft_iface_copy, 128);
WEFT_ASSERT_SIZE(weft_policy, 8);
WEFT_ASSERT_SIZE(weft_service_key, 20);
WEFT_ASSERT_SIZE(weft_service, 24);
WEFT_ASSERT_SIZE(weft_alias, 8);
WEFT_ASSERT_SIZE(weft_endpoint, 24);
WEFT_ASSERT_SIZE(weft_sticky_key, 32);
WEFT_ASSERT_SIZE(weft_sticky, 40);
WEFT_ASSERT_SIZE(weft_udp_peer_key, 32);
WEFT_ASSERT_SIZE(weft_udp_peer, 20);
WEFT_ASSERT_SIZE(weft_conn, 56);
WEFT_ASSERT_SIZE(weft_conn_slot, 64);
WEFT_ASSERT_SIZE(weft_sock, 72);
WEFT_ASSERT_SIZE(weft_udp_flow_key, 36);
WEFT_ASSERT_SIZE(weft_udp_flow, 16);
WEFT_ASSERT_SIZE(weft_frag_key, 40);
WEFT_ASSERT_SIZE(weft_frag, 16);
WEFT_ASSERT_SIZE(weft_edge_key, 20);
WEFT_ASSERT_SIZE(weft_edge, 72);
WEFT_ASSERT_SIZE(weft_verdict_key, 16);
WEFT_ASSERT_SIZE(weft_verdict, 8);
WEFT_ASSERT_SIZE(weft_event, 112);
WEFT_ASSERT_SIZE(weft_name_key, 8);
WEFT_ASSERT_SIZE(weft_name, 576);
WEFT_ASSERT_SIZE(weft_question, 68);
WEFT_ASSERT_SIZE(weft_http_set, 64);
WEFT_ASSERT_SIZE(weft_http_action, 8);
WEFT_ASSERT_SIZE(weft_http_section, 20);
WEFT_ASSERT_SIZE(weft_http_program, 2328);
WEFT_ASSERT_SIZE(weft_http_run, 32);
WEFT_ASSERT_SIZE(weft_http_claim, 104);
WEFT_ASSERT_SIZE(weft_http_key, 36);
WEFT_ASSERT_SIZE(weft_http_transfer, 64);
WEFT_ASSERT_SIZE(weft_http_flow, 1000);
WEFT_ASSERT_SIZE(weft_http_more, 4120);
WEFT_ASSERT_SIZE(weft_http_memo, 32);
WEFT_ASSERT_SIZE(weft_answer_memo, 536);
WEFT_ASSERT_SIZE(weft_request_key, 16);
WEFT_ASSERT_SIZE(weft_request, 16);
WEFT_ASSERT_SIZE(weft_latency_key, 16);
WEFT_ASSERT_SIZE(weft_latency, 8);
WEFT_ASSERT_SIZE(weft_request_event, 224);
WEFT_ASSERT_SIZE(weft_http_question, 8276);

#endif /* WEFT_ABI_H */
