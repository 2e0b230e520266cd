// SPDX-License-Identifier: Apache-2.0
#include "user/smi/certificate_make.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

enum { HOUR_S = 3600, YEAR_S = 365 * 24 * HOUR_S, SERIAL_LEN = 16 };

static int add_names(gnutls_x509_crt_t certificate, const char *name, const char *name_space)
{
	static const char *const formats[] = { "", ".svc", ".svc.cluster.local" };
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(formats) / sizeof(*formats); i++) {
		char *text = memory_printf("%s.%s%s", name, name_space, formats[i]);

		err = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, text,
							   (unsigned int)strlen(text),
							   GNUTLS_FSAN_APPEND);
		if (!err && !i)
			err = gnutls_x509_crt_set_dn_by_oid(certificate,
							    GNUTLS_OID_X520_COMMON_NAME, 0, text,
							    (unsigned int)strlen(text));
		free(text);
	}
	return err;
}

static int fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, time_t now)
{
	unsigned char serial[SERIAL_LEN];
	int err = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] &= 0x7f; /* a positive number */
	if (!err)
		err = gnutls_x509_crt_set_version(certificate, 3);
	if (!err)
		err = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
	if (!err)
		err = gnutls_x509_crt_set_activation_time(certificate, now - HOUR_S);
	if (!err)
		err = gnutls_x509_crt_set_expiration_time(certificate, now + YEAR_S);
	if (!err)
		err = gnutls_x509_crt_set_basic_constraints(certificate, 1, 0);
	if (!err)
		err = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE |
									 GNUTLS_KEY_KEY_CERT_SIGN);
	if (!err)
		err = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (!err)
		err = gnutls_x509_crt_set_key(certificate, key);
	return err;
}

/* A copy of what gnutls has allocated, which is freed. */
static char *take_text(gnutls_datum_t *datum)
{
	char *text = memory_printf("%.*s", (int)datum->size, (const char *)datum->data);

	gnutls_free(datum->data);
	return text;
}

static int export_both(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, char **chain,
		       char **key_text)
{
	gnutls_datum_t out;
	int err = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &out);

	if (err)
		return err;
	*chain = take_text(&out);
	err = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
						&out);
	if (err) {
		free(*chain);
		return err;
	}
	*key_text = take_text(&out);
	return 0;
}

int certificate_make(const char *name, const char *name_space, time_t now, char **chain, char **key)
{
	gnutls_x509_crt_t certificate = NULL;
	gnutls_x509_privkey_t private = NULL;
	int err;

	err = gnutls_x509_privkey_init(&private);
	if (!err)
		err = gnutls_x509_privkey_generate(private, GNUTLS_PK_ECDSA,
						   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						   0);
	if (!err)
		err = gnutls_x509_crt_init(&certificate);
	if (!err)
		err = fill(certificate, private, now);
	if (!err)
		err = add_names(certificate, name, name_space);
	if (!err)
		err = gnutls_x509_crt_sign2(certificate, certificate, private, GNUTLS_DIG_SHA256,
					    0);
	if (!err)
		err = export_both(certificate, private, chain, key);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(private);
	return err ? -EIO : 0;
}

time_t certificate_end(const char *chain)
{
	gnutls_datum_t datum = { (unsigned char *)chain, (unsigned int)strlen(chain) };
	gnutls_x509_crt_t certificate;
	time_t end = 0;

	if (gnutls_x509_crt_init(&certificate))
		return 0;
	if (!gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_PEM))
		end = gnutls_x509_crt_get_expiration_time(certificate);
	gnutls_x509_crt_deinit(certificate);
	return end == (time_t)-1 ? 0 : end;
}
