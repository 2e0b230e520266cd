/* SPDX-License-Identifier: Apache-2.0 */
/* Why something does not work at the moment: told in the log when that changes, and in the status.
 */
#ifndef WEFT_USER_KUBE_PROBLEM_H
#define WEFT_USER_KUBE_PROBLEM_H

#include "user/kube/kube_http.h"

struct kube_problem {
	const char *what; /* does not work: "Events cannot be written" */
	char text[KUBE_ERROR_LEN];
};

/* "" = it works. */
void kube_problem_set(struct kube_problem *problem, const char *text);

#endif /* WEFT_USER_KUBE_PROBLEM_H */
