// SPDX-License-Identifier: Apache-2.0
#include "user/http/server_tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

/* Signed by the authority that the session trusts, in time, and meant for clients. */
static bool is_verified(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID,
					  (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	unsigned int status = ~0U;

	return !gnutls_certificate_verify_peers(session, &purpose, 1, &status) && !status;
}

bool server_tls_peer_name(void *session, char name[SERVER_NAME_LEN])
{
	const gnutls_datum_t *chain;
	gnutls_x509_crt_t certificate;
	size_t size = SERVER_NAME_LEN;
	unsigned int count = 0;
	int err;

	chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || !count || !is_verified(session) || gnutls_x509_crt_init(&certificate))
		return false;
	err = gnutls_x509_crt_import(certificate, chain, GNUTLS_X509_FMT_DER);
	if (!err)
		err = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
						    name, &size);
	gnutls_x509_crt_deinit(certificate);
	return !err && strlen(name) == size;
}
