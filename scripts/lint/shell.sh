#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shell scripts pass shellcheck.

set -uo pipefail
# shellcheck source=scripts/lint/files.sh
. "$(dirname "$0")/files.sh"

lint_need shellcheck
mapfile -t files < <(lint_shell_files)
[ ${#files[@]} -gt 0 ] || exit 0
shellcheck --external-sources --format=gcc "${files[@]}"
