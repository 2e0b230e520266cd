#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every header compiles on its own, and the ABI between kernel and user space has no hidden
# padding: *.bpf.h for the BPF target of both architectures, all others with gcc, weft_abi.h
# with each of them.

set -uo pipefail
# shellcheck source=scripts/lint/files.sh
. "$(dirname "$0")/files.sh"

cc=${CC:-gcc}
clang=${CLANG:-clang}
lint_need "$cc"
lint_need "$clang"

# functions and constants that a header offers need not be used by an empty source
warn=(-std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable
	-fsyntax-only)
read -r -a cflags <<<"$(pkg-config --cflags json-c yaml-0.1 libmnl libuv libmicrohttpd gnutls libcurl libprotobuf-c \
	2>/dev/null)"
status=0

# check_alone HEADER WHAT COMPILER...: compile a source on standard input
check_alone() {
	local header=$1 what=$2 source=$3 output
	shift 3

	if ! output=$(echo "$source" | "$@" "${warn[@]}" -x c - 2>&1); then
		echo "$header:1: does not compile alone ($what)"
		echo "$output" | grep -m 3 -E ': (fatal )?error:' | sed 's/^/    /'
		status=1
	fi
}

check_bpf() {
	local header=$1 source=$2 arch

	for arch in x86 arm64; do
		check_alone "$header" "BPF, $arch" "$source" "$clang" -target bpf -mcpu=v3 -O2 \
			"-D__TARGET_ARCH_$arch" "-Ivmlinux/$arch" -Ibpf
	done
}

check_user() {
	check_alone "$1" user "#include \"$1\"" "$cc" -I. -D_GNU_SOURCE "${cflags[@]}"
}

check_abi() {
	check_bpf "$1" "#include \"vmlinux.h\"
#include \"${1#bpf/}\""
	check_alone "$1" "user, no padding" "#include <linux/types.h>
#include \"$1\"" "$cc" -I. -Wpadded
	check_user "$1"
}

while read -r header; do
	case $header in
	*.bpf.h) check_bpf "$header" "#include \"${header#bpf/}\"" ;;
	bpf/weft_abi.h) check_abi "$header" ;;
	*) check_user "$header" ;;
	esac
done < <(lint_files 'bpf/*.h' 'policy/*.h' 'loader/*.h' 'user/*.h')
exit $status
