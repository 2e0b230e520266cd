// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/agent.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/weft/cli.h"

enum { AGENT_TIMEOUT_S = 10, AGENT_DEPTH = 128 };

int agent_config(const struct cli *cli, struct weft_config *config)
{
	struct maps maps;
	__u32 index = 0;
	int error;

	if (!cli_open_maps(cli, &maps))
		return -ENOENT;
	error = maps_get(&maps, MAP_CONFIG, &index, config);
	maps_close(&maps);
	return error;
}

static size_t agent_on_data(char *data, size_t size, size_t count, void *context)
{
	return fwrite(data, size, count, context);
}

static int agent_fetch(const char *url, char **body, size_t *length, char error[AGENT_ERROR_LEN])
{
	FILE *stream = open_memstream(body, length);
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)AGENT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, agent_on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	fclose(stream);
	if (code == CURLE_COULDNT_CONNECT) {
		snprintf(error, AGENT_ERROR_LEN, "no agent answers at %s", url);
		return -ECONNREFUSED;
	}
	if (code != CURLE_OK || status != 200) {
		snprintf(error, AGENT_ERROR_LEN, "%s: %s (HTTP status %ld)", url,
			 curl_easy_strerror(code), status);
		return -EPROTO;
	}
	return 0;
}

int agent_get(const struct cli *cli, const char *path, struct json_object **json,
	      char error[AGENT_ERROR_LEN])
{
	struct json_tokener *tokener = NULL;
	struct weft_config config;
	char *body = NULL;
	size_t length = 0;
	char url[256];
	int result;

	*json = NULL;
	result = agent_config(cli, &config);
	if (result) {
		snprintf(error, AGENT_ERROR_LEN, "no agent has run on this node");
		return result;
	}
	snprintf(url, sizeof(url), "http://%.*s%s", (int)sizeof(config.listen), config.listen,
		 path);
	result = agent_fetch(url, &body, &length, error);
	if (result)
		goto out;
	tokener = json_tokener_new_ex(AGENT_DEPTH);
	*json = json_tokener_parse_ex(tokener, body, (int)length);
	if (!*json) {
		snprintf(error, AGENT_ERROR_LEN, "%s: not JSON", url);
		result = -EPROTO;
	}
	json_tokener_free(tokener);
out:
	free(body);
	return result;
}
