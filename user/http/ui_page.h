/* SPDX-License-Identifier: Apache-2.0 */
/* The page at /ui: user/http/ui.html, which is part of the program. */
#ifndef WEFT_USER_UI_PAGE_H
#define WEFT_USER_UI_PAGE_H

#include <stddef.h>

/* Not terminated by a zero. */
const char *ui_page(size_t *length);

/*
 * The Content-Security-Policy that lets the page's own style and script work, by their hashes, and
 * nothing else: no other source, no frame around it. NULL when hashing fails. Static.
 */
const char *ui_page_policy(void);

#endif /* WEFT_USER_UI_PAGE_H */
