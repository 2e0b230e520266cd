// SPDX-License-Identifier: Apache-2.0
#include "user/source/source_dir_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "policy/memory.h"
#include "user/source/manifest.h"
#include "user/source/utf8.h"

struct file_version {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
};

/* A file's version as of some moment, and whether that version parses. */
struct file_state {
	bool present;
	bool ok;
	struct file_version version;
};

struct file {
	char *name;  /* hash key */
	char *shown; /* the name as UTF-8 */
	struct file_state now, committed, applied;
	bool known;			    /* its content was read, or tried to */
	bool parsed;			    /* some version of it was */
	bool foreign;			    /* a directory, device, ...: it was no manifest */
	bool touched;			    /* read it again, whatever its times say */
	bool seen;			    /* by the scan in progress */
	bool noted, uncommitted, unapplied; /* it is in the list of that name */
	uint64_t busy_ns;     /* a writer has it open: not before this time; 0 = none */
	uint64_t busy_max_ns; /* to which that may be extended */
	struct findings findings;
	UT_hash_handle hh;
};

struct file_list {
	struct file **items;
	size_t count, capacity;
};

/* The lists keep the cost of a change independent of the number of files. */
struct files {
	struct claims *claims;
	struct file *by_name;
	struct file_list noted;	      /* files_note() told of them */
	struct file_list uncommitted; /* `now` differs from `committed` */
	struct file_list unapplied;   /* `committed` differs from `applied` */
	size_t troubled;	      /* files with findings */
};

struct files *files_new(struct claims *claims)
{
	struct files *files = memory_alloc(sizeof(*files));

	files->claims = claims;
	return files;
}

static void list_add(struct file_list *list, struct file *file, bool *listed)
{
	size_t i;

	if (*listed)
		return;
	*listed = true;
	i = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
	list->items[i] = file;
}

static void file_free(struct files *files, struct file *file)
{
	HASH_DELETE(hh, files->by_name, file);
	findings_clear(&file->findings);
	free(file->name);
	free(file->shown);
	free(file);
}

void files_free(struct files *files)
{
	struct file *file, *next;

	if (!files)
		return;
	HASH_ITER(hh, files->by_name, file, next)
		file_free(files, file);
	free(files->noted.items);
	free(files->uncommitted.items);
	free(files->unapplied.items);
	free(files);
}

bool files_accept(const char *name)
{
	static const char *const endings[] = { ".yaml", ".yml", ".json" };
	size_t len = strlen(name), i;

	if (name[0] == '.')
		return false;
	for (i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t end = strlen(endings[i]);

		if (len > end && !strcmp(name + len - end, endings[i]))
			return true;
	}
	return false;
}

static struct file *file_get(struct files *files, const char *name)
{
	struct file *file;

	HASH_FIND_STR(files->by_name, name, file);
	if (file)
		return file;
	file = memory_alloc(sizeof(*file));
	file->name = memory_strdup(name);
	file->shown = utf8_clean(name);
	HASH_ADD_KEYPTR(hh, files->by_name, file->name, strlen(file->name), file);
	return file;
}

/* Every write begins the time anew. */
static void file_set_busy(struct file *file, uint64_t now_ns)
{
	if (!file->busy_ns)
		file->busy_max_ns = now_ns + FILES_WRITER_MAX_NS;
	file->busy_ns = now_ns + FILES_WRITER_NS;
	if (file->busy_ns > file->busy_max_ns)
		file->busy_ns = file->busy_max_ns;
}

void files_note(struct files *files, const char *name, enum files_note note, uint64_t now_ns)
{
	struct file *file;

	if (!files_accept(name))
		return;
	file = file_get(files, name);
	file->touched = true;
	list_add(&files->noted, file, &file->noted);
	if (note == FILES_WRITING)
		file_set_busy(file, now_ns);
	else if (note == FILES_WRITTEN || note == FILES_GONE)
		file->busy_ns = 0;
}

static struct file_version version_of(const struct stat *stat)
{
	return (struct file_version){
		.device = stat->st_dev,
		.inode = stat->st_ino,
		.size = (uint64_t)stat->st_size,
		.mtime_ns = stat->st_mtim.tv_sec * INT64_C(1000000000) + stat->st_mtim.tv_nsec,
		.ctime_ns = stat->st_ctim.tv_sec * INT64_C(1000000000) + stat->st_ctim.tv_nsec,
	};
}

static bool version_equal(const struct file_version *a, const struct file_version *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The whole text; one byte more than the limit is enough for manifest_read() to refuse it. */
static int text_read(int fd, char **text, size_t *length)
{
	size_t capacity = 0, used = 0;
	ssize_t got = 1;

	*text = NULL;
	while (got > 0 && used <= MANIFEST_SIZE_MAX) {
		if (used == capacity) {
			capacity = capacity ? capacity * 2 : 16384;
			*text = memory_realloc_array(*text, capacity, 1);
		}
		got = read(fd, *text + used, capacity - used);
		if (got > 0)
			used += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	*length = used;
	return got < 0 ? -errno : 0;
}

/* Opens and reads; *version is that of the text. -EAGAIN: it changed meanwhile. */
static int file_read(int dir_fd, const char *name, struct file_version *version, char **text,
		     size_t *length)
{
	struct file_version after;
	struct stat stat;
	int fd, err;

	*text = NULL;
	/* Not blocking: it may be a FIFO. */
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &stat) ? -errno : 0;
	if (!err && !S_ISREG(stat.st_mode))
		err = -EINVAL;
	if (!err) {
		*version = version_of(&stat);
		err = text_read(fd, text, length);
	}
	if (!err && fstat(fd, &stat))
		err = -errno;
	if (!err) {
		after = version_of(&stat);
		err = version_equal(version, &after) ? 0 : -EAGAIN;
	}
	close(fd);
	return err;
}

static void file_load(struct files *files, struct file *file, const char *text, size_t length)
{
	struct json_object *items = NULL;

	file->now.ok = !manifest_read(text, length, file->shown, &items, &file->findings);
	file->parsed |= file->now.ok;
	if (file->now.ok)
		claims_set_file(files->claims, file->name, items);
	json_object_put(items);
}

static void file_unreadable(struct file *file, int err)
{
	file->now.ok = false;
	finding_add_file(&file->findings, file->shown, "Unreadable",
			 "Its objects stay as they were read last.", "cannot be read: %s",
			 err == -EINVAL ? "it is not a regular file" : strerror(-err));
}

static void scan_again(struct files_scan *scan, uint64_t when_ns)
{
	if (!scan->again_ns || when_ns < scan->again_ns)
		scan->again_ns = when_ns;
}

/* Its state is about to be replaced. */
static void file_begin(struct files *files, struct file *file)
{
	files->troubled -= file->findings.count > 0;
	findings_clear(&file->findings);
	memset(&file->now, 0, sizeof(file->now));
	file->busy_ns = 0;
	file->touched = false;
	list_add(&files->uncommitted, file, &file->uncommitted);
}

/* `stat` is that of the name in the folder now; a link's target counts, all-zero = it has none. */
static void file_update(struct files *files, struct file *file, int dir_fd, uint64_t now_ns,
			const struct stat *stat, struct files_scan *scan)
{
	bool foreign = stat->st_nlink && !S_ISREG(stat->st_mode);
	struct file_version version = version_of(stat);
	size_t length = 0;
	char *text = NULL;
	int err = -EINVAL;

	if (file->known && !file->touched && version_equal(&file->now.version, &version))
		return;
	if (file->busy_ns > now_ns) {
		scan_again(scan, file->busy_ns);
		return;
	}
	/* Opening alone may do something to a device. */
	if (!foreign)
		err = file_read(dir_fd, file->name, &version, &text, &length);
	if (err == -EAGAIN && file->busy_ns == 0) {
		/* A writer that was not seen to begin. */
		file_set_busy(file, now_ns);
		file->touched = true;
		list_add(&files->noted, file, &file->noted);
		scan_again(scan, file->busy_ns);
		free(text);
		return;
	}
	file_begin(files, file);
	file->known = true;
	file->foreign = foreign;
	file->now.present = S_ISREG(stat->st_mode);
	file->now.version = version;
	if (err && err != -EAGAIN)
		file_unreadable(file, err);
	else
		file_load(files, file, text, length);
	files->troubled += file->findings.count > 0;
	scan->changed = true;
	free(text);
}

static void file_vanish(struct files *files, struct file *file, struct files_scan *scan)
{
	if (file->known) {
		claims_set_file(files->claims, file->name, NULL);
		scan->changed = true;
	}
	file->known = false;
	file_begin(files, file);
}

/* False: there is no file of that name. */
static bool scan_name(struct files *files, int dir_fd, const char *name, uint64_t now_ns,
		      struct files_scan *scan)
{
	struct stat link, stat;
	struct file *file;

	if (fstatat(dir_fd, name, &link, AT_SYMLINK_NOFOLLOW))
		return false;
	stat = link;
	if (S_ISLNK(link.st_mode)) {
		scan->symlinks = true;
		/* Where it leads nowhere, reading it says why. */
		if (fstatat(dir_fd, name, &stat, 0))
			memset(&stat, 0, sizeof(stat));
	}
	file = file_get(files, name);
	file->seen = true;
	file_update(files, file, dir_fd, now_ns, &stat, scan);
	return true;
}

static void scan_noted(struct files *files, int dir_fd, uint64_t now_ns, struct files_scan *scan)
{
	size_t i;

	for (i = 0; i < files->noted.count; i++)
		if (!scan_name(files, dir_fd, files->noted.items[i]->name, now_ns, scan))
			file_vanish(files, files->noted.items[i], scan);
}

/* Keeps those that could not be read yet. */
static void noted_settle(struct files *files)
{
	struct file_list *noted = &files->noted;
	size_t i, kept = 0;

	for (i = 0; i < noted->count; i++) {
		noted->items[i]->noted = noted->items[i]->touched;
		if (noted->items[i]->noted)
			noted->items[kept++] = noted->items[i];
	}
	noted->count = kept;
}

struct name_list {
	char **items;
	size_t count, capacity;
};

static int list_folder(int dir_fd, struct name_list *names)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	size_t i;
	DIR *dir;
	int err;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (!files_accept(entry->d_name))
			continue;
		i = memory_grow(&names->items, &names->count, &names->capacity,
				sizeof(*names->items));
		names->items[i] = memory_strdup(entry->d_name);
	}
	err = -errno;
	closedir(dir);
	return err;
}

static int scan_all(struct files *files, int dir_fd, bool unless_empty, uint64_t now_ns,
		    struct files_scan *scan)
{
	struct name_list names = {};
	struct file *file;
	size_t i;
	int err;

	err = list_folder(dir_fd, &names);
	if (!err && unless_empty && !names.count)
		err = -ENODATA;
	if (err)
		goto cleanup;
	for (file = files->by_name; file; file = file->hh.next)
		file->seen = false;
	for (i = 0; i < names.count; i++)
		scan_name(files, dir_fd, names.items[i], now_ns, scan);
	for (file = files->by_name; file; file = file->hh.next)
		if (!file->seen)
			file_vanish(files, file, scan);
cleanup:
	for (i = 0; i < names.count; i++)
		free(names.items[i]);
	free(names.items);
	return err;
}

int files_scan(struct files *files, int dir_fd, enum files_scope scope, uint64_t now_ns,
	       struct files_scan *scan)
{
	int err = 0;

	memset(scan, 0, sizeof(*scan));
	if (scope == FILES_NOTED)
		scan_noted(files, dir_fd, now_ns, scan);
	else
		err = scan_all(files, dir_fd, scope == FILES_ALL_UNLESS_EMPTY, now_ns, scan);
	if (!err)
		noted_settle(files);
	return err;
}

const char *files_unread(const struct files *files)
{
	const struct file *file;

	if (!files->troubled)
		return NULL;
	for (file = files->by_name; file; file = file->hh.next)
		if (file->known && !file->foreign && file->findings.count && !file->parsed)
			return file->shown;
	return NULL;
}

void files_report(const struct files *files, struct findings *findings)
{
	const struct file *file;

	if (!files->troubled)
		return;
	for (file = files->by_name; file; file = file->hh.next)
		findings_append(findings, &file->findings);
}

void files_commit(struct files *files)
{
	struct file *file;
	size_t i;

	for (i = 0; i < files->uncommitted.count; i++) {
		file = files->uncommitted.items[i];
		file->committed = file->now;
		file->uncommitted = false;
		list_add(&files->unapplied, file, &file->unapplied);
	}
	files->uncommitted.count = 0;
}

void files_applied(struct files *files)
{
	struct file *file;
	size_t i;

	for (i = 0; i < files->unapplied.count; i++) {
		file = files->unapplied.items[i];
		file->applied = file->committed;
		file->unapplied = false;
		if (!file->applied.present && !file->known && !file->noted && !file->uncommitted)
			file_free(files, file);
	}
	files->unapplied.count = 0;
}

struct json_object *files_status(const struct files *files)
{
	struct json_object *all = json_object_new_object(), *one;
	const struct file *file;

	for (file = files->by_name; file; file = file->hh.next) {
		const struct file_version *version = &file->applied.version;

		if (!file->applied.present)
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "inode", json_object_new_uint64(version->inode));
		json_object_object_add(one, "mtime_ns", json_object_new_int64(version->mtime_ns));
		json_object_object_add(one, "size", json_object_new_uint64(version->size));
		json_object_object_add(one, "ok", json_object_new_boolean(file->applied.ok));
		json_object_object_add(all, file->shown, one);
	}
	return all;
}
