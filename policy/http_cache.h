/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP programs that were compiled before: most changes leave most destinations' rules as they
 * are. Pure: what it gives is what http_program_compile() would.
 */
#ifndef WEFT_POLICY_HTTP_CACHE_H
#define WEFT_POLICY_HTTP_CACHE_H

#include "policy/http_program.h"

struct http_cache;

struct http_cache *http_cache_new(void);
void http_cache_free(struct http_cache *cache); /* accepts NULL */

/* As http_program_compile(). The program is the cache's, until the second sweep from now. */
const struct http_program *http_cache_compile(struct http_cache *cache,
					      const struct http_rule *rules, size_t rule_count,
					      const struct http_rule_mask *masks, size_t mask_count,
					      const struct http_program_options *options);

/* Forgets what was not asked for since the sweep before. */
void http_cache_sweep(struct http_cache *cache);

#endif /* WEFT_POLICY_HTTP_CACHE_H */
