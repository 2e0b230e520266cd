// SPDX-License-Identifier: Apache-2.0
/*
 * The folder source: inotify says that something happened, a scan after a few quiet
 * milliseconds finds out what. A Kubernetes ConfigMap volume swaps a link (..data) that is no
 * manifest itself, so every event leads to a scan, and a scan follows links.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/log.h"
#include "user/source/source_dir_files.h"

enum {
	QUIET_MS = 1,		 /* without an event before a scan... */
	QUIET_MAX_MS = 50,	 /* ...but no later than this after the first one */
	LOOK_MS = 1000,		 /* is the folder still the same one; links' targets */
	LOOK_MISSING_MS = 100,	 /* has the folder come back */
	LOOK_UNWATCHED_MS = 500, /* inotify does not work: look for changes */
	HANDLES = 3,
};

struct source_dir {
	struct source source;
	uv_loop_t *loop;
	char *path;
	struct source_sink sink;
	struct claims *claims;
	struct files *files;
	struct findings findings;
	char problem[256]; /* why the folder cannot be read, "" when it can */
	int inotify;
	int watch;    /* -1 = not watched */
	dev_t device; /* of the watched folder */
	ino_t inode;
	bool started; /* handles are open */
	bool synced;  /* it was read once */
	bool symlinks;
	bool scan_all;	      /* events do not tell what changed */
	uint64_t first_event; /* uv_now() of the first event not yet scanned for, 0 = none */
	uv_poll_t poll;
	uv_timer_t quiet; /* scans */
	uv_timer_t look;
	unsigned int open_handles;
};

static struct source_dir *from_source(const struct source *source)
{
	return (struct source_dir *)source;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void unwatch(struct source_dir *dir)
{
	if (dir->watch >= 0)
		inotify_rm_watch(dir->inotify, dir->watch);
	dir->watch = -1;
}

/* Watches the folder behind this descriptor, whatever has its name by now. */
static void watch(struct source_dir *dir, int fd, const struct stat *stat)
{
	char path[64];

	if (dir->watch >= 0 && dir->device == stat->st_dev && dir->inode == stat->st_ino)
		return;
	unwatch(dir);
	dir->device = stat->st_dev;
	dir->inode = stat->st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	dir->watch = inotify_add_watch(dir->inotify, path,
				       IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
					       IN_MODIFY | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF |
					       IN_MOVE_SELF | IN_ONLYDIR);
	if (dir->watch < 0)
		log_warn("manifest folder cannot be watched, looking for changes instead", "path",
			 dir->path, "error", strerror(errno));
}

static void commit(struct source_dir *dir)
{
	claims_deliver(dir->claims);
	findings_clear(&dir->findings);
	if (dir->problem[0])
		finding_add_file(&dir->findings, dir->path, "FolderUnreadable",
				 "The objects that were read last stay in force.", "%s",
				 dir->problem);
	files_report(dir->files, &dir->findings);
	claims_report(dir->claims, &dir->findings);
	files_commit(dir->files);
	dir->sink.commit(dir->sink.context, dir->synced);
}

/* Returns whether that is news. */
static bool set_problem(struct source_dir *dir, int err, const char *text)
{
	char problem[sizeof(dir->problem)] = "";

	if (err)
		snprintf(problem, sizeof(problem), "%s", text ? text : strerror(-err));
	if (!strcmp(problem, dir->problem))
		return false;
	memcpy(dir->problem, problem, sizeof(problem));
	if (err)
		log_warn("manifest folder cannot be read", "path", dir->path, "error", problem);
	else
		log_info("manifest folder is back", "path", dir->path);
	return true;
}

/*
 * Another folder in the place of the one that was read, and nothing in it: not filled yet, or
 * not mounted. That is not the order to drop all objects.
 */
static enum files_scope scan_scope(const struct source_dir *dir, const struct stat *stat)
{
	if (!dir->synced)
		return FILES_ALL;
	if (dir->problem[0] || dir->device != stat->st_dev || dir->inode != stat->st_ino)
		return FILES_ALL_UNLESS_EMPTY;
	return dir->scan_all || dir->watch < 0 ? FILES_ALL : FILES_NOTED;
}

/* Reads what changed. Returns 0, or why the folder cannot be read. */
static int scan_folder(struct source_dir *dir, struct files_scan *scan)
{
	enum files_scope scope;
	struct stat stat;
	int fd, err;

	memset(scan, 0, sizeof(*scan));
	fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &stat) ? -errno : 0;
	if (!err) {
		scope = scan_scope(dir, &stat);
		watch(dir, fd, &stat);
		err = files_scan(dir->files, fd, scope, clock_ns(), scan);
		dir->symlinks = scan->symlinks || (dir->symlinks && scope == FILES_NOTED);
	}
	close(fd);
	return err;
}

static void on_quiet(uv_timer_t *timer);
static void on_look(uv_timer_t *timer);

static void look_later(struct source_dir *dir)
{
	unsigned int ms = LOOK_MS;

	if (dir->problem[0])
		ms = LOOK_MISSING_MS;
	else if (dir->watch < 0)
		ms = LOOK_UNWATCHED_MS;
	uv_timer_start(&dir->look, on_look, ms, 0);
}

static void scan(struct source_dir *dir)
{
	struct files_scan result;
	bool changed, first;
	uint64_t now;
	int err;

	dir->first_event = 0;
	uv_timer_stop(&dir->quiet);
	err = scan_folder(dir, &result);
	dir->scan_all = false;
	if (err == -ENOENT || err == -ENOTDIR)
		unwatch(dir);
	changed = set_problem(dir, err,
			      err == -ENODATA ? "it was replaced by an empty folder" : NULL);
	first = !err && !dir->synced;
	dir->synced |= !err;
	if (result.again_ns) {
		now = clock_ns();
		uv_timer_start(&dir->quiet, on_quiet,
			       result.again_ns > now ? (result.again_ns - now) / 1000000 + 1 : 1,
			       0);
	}
	look_later(dir);
	if (changed || first || result.changed)
		commit(dir);
}

static void on_quiet(uv_timer_t *timer)
{
	scan(timer->data);
}

static void on_look(uv_timer_t *timer)
{
	struct source_dir *dir = timer->data;
	struct stat now;

	if (dir->problem[0] || dir->watch < 0 || dir->symlinks || stat(dir->path, &now) ||
	    now.st_dev != dir->device || now.st_ino != dir->inode) {
		dir->scan_all = true;
		scan(dir);
	} else {
		look_later(dir);
	}
}

/* A scan follows when nothing has happened for a moment. */
static void scan_soon(struct source_dir *dir)
{
	uint64_t now, since, delay = QUIET_MS;

	uv_update_time(dir->loop);
	now = uv_now(dir->loop);
	if (!dir->first_event)
		dir->first_event = now ? now : 1;
	since = now - dir->first_event;
	if (since + delay > QUIET_MAX_MS)
		delay = since < QUIET_MAX_MS ? QUIET_MAX_MS - since : 0;
	uv_timer_start(&dir->quiet, on_quiet, delay, 0);
}

/* Does whoever makes a file under this name still have to write it? */
static bool is_being_made(const struct source_dir *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat stat;

	if (snprintf(path, sizeof(path), "%s/%s", dir->path, name) >= (int)sizeof(path))
		return false;
	return !lstat(path, &stat) && S_ISREG(stat.st_mode) && stat.st_nlink == 1;
}

static enum files_note note_of(const struct source_dir *dir, const struct inotify_event *event)
{
	if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		return FILES_WRITTEN;
	if (event->mask & (IN_DELETE | IN_MOVED_FROM))
		return FILES_GONE;
	if (event->mask & IN_MODIFY)
		return FILES_WRITING;
	if (event->mask & IN_CREATE)
		return is_being_made(dir, event->name) ? FILES_WRITING : FILES_WRITTEN;
	return FILES_CHANGED;
}

static void take_event(struct source_dir *dir, const struct inotify_event *event)
{
	if (event->wd != dir->watch) {
		/* Of a folder that is not watched any more; or IN_Q_OVERFLOW, which has none. */
		dir->scan_all |= event->mask & IN_Q_OVERFLOW;
		return;
	}
	if (event->mask & IN_IGNORED)
		dir->watch = -1;
	/* The folder itself; or a name that links may lead through, as ..data of a ConfigMap. */
	if (!event->len || (dir->symlinks && !files_accept(event->name)))
		dir->scan_all = true;
	else
		files_note(dir->files, event->name, note_of(dir, event), clock_ns());
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct source_dir *dir = poll->data;
	char buffer[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t size, at;

	(void)status;
	(void)events;
	while ((size = read(dir->inotify, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < size; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(buffer + at);
			take_event(dir, event);
		}
		scan_soon(dir);
	}
}

static int source_dir_start(struct source *source)
{
	struct source_dir *dir = from_source(source);
	int err;

	err = uv_poll_init(dir->loop, &dir->poll, dir->inotify);
	if (err)
		return err;
	uv_timer_init(dir->loop, &dir->quiet);
	uv_timer_init(dir->loop, &dir->look);
	dir->poll.data = dir->quiet.data = dir->look.data = dir;
	dir->started = true;
	uv_poll_start(&dir->poll, UV_READABLE, on_events);
	scan(dir);
	return 0;
}

static void source_dir_rescan(struct source *source)
{
	from_source(source)->scan_all = true;
	scan(from_source(source));
}

static struct json_object *source_dir_status(const struct source *source)
{
	const struct source_dir *dir = from_source(source);
	struct json_object *status = json_object_new_object();

	json_object_object_add(status, "kind", json_object_new_string("dir"));
	json_object_object_add(status, "path", json_object_new_string(dir->path));
	json_object_object_add(status, "synced", json_object_new_boolean(dir->synced));
	if (dir->problem[0])
		json_object_object_add(status, "problem", json_object_new_string(dir->problem));
	json_object_object_add(status, "files", files_status(dir->files));
	return status;
}

static void source_dir_applied(struct source *source)
{
	files_applied(from_source(source)->files);
}

static const struct findings *source_dir_findings(const struct source *source)
{
	return &from_source(source)->findings;
}

static void release(struct source_dir *dir)
{
	close(dir->inotify);
	files_free(dir->files);
	claims_free(dir->claims);
	findings_clear(&dir->findings);
	free(dir->path);
	free(dir);
}

static void on_closed(uv_handle_t *handle)
{
	struct source_dir *dir = handle->data;

	if (!--dir->open_handles)
		release(dir);
}

/* The memory goes when the loop has closed the handles. */
static void source_dir_free(struct source *source)
{
	struct source_dir *dir = from_source(source);

	if (!dir->started) {
		release(dir);
		return;
	}
	dir->open_handles = HANDLES;
	uv_close((uv_handle_t *)&dir->poll, on_closed);
	uv_close((uv_handle_t *)&dir->quiet, on_closed);
	uv_close((uv_handle_t *)&dir->look, on_closed);
}

static const char *source_dir_unread(const struct source *source)
{
	return files_unread(((const struct source_dir *)source)->files);
}

static const struct source_ops source_dir_ops = {
	.start = source_dir_start,
	.rescan = source_dir_rescan,
	.status = source_dir_status,
	.applied = source_dir_applied,
	.findings = source_dir_findings,
	.unread = source_dir_unread,
	.free = source_dir_free,
};

int source_dir_new(struct uv_loop_s *loop, const char *path, const struct source_sink *sink,
		   struct source **source)
{
	struct source_dir *dir;
	int inotify;

	inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (inotify < 0)
		return -errno;
	dir = memory_alloc(sizeof(*dir));
	dir->source.ops = &source_dir_ops;
	dir->loop = loop;
	dir->path = memory_strdup(path);
	dir->sink = *sink;
	dir->inotify = inotify;
	dir->watch = -1;
	dir->claims = claims_new(&dir->sink);
	dir->files = files_new(dir->claims);
	*source = &dir->source;
	return 0;
}
