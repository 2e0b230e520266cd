# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the checks: where the tree is, which files belong to it, how a check ends.
# A check prints one violation per line (file:line: what is wrong) and exits with 0 for a clean
# tree, 1 for violations, 77 when it could not run (its last line says why and what helps).

LINT_SKIP=77
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# Tracked files that match one of the git pathspecs; in a release archive, which has no .git, all
# files outside build/. Generated and foreign text is left out.
lint_files() {
	if [ -e .git ] && git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -- "$@"
	else
		lint_find "$@"
	fi | grep -v -E '^(vmlinux|build|LICENSES|tests/data)/|\.skel\.h$' | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
}

lint_find() {
	local pattern expression=()

	for pattern in "$@"; do
		expression+=(-o -path "./$pattern")
	done
	find . -path ./build -prune -o -type f \( "${expression[@]:1}" \) -print |
		sed 's|^\./||' | sort -u
}

# C sources and headers, BPF included.
lint_c_files() {
	lint_files '*.c' '*.h'
}

# Shell scripts, by name or by their first line.
lint_shell_files() {
	lint_files '*.sh'
	lint_programs 'sh|bash|dash'
}

# Everything that somebody wrote as code.
lint_source_files() {
	{
		lint_c_files
		lint_shell_files
		lint_files '*.py' '*.mk' 'Makefile' '*/Makefile'
		lint_programs 'python3?'
	} | sort -u
}

# Files without an extension that start with #! and an interpreter of that name.
lint_programs() {
	local file

	lint_files '*' | grep -v -E '(^|/)[^/]*\.[^/]*$' | while read -r file; do
		if head -c 80 "$file" | head -n 1 | tr -d '\000' |
			grep -q -E "^#!.*[/ ]($1)( |\$)"; then
			echo "$file"
		fi
	done
}

lint_skip() {
	echo "$*"
	exit "$LINT_SKIP"
}

lint_need() {
	command -v "$1" >/dev/null || lint_skip "$1 not found (run scripts/setup.sh)"
}
