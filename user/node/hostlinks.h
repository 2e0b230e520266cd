/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of this network namespace whose other end lies in another one: the
 * host side of pods. The kernel's own view (rtnetlink), which a pod cannot forge.
 */
#ifndef WEFT_USER_HOSTLINKS_H
#define WEFT_USER_HOSTLINKS_H

#include <stddef.h>
#include <stdint.h>

struct hostlinks;

int hostlinks_new(struct hostlinks **links);
void hostlinks_free(struct hostlinks *links);

/* Reads all links. On -errno (-EAGAIN: they kept changing) the former list stays. */
int hostlinks_read(struct hostlinks *links);

/*
 * The number by which this namespace calls the other one, -ENOENT while no link leads there.
 * Valid as long as both live. Ask after hostlinks_read(): the kernel gives numbers then.
 */
int hostlinks_netns_number(struct hostlinks *links, int netns_fd, int32_t *number);

/* Interfaces (veth, netkit) with their peer in that namespace, ascending; at most `size`. */
size_t hostlinks_find(const struct hostlinks *links, int32_t number, uint32_t *ifindexes,
		      size_t size);

#endif /* WEFT_USER_HOSTLINKS_H */
