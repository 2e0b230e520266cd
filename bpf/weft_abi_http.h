/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HTTP part of the contract between the BPF programs and user space; included by
 * weft_abi.h, whose conventions hold. What a destination's HTTP rules come to is an *HTTP
 * program*: tables for a byte-wise automaton (policy/http_*.c writes them, bpf/http_*.bpf.h runs
 * them) that knows both the rules and the grammar of RFC 9112, as strict as weft reads it.
 *
 * The automaton. A program has sections; a section has a map byte -> class and a table of
 * next states. A run is in one state of one section; it starts a section in state 0. Per byte:
 *
 *	state = next[state * WEFT_HTTP_ROW / 2 + classes[byte]]
 *	if (state >= first_action) do actions[state - first_action], which says where to go on
 *
 * A state's number is the place of its row in `next`, which takes as many units of WEFT_HTTP_ROW
 * bytes as its classes need: to multiply it out would be a third of what a byte takes.
 *
 * The byte that leads to an action is consumed. What has no valid next byte leads to DENY.
 *
 * Rules are bits. A rule (one SMI match in one TrafficTarget) has one unit bit per header
 * condition, at least one. A set says for which units a condition holds:
 *
 *	sat = method & path & mask & (bare | seen)
 *
 * `seen` gathers the sets of all header values. A request is allowed by the rules of
 *
 *	(sat & single) | (((sat & ~single) + starts) & separators)	[word by word]
 *
 * `single` are the units of rules that have just one. The units of any other rule are neighbours
 * in one word, followed by its separator bit, which is in no set: the sum carries into it only
 * when all of them are set.
 */
#ifndef WEFT_ABI_HTTP_H
#define WEFT_ABI_HTTP_H

#include "weft_abi_addr.h"

enum weft_http_limit {
	WEFT_HTTP_ARENA = 16 << 20,	 /* bytes of weft_http */
	WEFT_HTTP_ROW = 16,		 /* bytes: rows of tables begin at multiples of it */
	WEFT_HTTP_UNIT = 64,		 /* programs begin at multiples of it; offset 0 = none */
	WEFT_HTTP_PROGRAM_MAX = 2 << 20, /* bytes of one program */
	WEFT_HTTP_WORDS = 8,
	WEFT_HTTP_BITS = 512,	   /* units and separators of a destination */
	WEFT_HTTP_RULES_MAX = 256, /* per destination */
	WEFT_HTTP_NAMES_MAX = 64,  /* header names in rules, per destination */
	WEFT_HTTP_LANES = 4,	   /* sections that may run beside another */
	WEFT_HTTP_SECTIONS_MAX = 240,
	WEFT_HTTP_HEAD_DEFAULT = 16384, /* bytes of a head, request line to empty line */
	WEFT_HTTP_HEAD_MAX = 65536,
	WEFT_HTTP_PIECES = 16,
	WEFT_HTTP_MORE = 256, /* a segment of 64 KB may be 45 pieces */
	WEFT_HTTP_PENDING = 16,
	WEFT_HTTP_PATH_LEN = 96, /* of a path in an event */
	WEFT_HTTP_METHOD_LEN = 16,
	WEFT_HTTP_MEMOS = 256, /* powers of two */
	WEFT_HTTP_ANSWER_MEMOS = 64,
	WEFT_HTTP_MEMO_LEN = 512, /* bytes of a head */
};

struct weft_http_set {
	__u64 words[WEFT_HTTP_WORDS]; /* bit n: words[n / 64] >> n % 64 */
};

/*
 * Sections that every program has. Those marked * do not depend on the rules: they are the
 * same, state by state, in all programs, so that a run inside them outlives a change of rules.
 */
enum weft_http_section_id {
	WEFT_HTTP_METHOD = 0,	      /* start of a request -> METHOD */
	WEFT_HTTP_TARGET = 1,	      /* origin form, "*", "http://" -> PATH, ABSOLUTE */
	WEFT_HTTP_TARGET_CONNECT = 2, /* authority form -> PATH */
	WEFT_HTTP_AUTHORITY = 3,      /* of an absolute form, hashed -> NEXT, PATH */
	WEFT_HTTP_QUERY = 4,	      /* * -> NEXT */
	WEFT_HTTP_VERSION = 5,	      /* * "HTTP/1.x" CR LF -> VERSION */
	WEFT_HTTP_FIELD = 6,	 /* fields, up to the colon of one that matters or the empty line ->
				    NAME,     HEAD */
	WEFT_HTTP_CHUNK = 7,	 /* * size, extensions, CR LF -> HEX_DIGIT, CHUNK */
	WEFT_HTTP_CHUNK_END = 8, /* * CR LF behind a chunk's data -> NEXT (to CHUNK) */
	WEFT_HTTP_TRAILER = 9,	 /* * fields and the empty line -> MESSAGE */
	WEFT_HTTP_STATUS = 10,	 /* * start of an answer -> STATUS_DIGIT, NEXT */
	WEFT_HTTP_ANSWER_FIELD = 11,  /* * as FIELD -> NAME, HEAD */
	WEFT_HTTP_ANSWER_LENGTH = 12, /* * -> DIGIT, VALUE */
	WEFT_HTTP_ANSWER_CODING = 13, /* * -> VALUE */
	WEFT_HTTP_FIRST_OWN = 14,     /* values that rules or framing need; lanes */
};

enum weft_http_op {
	WEFT_HTTP_OP_DENY = 0,		/* arg: enum weft_reason. In an answer: not HTTP */
	WEFT_HTTP_OP_NEXT = 1,		/* just goes on in another section */
	WEFT_HTTP_OP_METHOD = 2,	/* arg: set; extra: enum weft_http_method */
	WEFT_HTTP_OP_PATH = 3,		/* arg: set, to be united with those of the lanes */
	WEFT_HTTP_OP_ABSOLUTE = 4,	/* an authority follows, which Host must equal */
	WEFT_HTTP_OP_VERSION = 5,	/* arg: 0 or 1, the minor; the request line is over */
	WEFT_HTTP_OP_NAME = 6,		/* extra: enum weft_http_field; its value follows */
	WEFT_HTTP_OP_VALUE = 7,		/* arg: set, as PATH; extra: enum weft_http_field */
	WEFT_HTTP_OP_DIGIT = 8,		/* a decimal digit of a length */
	WEFT_HTTP_OP_HEX_DIGIT = 9,	/* of a chunk's size */
	WEFT_HTTP_OP_STATUS_DIGIT = 10, /* of a status code */
	WEFT_HTTP_OP_HEAD = 11,		/* the head is complete */
	WEFT_HTTP_OP_CHUNK = 12,	/* the chunk's size line is complete */
	WEFT_HTTP_OP_MESSAGE = 13,	/* the trailers are complete */
};

/* How many digits a length and a size may have is the engine's to count (18, 16). */
enum weft_http_field {
	WEFT_HTTP_FIELD_OTHER = 0,
	WEFT_HTTP_FIELD_HOST = 1,
	WEFT_HTTP_FIELD_LENGTH = 2,	  /* Content-Length */
	WEFT_HTTP_FIELD_CHUNKED = 3,	  /* Transfer-Encoding: chunked */
	WEFT_HTTP_FIELD_OTHER_CODING = 4, /* answers only */
	WEFT_HTTP_FIELD_WEBSOCKET = 5,	  /* Upgrade: websocket */
};

enum weft_http_method {
	WEFT_HTTP_OTHER = 0, /* a token of somebody's own */
	WEFT_HTTP_GET = 1,
	WEFT_HTTP_HEAD = 2,
	WEFT_HTTP_POST = 3,
	WEFT_HTTP_PUT = 4,
	WEFT_HTTP_DELETE = 5,
	WEFT_HTTP_CONNECT = 6,
	WEFT_HTTP_OPTIONS = 7,
	WEFT_HTTP_TRACE = 8,
	WEFT_HTTP_PATCH = 9,
};

enum weft_http_section_flag {
	WEFT_HTTP_SECTION_AUTHORITY = 1, /* its bytes, but the one that ends it, are an authority */
	WEFT_HTTP_SECTION_HOST = 2,	 /* its bytes, but white space, are the value of Host */
};

enum { WEFT_HTTP_NO_SKIP = 0xffff };

struct weft_http_action {
	__u8 op;      /* enum weft_http_op */
	__u8 section; /* where the run goes on */
	__u16 state;
	__u16 arg;
	__u8 extra;
	__u8 pad;
};

/* Offsets are in bytes from the program's start; tables are aligned to their elements. */
struct weft_http_section {
	__u32 classes; /* u8[256] */
	__u32 next;    /* u16[], first_action * WEFT_HTTP_ROW bytes */
	__u32 actions; /* struct weft_http_action[]; of a lane: u16[], the sets of its states, row
			  by row */
	__u16 class_count;
	__u16 first_action; /* states from here on are actions */
	/*
	 * A state that every byte from 0x20 to 0xff but 0x7f leads back to, so that the run may
	 * skip; WEFT_HTTP_NO_SKIP = none.
	 */
	__u16 skip;
	__u8 flags; /* enum weft_http_section_flag */
	/*
	 * Another section that runs on the same bytes, or 0. A lane has no actions: its state,
	 * when this section comes to PATH or VALUE, says which set to unite with. It stays what it
	 * is at bytes that end a subject (path: space, ?; value: CR, LF). A lane may have a lane.
	 */
	__u8 lane;
};

struct weft_http_program {
	__u32 generation; /* weft_dest.generation; 0 = withdrawn: its range may be reused soon */
	__u32 size;	  /* bytes, of all of it */
	__u32 sections;	  /* offset of struct weft_http_section[section_count] */
	__u32 sets;	  /* offset of struct weft_http_set[set_count]; set 0 is empty */
	__u16 section_count;
	__u16 set_count;
	__u32 max_head; /* bytes */
	struct weft_http_set bare;
	struct weft_http_set single;
	struct weft_http_set starts;
	struct weft_http_set separators;
	__u32 rules[WEFT_HTTP_BITS]; /* bit (of `single` or `separators`) -> weft_name id */
};

/* weft_http: the one value, the arena. */
struct weft_http_arena {
	__u8 bytes[WEFT_HTTP_ARENA];
};

/* weft_scratch: working memory of a program run, per CPU; nobody else's business. */
struct weft_scratch {
	__u8 bytes[4096];
};

/* Where a stream of messages is being read, in either direction. */
struct weft_http_run {
	__u64 length;	  /* Content-Length, or the size of the chunk */
	__u32 program;	  /* offset in weft_http; 0 = none yet */
	__u32 generation; /* of the program, and of the rules */
	__u32 head_bytes;
	__u16 state;
	__u16 status; /* answers */
	__u8 section;
	__u8 digits;
	__u8 flags;   /* enum weft_http_run_flag */
	__u8 version; /* minor */
	__u8 method;  /* enum weft_http_method */
	__u8 pad[3];
};

/* What is known about a request so far. */
struct weft_http_claim {
	__u64 authority_hash; /* keyed, of both: they must be the same name */
	__u64 host_hash;
	__u32 mask; /* set of the units that the source may use on this port */
	__u16 method_set;
	__u16 path_set[WEFT_HTTP_LANES + 1];
	__u16 lane_state[WEFT_HTTP_LANES];
	struct weft_http_set seen;
};

enum weft_http_run_flag {
	WEFT_HTTP_RUN_HEAD = 1, /* a request's head has begun */
	WEFT_HTTP_RUN_LENGTH = 2,
	WEFT_HTTP_RUN_CHUNKED = 4,
	WEFT_HTTP_RUN_HOST = 8,
	WEFT_HTTP_RUN_UPGRADE = 16,
	WEFT_HTTP_RUN_ABSOLUTE = 32,
	WEFT_HTTP_RUN_OTHER_CODING = 64,
};

enum weft_http_phase {
	WEFT_HTTP_PHASE_SYN = 0,    /* the server has not answered the SYN yet */
	WEFT_HTTP_PHASE_READ = 1,   /* requests are read and judged */
	WEFT_HTTP_PHASE_HOLD = 2,   /* after an upgrade or CONNECT: nothing passes before its answer
				     */
	WEFT_HTTP_PHASE_OPAQUE = 3, /* upgraded, or L4 rules allow it now: everything passes */
	WEFT_HTTP_PHASE_DENIED = 4, /* refused: nothing passes in either direction any more */
};

enum weft_http_answer_flag {
	WEFT_HTTP_ANSWER_LOST = 1,	  /* where answers begin is not known any more */
	WEFT_HTTP_ANSWER_UNTIL_CLOSE = 2, /* this one ends with the connection */
	WEFT_HTTP_ANSWER_UPGRADED = 4, /* a 101, or a 2xx to CONNECT: all that follows is opaque */
};

/*
 * Bytes that were judged, so that a copy of them can be told from something else. Pieces end
 * where segments end and where a body, or a chunk's data, begins and ends.
 */
struct weft_http_piece {
	__u64 end; /* stream offset behind it; it begins where the one before ends */
	__u64 tag; /* keyed hash of the bytes; 0 = a body's, whatever they are */
};

/* weft_http_more: the connection whose pieces did not find room in weft_http_flow. */
struct weft_http_more_key {
	__u32 client_isn; /* together with the next, no other connection has them */
	__u32 server_isn;
	__u32 epoch; /* pieces_epoch */
	__u32 pad;
};

/* Those that stand before the pieces of weft_http_flow. */
struct weft_http_more {
	__u64 start; /* where the first one begins */
	__u32 first; /* pieces[n % WEFT_HTTP_MORE] is the oldest */
	__u32 count;
	__u32 client_isn; /* as in the key: the map may give this memory to another connection */
	__u32 server_isn;
	struct weft_http_piece pieces[WEFT_HTTP_MORE];
};

/* A request that the server has got. */
struct weft_http_pending {
	__u64 head_ns; /* when its head was complete; 0 = not known, without telemetry */
	__u32 rule;    /* weft_name id */
	__u16 number;  /* of the request, its low bits */
	__u8 method;   /* enum weft_http_method */
	__u8 upgrade;  /* 1: asked for a websocket */
};

/* weft_http_flow: a connection to a local pod that HTTP rules judge, seen from the pod. */
struct weft_http_key {
	struct weft_addr pod;
	struct weft_addr peer;
	__u16 pod_port; /* host order */
	__u16 peer_port;
};

/*
 * weft_http_epoch: element peer_port % WEFT_HTTP_EPOCHS counts the connections that have begun and
 * those that were refused.
 */
enum { WEFT_HTTP_EPOCHS = 64 };

enum weft_http_transfer_flag {
	WEFT_HTTP_TRANSFER_BODY = 1,   /* the numbers are those of one body */
	WEFT_HTTP_TRANSFER_ACKED = 2,  /* an acknowledgement of them is noted in weft_http_flow */
	WEFT_HTTP_TRANSFER_ANSWER = 4, /* they are the server's */
};

/*
 * The long body that is on its way towards a pod or from it, in weft_iface_copy: what has these
 * sequence numbers, in this connection and this tick of the kernel's clock, is part of it.
 */
struct weft_http_transfer {
	__u64 at; /* jiffies; 0 = nothing here */
	struct weft_http_key key;
	__u32 epoch; /* of weft_http_epoch, + 1 */
	__u32 seq;
	__u32 length; /* bytes from there */
	__u32 ack;    /* what segments with these bytes acknowledge */
	__u32 flags;  /* enum weft_http_transfer_flag */
};

/*
 * Stream offsets are 64 bit and count from the first byte behind the SYN. The program towards
 * the pod writes what concerns the client's bytes, the one towards the client the rest - on
 * another CPU as often as not, and cache lines that wander cost more than the reading. So what one
 * of them writes and the other one reads with each segment is one line in each direction: in an
 * element of the map 88 bytes stand before this, and its size is a multiple of a line's.
 */
struct weft_http_flow {
	/* written towards the pod, read by both */
	__u64 next;	/* next byte to read; all before are judged, bodies in advance */
	__u32 requests; /* heads that the server got */
	__u32 client_isn;
	__u32 server_isn;
	__u8 phase;	     /* enum weft_http_phase */
	__u8 denied_reason;  /* enum weft_reason */
	__u8 forbidden;	     /* 1: denied by a 403, which the client may need again */
	__u8 forbidden_head; /* 1: without a body */
	/* the last request that was alone when its head was complete */
	struct weft_http_pending alone;
	/* written towards the client, read by both */
	__u64 acked;	   /* all before it is the server's */
	__u64 server_next; /* behind the last byte that the server sent */
	__u64 answer_next; /* next byte of the answers to read */
	__u32 answers;	   /* final answers that are complete */
	__u8 answer_flags; /* enum weft_http_answer_flag */
	__u8 misses;	   /* 1: the server lacks what follows `acked`, and has said so again */
	__u8 pad[2];
	/* seldom written */
	__u64 early_start; /* bytes that came before those at answer_next, from the first... */
	__u64 early_end;   /* ...to the last; 0 = none */
	__u32 pending_isn; /* of the last SYN */
	__u32 src_identity;
	__u32 src_workload;
	__u32 dst_workload;
	/* towards the pod, with `busy` */
	__u64 body_start;  /* a body stands between this and `next`, if this is before it */
	__u64 acked_seen;  /* `acked`, when it was last looked at */
	__u32 busy;	   /* 1: a program reads the client's bytes */
	__u16 piece_first; /* pieces[n % WEFT_HTTP_PIECES] is the oldest */
	__u16 piece_count;
	__u64 pieces_start;  /* where the first of `pieces` begins */
	__u64 epoch;	     /* weft_epoch when claim.mask and run.program were looked up */
	__u64 denied_ns;     /* since when a denied request waits for earlier answers; 0 = none */
	__u32 unverified;    /* segments dropped because nothing tells whether they are copies */
	__u32 pieces_epoch;  /* of what weft_http_more has; another one: nothing of it counts */
	__u32 path_len;	     /* bytes in `path` */
	__u32 forbidden_seq; /* where the 403 stands */
	struct weft_http_run run;
	struct weft_http_claim claim;
	struct weft_http_piece pieces[WEFT_HTTP_PIECES];
	/* request n is at n % WEFT_HTTP_PENDING unless it is `alone`, or too many are waiting */
	struct weft_http_pending pending[WEFT_HTTP_PENDING];
	/* towards the client */
	struct weft_http_run answer;
	__u32 answer_busy; /* 1: a program reads the server's bytes */
	__u32 answers_begun;
	/* of the last request, if it is wanted; not the last member: kernel 6.1 sees a copy of 128
	 * bytes */
	char path[WEFT_HTTP_PATH_LEN];
	__u8 size_pad[48];
};

/*
 * weft_http_memo: a request without a body that was read and allowed, per CPU. The same bytes, to
 * the same rules, need not be read again. At element tag % WEFT_HTTP_MEMOS.
 */
struct weft_http_memo {
	__u64 tag;	  /* keyed hash of the head's bytes, all of it; 0 = nothing here */
	__u32 program;	  /* offset in weft_http, of */
	__u32 generation; /* this generation */
	__u32 mask;	  /* weft_policy.mask of its source */
	__u32 rule;	  /* weft_name id of the one that allows it */
	__u16 length;	  /* bytes */
	__u16 path_at;	  /* byte where its target begins */
	__u16 path_end;	  /* and its path ends */
	__u8 method;	  /* enum weft_http_method */
	__u8 pad;
};

/* weft_answer_memo: the head of an answer that was read, per CPU. */
struct weft_answer_memo {
	__u64 length; /* Content-Length */
	__u32 program;
	__u32 generation; /* as above */
	__u16 head;	  /* bytes; 0 = nothing here */
	__u16 status;
	__u8 flags; /* enum weft_http_run_flag */
	__u8 pad[3];
	__u64 words[WEFT_HTTP_MEMO_LEN / 8]; /* the bytes; of the last word the low ones */
};

/* weft_request: requests that were let through, per CPU; counted when answered. */
struct weft_request_key {
	__u32 src_workload;
	__u32 dst_workload;
	/*
	 * weft_name id; 0 = permissive, no rule allows it, or not known, as method and latency:
	 * more than WEFT_HTTP_PENDING requests were outstanding
	 */
	__u32 rule;
	__u16 port;  /* the pod's, host order */
	__u8 method; /* enum weft_http_method */
	__u8 status; /* class: 2 = 2xx; 0 = the connection ended, or got lost, before an answer */
};

struct weft_request {
	__u64 count;
	__u64 latency_ns; /* sum, from the end of the head to the first byte of the answer */
};

/*
 * weft_latency: histogram, per CPU. Bucket b holds latencies of
 * [(32 + b % 32) << b / 32, (33 + b % 32) << b / 32) ns * 32; below and above: the first, the last.
 */
enum { WEFT_LATENCY_BUCKETS = 832 };

struct weft_latency_key {
	__u32 src_workload;
	__u32 dst_workload;
	__u32 rule;
	__u16 port;
	__u16 bucket;
};

struct weft_latency {
	__u64 count;
};

#endif /* WEFT_ABI_HTTP_H */
