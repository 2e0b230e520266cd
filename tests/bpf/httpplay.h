/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a connection from ALLY to the HTTP port of POD through the TC programs, segment by
 * segment in both directions, and shows what became of each. Offsets count a direction's bytes
 * from the first behind the SYN, as in struct weft_http_flow.
 *
 * Rules of program A: GET, HEAD, POST, PUT of /ok and what begins so; CONNECT; anything at
 * /token with the header X-Token: secret. Of program B: anything at /new.
 */
#ifndef WEFT_TESTS_BPF_HTTPPLAY_H
#define WEFT_TESTS_BPF_HTTPPLAY_H

#include "tests/bpf/tcrun.h"

enum httpplay_number {
	PLAY_GENERATION_A = 7,
	PLAY_GENERATION_B = 8,
	PLAY_CLIENT_ISN = (int)0xfffffff0, /* numbers wrap soon */
	PLAY_SERVER_ISN = (int)0xffffff00,
	PLAY_ANSWER_HEAD = 128, /* bytes of a 403's head, at most */
};

enum play_program { PLAY_A, PLAY_B, PLAY_PROGRAMS };

enum play_fate {
	PLAY_PASSED,
	PLAY_CUT, /* play->cut bytes of it passed */
	PLAY_DROPPED,
	PLAY_FORBIDDEN, /* 403 and FIN to the client, RST to the server */
	PLAY_RESET,	/* RST to both */
	PLAY_ANSWERED,	/* by weft, in the name of the other end; nothing passed */
};

/* A segment as it came out. */
struct play_segment {
	__u8 flags;
	__u32 seq;
	__u32 ack;
	size_t len;
	__u8 bytes[FRAME_MAX];
};

struct play {
	struct tcrun *run;
	struct weft_http_arena *arena;
	__u32 offsets[PLAY_PROGRAMS];
	__u32 masks[PLAY_PROGRAMS];
	int family;
	int tap; /* sees what is sent to the client in answer */
	/* The ends' state: bytes sent, and bytes of the other end that it has. */
	__u32 client_isn;
	__u32 server_isn;
	__u32 said;
	__u32 client_has;
	__u32 answered;
	__u32 server_has;
	size_t cut;
	struct play_segment out;    /* what came out, or ANSWERED */
	struct play_segment client; /* FORBIDDEN, RESET: what the client got */
};

/* cmocka fixtures: *state is the struct play. */
int play_group_setup(void **state);
int play_group_teardown(void **state);
int play_setup_v4(void **state);
int play_setup_v6(void **state);
/* The same within a test. */
void play_again(void **state);

/* Both families. */
#define PLAY_TESTS(test)                                        \
	{ #test ", IPv4", test, play_setup_v4, NULL, NULL },    \
	{                                                       \
#test ", IPv6", test, play_setup_v6, NULL, NULL \
	}

/* Skips the test where BPF is not permitted. */
struct play *play_require(void **state);

/* The handshake. */
void play_open(struct play *play);
int play_syn(struct play *play, __u32 isn);
int play_syn_ack(struct play *play);

/* A segment of the client, or of the server. Every checksum of what comes out is checked. */
enum play_fate play_client(struct play *play, __u32 offset, const void *data, size_t len,
			   __u8 flags);
enum play_fate play_server(struct play *play, __u32 offset, const void *data, size_t len,
			   __u8 flags);

/* What comes next in the stream. The client's must pass; the other end has it at once. */
void play_says(struct play *play, const char *text);
void play_answers(struct play *play, const char *text);
/* The client sends text as what comes next; it stays unsaid. */
enum play_fate play_tries(struct play *play, const char *text);
/* What was said gets acknowledged by the server. */
void play_ack(struct play *play);

struct weft_http_flow play_flow(struct play *play);
void play_store(struct play *play, const struct weft_http_flow *flow);
/* The program, its rules and its generation come into force, by one write. */
void play_rules(struct play *play, enum play_program program);
/* Nobody may use the program any more. */
void play_withdraw(struct play *play, enum play_program program);
/* Requests counted; status class or method 0xff: any. */
__u64 play_requests(struct play *play, __u8 method, __u8 status);
__u64 play_denials(struct play *play, enum weft_reason reason);

#endif /* WEFT_TESTS_BPF_HTTPPLAY_H */
