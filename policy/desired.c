// SPDX-License-Identifier: Apache-2.0
#include "policy/desired.h"

#include <stdlib.h>
#include "policy/address.h"

void desired_service_clear(struct desired_service *service)
{
	free(service->endpoints);
	free(service->weights);
	free(service->alias);
	*service = (struct desired_service){ 0 };
}

void desired_clear(struct desired *desired)
{
	size_t i;

	for (i = 0; i < desired->dest_count; i++) {
		free(desired->dests[i].entries);
		free(desired->dests[i].http);
	}
	for (i = 0; i < desired->service_count; i++)
		desired_service_clear(&desired->services[i]);
	for (i = 0; i < desired->local_count; i++) {
		free(desired->locals[i].uid);
		free(desired->locals[i].name_space);
		free(desired->locals[i].name);
	}
	free(desired->peers);
	free(desired->dests);
	free(desired->services);
	free(desired->locals);
	*desired = (struct desired){ 0 };
}

int desired_compare_peers(const void *a, const void *b)
{
	return address_compare(&((const struct desired_peer *)a)->addr,
			       &((const struct desired_peer *)b)->addr);
}

int desired_compare_entries(const void *a, const void *b)
{
	const struct desired_entry *x = a, *y = b;

	if (x->src_identity != y->src_identity)
		return x->src_identity < y->src_identity ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

int desired_compare_dests(const void *a, const void *b)
{
	uint32_t x = ((const struct desired_dest *)a)->identity;
	uint32_t y = ((const struct desired_dest *)b)->identity;

	return x < y ? -1 : x > y;
}

int desired_compare_services(const void *a, const void *b)
{
	const struct weft_service_key *x = &((const struct desired_service *)a)->key;
	const struct weft_service_key *y = &((const struct desired_service *)b)->key;
	int order = address_compare(&x->addr, &y->addr);

	if (order)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}
