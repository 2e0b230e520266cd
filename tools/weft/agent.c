// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/agent.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

enum { AGENT_TIMEOUT_S = 5, AGENT_CONNECT_S = 2, AGENT_DEPTH = 128 };

int agent_config(const struct cli *cli, struct weft_config *config)
{
	struct maps maps;
	__u32 index = 0;
	int error;

	if (!cli_open_maps(cli, &maps))
		return -ENOENT;
	error = maps_get(&maps, MAP_CONFIG, &index, config);
	maps_close(&maps);
	if (error)
		cli_fail("cannot read %s/weft_config: %s", cli->root, strerror(-error));
	return error;
}

static size_t agent_on_data(char *data, size_t size, size_t count, void *context)
{
	return fwrite(data, size, count, context);
}

/* What became of a request, in words. */
static int agent_explain(CURLcode code, long status, const char *url, const char *body,
			 char error[AGENT_ERROR_LEN])
{
	if (code == CURLE_COULDNT_CONNECT) {
		snprintf(error, AGENT_ERROR_LEN,
			 "no agent answers at %s (weft must run in its network namespace)", url);
		return -ECONNREFUSED;
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(error, AGENT_ERROR_LEN, "the agent does not answer %s within %d s", url,
			 AGENT_TIMEOUT_S);
		return -ETIMEDOUT;
	}
	if (code != CURLE_OK) {
		snprintf(error, AGENT_ERROR_LEN, "%s: %s", url, curl_easy_strerror(code));
		return -EPROTO;
	}
	/* The agent says in one line what is wrong with the question, or why it has no answer. */
	if (status == 400 || status == 409) {
		snprintf(error, AGENT_ERROR_LEN, "%.*s", (int)strcspn(body, "\n"), body);
		return -EINVAL;
	}
	if (status != 200) {
		snprintf(error, AGENT_ERROR_LEN, "%s: HTTP status %ld", url, status);
		return -EPROTO;
	}
	return 0;
}

static int agent_fetch(const char *url, char **body, size_t *length, char error[AGENT_ERROR_LEN])
{
	FILE *stream = open_memstream(body, length);
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)AGENT_CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)AGENT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, agent_on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	fclose(stream);
	return agent_explain(code, status, url, *body, error);
}

int agent_get_url(const char *url, struct json_object **json, char error[AGENT_ERROR_LEN])
{
	struct json_tokener *tokener;
	char *body = NULL;
	size_t length = 0;
	int result;

	*json = NULL;
	result = agent_fetch(url, &body, &length, error);
	if (result)
		goto out;
	tokener = json_tokener_new_ex(AGENT_DEPTH);
	*json = json_tokener_parse_ex(tokener, body, (int)length);
	json_tokener_free(tokener);
	if (!json_object_is_type(*json, json_type_object)) {
		snprintf(error, AGENT_ERROR_LEN, "%s: no answer of an agent", url);
		json_object_put(*json);
		*json = NULL;
		result = -EPROTO;
	}
out:
	free(body);
	return result;
}

int agent_get(const struct weft_config *config, const char *path, struct json_object **json,
	      char error[AGENT_ERROR_LEN])
{
	char *url =
		memory_printf("http://%.*s%s", (int)sizeof(config->listen), config->listen, path);
	int result = agent_get_url(url, json, error);

	free(url);
	return result;
}

int agent_status(const struct weft_config *config, struct json_object **status,
		 char error[AGENT_ERROR_LEN])
{
	int result = agent_get(config, "/v1/status", status, error);

	if (result)
		return result;
	if (json_object_get_int64(json_member(*status, "pid")) == config->agent_pid &&
	    !strncmp(json_text(*status, "node"), config->node, sizeof(config->node)))
		return 0;
	snprintf(error, AGENT_ERROR_LEN,
		 "at %.*s answers the agent of node '%.200s', not the one of node '%.200s' that "
		 "wrote these maps: run weft in the network namespace of its node",
		 (int)sizeof(config->listen), config->listen, json_text(*status, "node"),
		 config->node);
	json_object_put(*status);
	*status = NULL;
	return -EPROTO;
}
