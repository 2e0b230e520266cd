// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/agent/fixture.h"

void fixture_open(struct fixture *f, const uint32_t sizes[MAP_ID_COUNT])
{
	memset(f, 0, sizeof(*f));
	f->set = mapset_new(sizes);
	f->maps = mapset_maps(f->set);
	f->names = names_new();
	assert_int_equal(reconcile_new(f->maps, f->names, &f->reconcile), 0);
}

void fixture_restart(struct fixture *f)
{
	reconcile_free(f->reconcile);
	names_free(f->names);
	f->names = names_new();
	assert_int_equal(reconcile_new(f->maps, f->names, &f->reconcile), 0);
}

void fixture_close(struct fixture *f)
{
	reconcile_free(f->reconcile);
	names_free(f->names);
	mapset_free(f->set);
}

int fixture_apply_untidy(struct fixture *f, const struct wish *wish)
{
	return reconcile_apply(f->reconcile, &wish->desired, wish->places, wish->place_count, true,
			       &f->result);
}

int fixture_apply(struct fixture *f, const struct wish *wish)
{
	struct reconcile_result tidied;
	int err = fixture_apply_untidy(f, wish);

	if (err || !reconcile_is_untidy(f->reconcile))
		return err;
	err = reconcile_tidy(f->reconcile, &tidied);
	memcpy(f->result.error, tidied.error, sizeof(tidied.error));
	f->result.deleted += tidied.deleted;
	return err;
}
