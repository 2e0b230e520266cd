#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every source names its licence in the first three lines, and the right one for its place.

set -uo pipefail
# shellcheck source=scripts/lint/files.sh
. "$(dirname "$0")/files.sh"

status=0
while read -r file; do
	case $file in
	bpf/* | *.bpf.c | *.bpf.h) want='GPL-2.0-only OR BSD-2-Clause' ;;
	*) want=Apache-2.0 ;;
	esac
	found=$(sed -n '1,3s/.*SPDX-License-Identifier: *//p' "$file" | sed 's|[ */]*$||' | head -n 1)
	if [ -z "$found" ]; then
		echo "$file:1: no SPDX-License-Identifier in the first three lines (want $want)"
		status=1
	elif [ "$found" != "$want" ]; then
		echo "$file:1: licence is '$found', here it is '$want'"
		status=1
	fi
done < <(lint_source_files)
exit $status
