/* SPDX-License-Identifier: Apache-2.0 */
/* A topology as tables. */
#ifndef WEFT_TOOLS_ROWS_H
#define WEFT_TOOLS_ROWS_H

#include "tools/weft/cli.h"
#include "user/traffic/topology.h"

/* Of an argument: NULL or a word that topologies are made by; false when it is none. */
bool rows_parse_by(const char *word, enum topology_by *by);

/* What came in, by workload, pod or namespace. With `is_wide` their namespace has a column. */
void rows_print_nodes(const struct topology *topology, enum topology_by by, bool is_wide);
void rows_print_edges(const struct topology *topology);
/* Each with a heading; nothing when there is none. */
void rows_print_splits(const struct topology *topology);
void rows_print_denials(const struct topology *topology);

#endif /* WEFT_TOOLS_ROWS_H */
