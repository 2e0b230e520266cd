// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_problem.h"

#include <stdio.h>
#include <string.h>
#include "user/log.h"

void kube_problem_set(struct kube_problem *problem, const char *text)
{
	if (!strcmp(problem->text, text))
		return;
	snprintf(problem->text, sizeof(problem->text), "%s", text);
	if (*text)
		log_warn(problem->what, "error", text);
	else
		log_info("this works again", "what", problem->what);
}
