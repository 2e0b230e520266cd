/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and links of one node: load, pin, adopt, attach, upgrade, detach.
 *
 * Layout below the pin root (on a bpffs):
 *	<root>/weft_*			maps
 *	<root>/build			which build the pins are of (a symbolic link to nowhere)
 *	<root>/programs/<program>	programs
 *	<root>/links/cg_<program>	links of cgroup programs
 *	<root>/links/tc_<ifindex>_to_pod, tc_<ifindex>_from_pod
 *					TC links (tcx; below Linux 6.6 clsact filters, which
 *					have no pin: their place is kept by a symbolic link
 *					to nowhere)
 */
#ifndef WEFT_LOADER_LOADER_H
#define WEFT_LOADER_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/maps.h"

enum { LOADER_ERROR_LEN = 512 };

struct loader_options {
	const char *root;   /* pin root, e.g. /sys/fs/bpf/weft; its parent is on a bpffs */
	const char *cgroup; /* cgroup2 directory that holds the node's pods */
	const char *node;   /* node name, for weft_config */
	const char *listen; /* the agent's HTTP address, for weft_config */
	uint32_t request_sample, request_path; /* as in weft_config */
	uint32_t max_entries[MAP_ID_COUNT];    /* 0 = default of bpf/maps.bpf.h */
	bool no_telemetry;  /* nothing is counted but verdicts, no event is sent: see weft_telemetry
			     */
	const char *object; /* path of a BPF object instead of the built-in one; for tests */
};

struct loader;

/* As in syslog: the lower the graver. */
enum loader_log_level { LOADER_LOG_ERROR, LOADER_LOG_WARNING, LOADER_LOG_INFO, LOADER_LOG_DEBUG };

/*
 * Where the loader's remarks go (a map that keeps its pinned size, a link that was replaced), and
 * libbpf's messages, those one level down. Texts are single lines. NULL, the default, drops them;
 * what explains a failure is in the function's `error` in any case. For the whole process.
 */
void loader_set_log(void (*log)(int level, const char *text));

/* Nanoseconds that loader_open() took, by phase. */
struct loader_timing {
	uint64_t check_ns; /* bpffs, privileges, lock */
	uint64_t adopt_ns; /* parse the object, look at pinned maps */
	uint64_t load_ns;  /* create maps, verify and load programs; 0 when all pins are of this
			      build */
	uint64_t pin_ns;
	uint64_t attach_ns;
};

/*
 * Becomes the agent of this root: locks it (flock on the directory: -EBUSY when another agent
 * lives), checks for bpffs (-EINVAL) and privileges (-EPERM), adopts pinned maps whose ABI version
 * and sizes fit or creates them, loads the programs, pins everything, and attaches the
 * cgroup programs - over pinned links by bpf_link_update, so that nothing is ever unattended.
 * Where the pinned maps are of another ABI version, all of that waits for loader_switch().
 * -EPROTO when they cannot be told, or are laid out otherwise. On failure nothing that enforced
 * before is undone, and `error` says what failed and the remedy, in one line.
 */
int loader_open(const struct loader_options *options, struct loader **loader,
		char error[LOADER_ERROR_LEN]);

/*
 * The other ABI version whose maps and programs are in force, 0 = none. Ours are loaded then but
 * neither pinned nor attached: they are to be filled first, weft_iface for all interfaces that have
 * links. Of known versions they share what means the same: names, counters, sockets' records.
 */
uint32_t loader_staged_from(const struct loader *loader);
/*
 * Brings every link to our programs and pins our things in the place of the others. On failure,
 * and after a crash at any point, each link leads to either, with all its maps; to be
 * tried again. 0 also when nothing is staged.
 */
int loader_switch(struct loader *loader, char error[LOADER_ERROR_LEN]);

/* Closes descriptors and the lock. Everything pinned stays in force. NULL is fine. */
void loader_close(struct loader *loader);

struct maps *loader_maps(struct loader *loader);
const struct loader_timing *loader_timing(const struct loader *loader);

/*
 * Attaches both TC programs to an interface of this network namespace, or updates what is
 * pinned for that ifindex to the loaded programs. Idempotent; replaces links whose device is gone.
 * -ENODEV when the interface does not exist.
 */
int loader_attach_interface(struct loader *loader, uint32_t ifindex, char error[LOADER_ERROR_LEN]);
/* Detaches and unpins; 0 also when nothing was attached. */
int loader_detach_interface(struct loader *loader, uint32_t ifindex);

/* One attached (or should-be-attached) program, for status, verify and detach. */
struct loader_link {
	char name[64];	  /* pin's name, "cg_weft_connect4" */
	char hook[32];	  /* "cgroup connect4", "tc egress (to pod)" */
	char target[256]; /* cgroup path or interface name (ifindex) */
	char program[16]; /* program that is attached, "" when none */
	uint32_t ifindex; /* TC only */
	uint32_t link_id, program_id;
	uint8_t tag[8], expected_tag[8]; /* of the attached program and of the pinned program */
	bool alive;			 /* attached to a living target */
	bool current;			 /* it is the pinned program of that hook */
};

/* Walks the pinned links of a root (no lock needed). -ENOENT when the root has none. */
int loader_each_link(const char *root,
		     int (*callback)(const struct loader_link *link, void *context), void *context);

struct loader_program {
	char name[16];
	char type[32];
	uint32_t id;
	uint8_t tag[8];
	uint64_t loaded_at;    /* Unix seconds */
	uint32_t instructions; /* translated size in bytes / 8 */
	uint32_t verified_instructions;
	uint64_t run_count, run_time_ns; /* 0 unless kernel.bpf_stats_enabled */
};
int loader_each_program(const char *root,
			int (*callback)(const struct loader_program *program, void *context),
			void *context);

/*
 * Removes everything below the root from the node: links (detached), programs, maps, directories.
 * Refuses with -EBUSY while an agent holds the lock. Reports each removed thing ("link", "cg_...").
 */
int loader_detach_all(const char *root,
		      void (*report)(const char *what, const char *name, void *context),
		      void *context, char error[LOADER_ERROR_LEN]);

#endif /* WEFT_LOADER_LOADER_H */
