// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *kube_time_format(const struct timespec *time, char text[KUBE_TIME_LEN])
{
	char seconds[KUBE_TIME_LEN - 8];
	struct tm parts;

	gmtime_r(&time->tv_sec, &parts);
	if (!strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts))
		*seconds = '\0';
	snprintf(text, KUBE_TIME_LEN, "%s.%06dZ", seconds, (int)(time->tv_nsec / 1000 % 1000000));
	return text;
}

const char *kube_time_now(char text[KUBE_TIME_LEN])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return kube_time_format(&now, text);
}

int kube_time_parse(const char *text, int64_t *seconds)
{
	struct tm parts = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || strcmp(rest, "Z"))
		return -EINVAL;
	*seconds = timegm(&parts);
	return 0;
}
