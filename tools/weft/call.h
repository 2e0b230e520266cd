/* SPDX-License-Identifier: Apache-2.0 */
/* A call as the command line names it, SRC DST PORT[/udp], found in the agent's objects. */
#ifndef WEFT_TOOLS_CALL_H
#define WEFT_TOOLS_CALL_H

#include <stddef.h>
#include "tools/weft/model.h"

enum { CALL_WHO_LEN = 3 * WEFT_NAME_LEN };

struct call {
	struct weft_addr src, dst;     /* one family, where the objects have the choice */
	const struct service *service; /* dst is one of its cluster IPs; NULL = it is not */
	uint16_t port;		       /* host order */
	uint8_t proto;		       /* IPPROTO_TCP or IPPROTO_UDP */
};

/* False with an explanation on stderr. */
bool call_parse(const struct model *model, const char *src, const char *dst, const char *port,
		struct call *call);

/* For people: "Pod shop/api-v1 (ServiceAccount api, node node-a)", "Node node-b", ... */
const char *call_describe(const struct model *model, const struct weft_addr *addr,
			  char text[CALL_WHO_LEN]);

#endif /* WEFT_TOOLS_CALL_H */
