// SPDX-License-Identifier: Apache-2.0
/* Runs kubectl, several times at once, without a shell. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/memory.h"
#include "tools/weft/kubectl/kubectl.h"

enum { AT_ONCE = 8, WORDS_MAX = 16, DEPTH = 64 };

extern char **environ;

/* One that runs, or has run. */
struct child {
	pid_t pid;  /* -1: it could not be started */
	int output; /* what it prints; never waits for a reader */
};

/* `words` end with NULL. */
static struct child start(const struct kubectl *kubectl, const char *const *words, bool quiet)
{
	struct child child = { -1, memfd_create("kubectl", MFD_CLOEXEC) };
	const char *arguments[WORDS_MAX] = { "kubectl" };
	posix_spawn_file_actions_t actions;
	size_t count = 1, i;
	int error;

	for (i = 0; i < kubectl->flag_count; i++)
		arguments[count++] = kubectl->flags[i];
	for (i = 0; words[i]; i++)
		arguments[count++] = words[i];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, child.output, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&child.pid, "kubectl", &actions, NULL, (char *const *)arguments,
			     environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		cli_fail("cannot run kubectl: %s", strerror(error));
		child.pid = -1;
	}
	return child;
}

/* What it printed; NULL when it failed. The caller frees it. */
static char *finish(struct child *child)
{
	struct stat status;
	char *text = NULL;
	int exit_status;

	if (child->pid > 0) {
		while (waitpid(child->pid, &exit_status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(exit_status) && !WEXITSTATUS(exit_status) &&
		    !fstat(child->output, &status)) {
			text = memory_alloc((size_t)status.st_size + 1);
			if (pread(child->output, text, (size_t)status.st_size, 0) !=
			    status.st_size) {
				free(text);
				text = NULL;
			}
		}
	}
	if (child->output >= 0)
		close(child->output);
	return text;
}

static struct json_object *parse(const char *text)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *json = json_tokener_parse_ex(tokener, text, (int)strlen(text));

	json_tokener_free(tokener);
	if (json_object_is_type(json, json_type_object))
		return json;
	json_object_put(json);
	return NULL;
}

void kubectl_get(const struct kubectl *kubectl, char *const *paths, size_t count,
		 struct json_object **answers, bool quiet)
{
	struct child children[AT_ONCE];
	size_t first, i, size;
	char *text;

	for (first = 0; first < count; first += size) {
		size = count - first < AT_ONCE ? count - first : AT_ONCE;
		for (i = 0; i < size; i++) {
			const char *const words[] = { "get", "--raw", paths[first + i], NULL };

			children[i] = start(kubectl, words, quiet);
		}
		for (i = 0; i < size; i++) {
			text = finish(&children[i]);
			answers[first + i] = text ? parse(text) : NULL;
			free(text);
		}
	}
}

char *kubectl_namespace(const struct kubectl *kubectl)
{
	static const char *const words[] = {
		"config", "view", "--minify", "-o", "jsonpath={..namespace}", NULL
	};
	struct child child;
	char *text;

	if (kubectl->all_namespaces)
		return memory_strdup("");
	if (kubectl->cli.name_space)
		return memory_strdup(kubectl->cli.name_space);
	/* in a pod there is no configuration, and no need to say so */
	child = start(kubectl, words, true);
	text = finish(&child);
	if (text && *text)
		return text;
	free(text);
	return memory_strdup("default");
}
