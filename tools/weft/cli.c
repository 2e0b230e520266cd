// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cli_name = "weft";

int cli_fail(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "%s: ", cli_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return CLI_FAILED;
}

bool cli_open_maps(const struct cli *cli, struct maps *maps)
{
	uint32_t abi = 0;
	int error = maps_open(maps, cli->root, false, &abi);

	if (!error)
		return true;
	if (error == -ENOENT)
		cli_fail("nothing of weft is pinned at %s: no agent has run on this node, or "
			 "--bpffs names another root",
			 cli->root);
	else if (error == -EPERM || error == -EACCES)
		cli_fail("may not read the maps at %s: run as root", cli->root);
	else if (error == -EPROTO && abi != WEFT_ABI_VERSION)
		cli_fail("the maps at %s are of ABI version %u, this is for version %d: use the "
			 "agent's own weft",
			 cli->root, abi, WEFT_ABI_VERSION);
	else
		cli_fail("cannot open the maps at %s: %s", cli->root, strerror(-error));
	return false;
}
