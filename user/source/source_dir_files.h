/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a manifest folder: which count, which changed, what they hold. Knows nothing
 * of inotify: whoever watches tells what it saw by files_note().
 */
#ifndef WEFT_USER_SOURCE_DIR_FILES_H
#define WEFT_USER_SOURCE_DIR_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include "user/source/source_dir_claims.h"

/* How long a file that a writer has open is left alone: after the last write, and in all. */
#define FILES_WRITER_NS	    UINT64_C(2000000000)
#define FILES_WRITER_MAX_NS UINT64_C(30000000000)

struct files;

struct files *files_new(struct claims *claims);
void files_free(struct files *files);

/* Is this the name of a manifest? */
bool files_accept(const char *name);

enum files_note {
	FILES_CHANGED, /* something about it: look again */
	FILES_WRITING, /* somebody writes into it */
	FILES_WRITTEN, /* closed by its writer, or put in place whole */
	FILES_GONE,    /* removed or renamed */
};
void files_note(struct files *files, const char *name, enum files_note note, uint64_t now_ns);

enum files_scope {
	FILES_ALL,		/* lists the folder */
	FILES_ALL_UNLESS_EMPTY, /* the same, but -ENODATA when it holds no manifest */
	FILES_NOTED,		/* looks only at what files_note() was told of */
};

struct files_scan {
	bool changed;	   /* a file came, went, or was read */
	bool symlinks;	   /* some it looked at are symbolic links: targets change unnoticed */
	uint64_t again_ns; /* when to scan again for a file that is being written, 0 = no need */
	size_t count;	   /* manifests in the folder */
};

/*
 * Compares the folder with what is known, reads what changed and tells the claims. Nothing is
 * touched when the folder cannot be listed (-errno).
 */
int files_scan(struct files *files, int dir_fd, enum files_scope scope, uint64_t now_ns,
	       struct files_scan *scan);

/* What is wrong with files as a whole. */
void files_report(const struct files *files, struct findings *findings);

/* Name of a file that never parsed, so that what it should hold is unknown; NULL = none. */
const char *files_unread(const struct files *files);

/* The present state is committed; the committed state is in force. */
void files_commit(struct files *files);
void files_applied(struct files *files);
/* {"shop.yaml": {"inode", "mtime_ns", "size", "ok"}} of the state in force. New reference. */
struct json_object *files_status(const struct files *files);

#endif /* WEFT_USER_SOURCE_DIR_FILES_H */
