// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/end.h"

#include "policy/workload.h"
#include "tools/weft/kernel.h"
#include "tools/weft/output.h"

void end_put(struct json_object *row, const struct names *names, enum end_side side, uint32_t id)
{
	static const char *const keys[][2] = {
		[END_SOURCE] = { "source", "source_pod" },
		[END_DESTINATION] = { "destination", "destination_pod" },
	};
	char text[KERNEL_NAME_LEN];
	struct workload workload;

	json_put_string(row, keys[side][0], kernel_name(names, WEFT_NAME_WORKLOAD, id, text));
	workload_of(names, id, &workload);
	if (*workload.pod || workload.past)
		json_put_string(row, keys[side][1], workload.past ? WORKLOAD_GONE : workload.pod);
}
