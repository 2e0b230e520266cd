#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run the lint checks (all, or the named ones) and end with the line
# 'N passed, N failed, N skipped'.

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

checks=(headers layers format shell spdx words)
for name in "$@"; do
	if [ ! -x "$here/$name.sh" ] || [[ " ${checks[*]} " != *" $name "* ]]; then
		echo "usage: scripts/lint/run.sh [${checks[*]}]" >&2
		exit 2
	fi
done
[ $# -eq 0 ] || checks=("$@")

passed=0
failed=0
skips=()
for name in "${checks[@]}"; do
	output=$("$here/$name.sh" 2>&1)
	case $? in
	0)
		passed=$((passed + 1))
		echo "ok    $name"
		;;
	77)
		skips+=("skip  $name: $(echo "$output" | tail -n 1)")
		;;
	*)
		failed=$((failed + 1))
		echo "FAIL  $name"
		[ -z "$output" ] || while IFS= read -r line; do echo "      $line"; done <<<"$output"
		;;
	esac
done
[ ${#skips[@]} -eq 0 ] || printf '%s\n' "${skips[@]}"
echo "$passed passed, $failed failed, ${#skips[@]} skipped"
[ $failed -eq 0 ]
