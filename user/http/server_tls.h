/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server wants of TLS: versions, and who the client is (RFC 5280). */
#ifndef WEFT_USER_SERVER_TLS_H
#define WEFT_USER_SERVER_TLS_H

#include <stdbool.h>
#include "user/http/server.h"

#define SERVER_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* `session` is a gnutls_session_t; see server_peer_name(). */
bool server_tls_peer_name(void *session, char name[SERVER_NAME_LEN]);

#endif /* WEFT_USER_SERVER_TLS_H */
