#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prove the lint checks: plant one violation after the other in a small copy of the tree and see
# the right check fail, naming file and line; the copy without violations passes.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

work=$(mktemp -d "${TMPDIR:-/tmp}/weft-lint.XXXXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
skipped=0

gpl='/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */'
apache='/* SPDX-License-Identifier: Apache-2.0 */'

plant() {
	mkdir -p "$(dirname "$1")"
	printf '%b' "$2" >"$1"
}

make_tree() {
	mkdir -p "$work/scripts"
	cp -r "$here" "$work/scripts/lint"
	cp "$top/.clang-format" "$work/"
	ln -s "$top/vmlinux" "$work/vmlinux"
	cd "$work"
	plant bpf/weft_abi.h "$gpl\n#ifndef __VMLINUX_H__\n#include <linux/types.h>\n#endif\n\nstruct weft_a {\n\t__u64 a;\n\t__u32 b;\n\t__u32 pad;\n};\n"
	plant bpf/a.bpf.h "$gpl\n#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n#include \"weft_abi.h\"\n"
	plant policy/a.h "$apache\n#include <stddef.h>\n#include <uthash.h>\n#include <json-c/json.h>\n#include \"bpf/weft_abi.h\"\n\nint policy_get(size_t n);\n"
	plant policy/a.c "$apache\n#include \"policy/a.h\"\n\n/* time() is not called */\nint policy_get(size_t n)\n{\n\treturn n > 1 ? 0 : 1;\n}\n"
	plant loader/a.h "$apache\n#include \"policy/a.h\"\n\nint loader_get(void);\n"
	plant user/a.c "$apache\n#include \"loader/a.h\"\n\n/* bpf_map_lookup_elem() is loader's */\nconst char *user_a = \"bpf_map_lookup_elem()\";\n"
	plant tools/a/b.py '# SPDX-License-Identifier: Apache-2.0\nprint("a")\n'
	plant tools/a/run '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\necho a\n'
	plant Makefile '# SPDX-License-Identifier: Apache-2.0\nall:\n'
	git init -q .
	git add .
}

result() {
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	printf '%-5s %s\n' "$1" "$2"
}

# expect CHECK FILE:LINE WHAT FILE CONTENT: with FILE so written, CHECK fails and names the place
expect() {
	local check=$1 place=$2 what=$3 file=$4 content=$5 output rc=0 saved=

	[ ! -e "$file" ] || saved=$(cat "$file"; echo .)
	plant "$file" "$content"
	git add "$file"
	output=$(scripts/lint/run.sh "$check" 2>&1) || rc=$?
	if [[ $output == *"skip  $check"* ]]; then
		skipped=$((skipped + 1))
		echo "$output" | grep '^skip'
	elif [ $rc = 1 ] && [[ $output == *"$place"* && $output == *'0 passed, 1 failed, 0 skipped' ]]; then
		result ok "$check: $what"
	else
		result FAIL "$check: $what"
		echo "      expected $place, got ($rc):"
		echo "$output"
	fi
	if [ -n "$saved" ]; then
		printf '%s' "${saved%.}" >"$file"
	else
		git rm -q --cached "$file"
		rm "$file"
	fi
}

make_tree
if output=$(scripts/lint/run.sh 2>&1); then
	result ok "a clean tree passes"
else
	result FAIL "a clean tree passes"
	echo "$output"
fi

expect headers bpf/b.bpf.h:1 "BPF header that needs another" bpf/b.bpf.h \
	"$gpl\nstatic inline __u32 get(void)\n{\n\treturn 1;\n}\n"
expect headers user/b.h:1 "user header that needs another" user/b.h "$apache\nint get(size_t n);\n"
expect headers bpf/weft_abi.h:1 "hidden padding in the ABI" bpf/weft_abi.h \
	"$gpl\n#ifndef __VMLINUX_H__\n#include <linux/types.h>\n#endif\n\nstruct weft_a {\n\t__u32 a;\n\t__u64 b;\n};\n"

expect layers bpf/b.bpf.h:2 "bpf/ includes policy/" bpf/b.bpf.h "$gpl\n#include \"../policy/a.h\"\n"
expect layers bpf/b.bpf.h:2 "bpf/ includes a kernel header" bpf/b.bpf.h "$gpl\n#include <linux/ip.h>\n"
expect layers policy/b.c:2 "policy/ includes loader/" policy/b.c "$apache\n#include \"loader/a.h\"\n"
expect layers policy/b.c:2 "policy/ includes libbpf" policy/b.c "$apache\n#include <bpf/bpf.h>\n"
expect layers policy/b.c:2 "policy/ includes curl" policy/b.c "$apache\n  #  include <curl/curl.h> // x\n"
expect layers policy/b.c:5 "policy/ reads the clock" policy/b.c \
	"$apache\n#include <time.h>\nlong get(void)\n{\n\treturn time(NULL);\n}\n"
expect layers loader/b.c:2 "loader/ includes user/" loader/b.c "$apache\n#include \"user/b.h\"\n"
expect layers user/b.c:3 "user/ includes tools/" user/b.c "$apache\n\n#include \"tools/a/b.h\"\n"
expect layers user/b.c:5 "user/ calls bpf_map_*" user/b.c \
	"$apache\nint get(int fd)\n{\n\t/* a\n\t*/ return bpf_map_lookup_elem(fd, 0, 0);\n}\n"
expect layers tools/a/c.c:2 "tools/ calls bpf_obj_*" tools/a/c.c "$apache\nint f(void) { return bpf_obj_get (\"x\"); }\n"
expect layers user/b.c:2 "user/ calls bpf_link__*" user/b.c "$apache\nint f(void) { return bpf_link__destroy(0); }\n"
expect layers user/b.c:2 "user/ calls bpf_prog_*" user/b.c "$apache\nint f(void) { return bpf_prog_attach(0); }\n"

expect format user/b.c:2 "spaces for tabs" user/b.c "$apache\nint  get(void);\n"
expect shell scripts/b.sh:3 "unquoted variable" scripts/b.sh \
	"#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nrm \$1\n"
expect shell tools/a/c:3 "script without an extension" tools/a/c \
	"#!/usr/bin/env bash\n# SPDX-License-Identifier: Apache-2.0\nrm \$1\n"

for file in user/b.c user/b.h tools/a/c.py scripts/b.sh scripts/b.mk tests/Makefile; do
	expect spdx "$file:1" "$file without a licence" "$file" '\n\n\n# SPDX-License-Identifier: Apache-2.0\n'
done
expect spdx bpf/b.bpf.c:1 "BPF program under Apache-2.0" bpf/b.bpf.c "$apache\n"
expect spdx tools/a/c:1 "Python program without an extension" tools/a/c '#!/usr/bin/python3\nprint("a")\n'

for word in 'TO''DO' 'FIX''ME' 'X''XX' 'HA''CK'; do
	expect words user/b.c:3 "$word" user/b.c "$apache\n\n/* $word: later */\n"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
