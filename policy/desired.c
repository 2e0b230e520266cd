// SPDX-License-Identifier: Apache-2.0
#include "policy/desired.h"

#include <stdlib.h>

void desired_clear(struct desired *desired)
{
	size_t i;

	for (i = 0; i < desired->dest_count; i++)
		free(desired->dests[i].entries);
	for (i = 0; i < desired->service_count; i++) {
		free(desired->services[i].endpoints);
		free(desired->services[i].weights);
		free(desired->services[i].alias);
	}
	for (i = 0; i < desired->local_count; i++) {
		free(desired->locals[i].uid);
		free(desired->locals[i].name_space);
		free(desired->locals[i].name);
	}
	free(desired->peers);
	free(desired->dests);
	free(desired->services);
	free(desired->locals);
	*desired = (struct desired){ 0 };
}
