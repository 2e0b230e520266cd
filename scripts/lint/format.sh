#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# C files are laid out as .clang-format says. To mend: clang-format -i FILE.

set -uo pipefail
# shellcheck source=scripts/lint/files.sh
. "$(dirname "$0")/files.sh"

clang_format=${CLANG_FORMAT:-$(command -v clang-format-14 || echo clang-format)}
lint_need "$clang_format"
version=$("$clang_format" --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
[ "$version" = 14 ] ||
	lint_skip "clang-format $version formats differently from 14 (set CLANG_FORMAT to a 14)"

mapfile -t files < <(lint_c_files)
[ ${#files[@]} -gt 0 ] || exit 0
"$clang_format" --style=file --dry-run -Werror --ferror-limit=3 "${files[@]}" 2>&1 |
	sed -n 's/: error: code should be clang-formatted.*/: not formatted (clang-format -i)/p'
[ "${PIPESTATUS[0]}" = 0 ]
