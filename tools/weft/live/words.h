/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of traffic as people read them. Texts are the caller's to free. */
#ifndef WEFT_TOOLS_WORDS_H
#define WEFT_TOOLS_WORDS_H

#include <stdint.h>

/* "812us", "1.2ms", "3.45s"; "-" for 0, which no answer takes. */
char *words_latency(uint64_t ns);
/* "1.8", "12345"; of `count` in `window` seconds, or the count itself when there is no window. */
char *words_rate(uint64_t count, double window);
/* "99.50%"; "-" when there is nothing to be a share of. */
char *words_share(uint64_t part, uint64_t whole);

#endif /* WEFT_TOOLS_WORDS_H */
