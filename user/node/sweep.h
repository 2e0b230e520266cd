/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation: finds live TCP sockets of local pods that the policy in force no
 * longer allows, and destroys them (sock_diag SOCK_DESTROY: RST to the peer,
 * ECONNABORTED here).
 */
#ifndef WEFT_USER_SWEEP_H
#define WEFT_USER_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/weft_abi.h"
#include "loader/maps.h"

/* A TCP connection seen from the pod. */
struct sweep_connection {
	struct weft_addr local, remote;
	uint16_t local_port, remote_port; /* host order */
	enum weft_direction direction;	  /* as noted; UNKNOWN for sockets older than weft */
	bool listener;			  /* the pod listens on local_port now */
};

struct sweep_result {
	unsigned int seen, destroyed, failed;
};

/*
 * Goes through all TCP sockets except listeners and TIME_WAIT (SYN_SENT and SYN_RECV too) of the
 * namespace behind `diag_fd` and destroys those for which `revoked` answers true. Asks about a
 * connection again when its handshake completed meanwhile. `maps`: MAP_CONN and MAP_SOCK are read
 * for the direction; NULL (or where both know nothing): UNKNOWN, except for handshakes in
 * progress. seen: sockets looked at; destroyed: revoked ones that are gone now; failed: revoked
 * ones that the kernel would not destroy (-EOPNOTSUPP without CONFIG_INET_DIAG_DESTROY, -EPERM).
 * Returns -errno when the sockets could not be listed (-ENOENT: no tcp_diag, -ETIMEDOUT, -EBADF).
 *
 * MPTCP: the subflows are what is listed and destroyed.
 */
int sweep_run(int diag_fd, const struct maps *maps,
	      bool (*revoked)(const struct sweep_connection *connection, void *context),
	      void *context, struct sweep_result *result);

#endif /* WEFT_USER_SWEEP_H */
