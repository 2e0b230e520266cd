/* SPDX-License-Identifier: Apache-2.0 */
/* Words of policy/reason.h back to numbers. What is none of them is 0: not known. */
#ifndef WEFT_USER_TRAFFIC_NAMES_H
#define WEFT_USER_TRAFFIC_NAMES_H

#include <stdint.h>
#include "bpf/weft_abi.h"

enum weft_reason traffic_reason_of(const char *text);
enum weft_verdict_action traffic_verdict_of(const char *text);
enum weft_hook traffic_hook_of(const char *text);
enum weft_direction traffic_reporter_of(const char *text);
uint8_t traffic_protocol_of(const char *text);

#endif /* WEFT_USER_TRAFFIC_NAMES_H */
