// SPDX-License-Identifier: Apache-2.0
#include "user/http/ui_page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* The build has the file as a prerequisite of this one. */
__asm__(".pushsection .rodata\n"
	"ui_page_begin: .incbin \"user/http/ui.html\"\n"
	"ui_page_end: .byte 0\n"
	".popsection\n");
extern const char ui_page_begin[] __attribute__((visibility("hidden")));
extern const char ui_page_end[] __attribute__((visibility("hidden")));

enum { POLICY_LEN = 512, HASH_LEN = 4 * (SHA256_DIGEST_LENGTH / 3 + 1) + 1 };

const char *ui_page(size_t *length)
{
	*length = (size_t)(ui_page_end - ui_page_begin);
	return ui_page_begin;
}

/* Base64 of the SHA-256 of what stands between two tags; the zero behind the page ends it. */
static int hash_between(const char *open, const char *close, char hash[HASH_LEN])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const char *begin = strstr(ui_page_begin, open);
	const char *end = begin ? strstr(begin, close) : NULL;

	if (!end)
		return -1;
	begin += strlen(open);
	if (EVP_Digest(begin, (size_t)(end - begin), digest, NULL, EVP_sha256(), NULL) != 1)
		return -1;
	EVP_EncodeBlock((unsigned char *)hash, digest, sizeof(digest));
	return 0;
}

const char *ui_page_policy(void)
{
	static char policy[POLICY_LEN];
	char style[HASH_LEN], script[HASH_LEN];

	if (*policy)
		return policy;
	if (hash_between("<style>", "</style>", style) ||
	    hash_between("<script>", "</script>", script))
		return NULL;
	snprintf(policy, sizeof(policy),
		 "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
		 "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		 "frame-ancestors 'none'",
		 style, script);
	return policy;
}
