/* SPDX-License-Identifier: Apache-2.0 */
/* Times as the Kubernetes API writes them: RFC 3339, MicroTime with six digits. */
#ifndef WEFT_USER_KUBE_TIME_H
#define WEFT_USER_KUBE_TIME_H

#include <stdint.h>
#include <time.h>

enum { KUBE_TIME_LEN = 40 };

/* "2006-01-02T15:04:05.000000Z"; returns `text`. */
const char *kube_time_format(const struct timespec *time, char text[KUBE_TIME_LEN]);
const char *kube_time_now(char text[KUBE_TIME_LEN]);

/* Unix seconds, a fraction is dropped. -EINVAL: it is no time of UTC. */
int kube_time_parse(const char *text, int64_t *seconds);

#endif /* WEFT_USER_KUBE_TIME_H */
