/* SPDX-License-Identifier: Apache-2.0 */
/* A number as options have it. */
#ifndef WEFT_USER_CONFIG_NUMBER_H
#define WEFT_USER_CONFIG_NUMBER_H

/* Decimal, from 1 to `max`. -EINVAL */
int config_parse_number(const char *text, unsigned long max, unsigned long *number);

#endif /* WEFT_USER_CONFIG_NUMBER_H */
