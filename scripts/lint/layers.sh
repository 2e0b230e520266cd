#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Dependencies point one way:
#   bpf/     sees itself, vmlinux.h and libbpf's BPF headers
#   policy/  sees itself, bpf/weft_abi*.h, json-c, uthash and those parts of libc that neither
#            read a clock nor touch the world outside
#   loader/  sees no user/ and no tools/; it alone calls libbpf's map, object, program and link
#            functions
#   user/    sees no tools/

# no pipefail: a filter that lets nothing through is what we hope for
set -u
# shellcheck source=scripts/lint/files.sh
. "$(dirname "$0")/files.sh"

# Prints the sources with comments and the contents of strings blanked (include lines keep
# theirs) as FILE:LINE:TEXT.
strip() {
	[ $# -gt 0 ] || return 0
	awk '
	FNR == 1 { comment = 0 }
	{
		line = $0; out = ""; quote = ""
		include = !comment && line ~ /^[ \t]*#[ \t]*include/
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1); pair = substr(line, i, 2)
			if (comment) {
				if (pair == "*/") { comment = 0; i++ }
			} else if (quote != "") {
				if (c == "\\") i++
				else if (c == quote) { quote = ""; out = out c }
				else if (include) out = out c
			} else if (pair == "/*") { comment = 1; out = out " "; i++ }
			else if (pair == "//" && !include) break
			else {
				if (c == "\"" || c == "\047") quote = c
				out = out c
			}
		}
		print FILENAME ":" FNR ":" out
	}' "$@"
}

# As FILE:LINE:NAME, where NAME is <name>, or the path from the top of the tree of a quoted one.
includes() {
	local place name dir

	strip "$@" | sed -n -E 's/^([^:]*:[0-9]+):[ \t]*#[ \t]*include[ \t]*([<"][^>"]*[>"]).*/\1 \2/p' |
		while read -r place name; do
			case $name in
			'<'*) echo "$place:$name"; continue ;;
			esac
			name=${name//\"/}
			for dir in "$(dirname "${place%%:*}")" . bpf; do
				if [ -f "$dir/$name" ]; then
					name=$(realpath --relative-to=. "$dir/$name")
					break
				fi
			done
			echo "$place:$name"
		done
}

# report MESSAGE: print what comes in as FILE:LINE:NAME; false if there was anything
report() {
	! sed -E "s/^([^:]*:[0-9]+):(.*)/\1: $1: \2/" | grep .
}

libc='assert|ctype|endian|errno|inttypes|limits|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|'
libc+='strings|time|arpa/inet|netinet/in|sys/types|sys/socket|linux/types'
clocks='(time|clock|clock_gettime|gettimeofday|timespec_get|fopen|open|openat|socket|getenv)'
kernel='bpf_(map|obj|object|prog|program|link)_[a-z0-9_]+'

status=0

mapfile -t files < <(lint_files 'bpf/*.c' 'bpf/*.h')
includes "${files[@]}" |
	grep -v -E ':(bpf/[^:]*|vmlinux\.h|<bpf/[^>]*>)$' |
	grep -v -x -E 'bpf/weft_abi(_[a-z]+)?\.h:[0-9]+:<linux/types\.h>' |
	report 'bpf\/ may include only itself, vmlinux.h and <bpf\/...>' || status=1

mapfile -t files < <(lint_files 'policy/*.c' 'policy/*.h')
includes "${files[@]}" |
	grep -v -E ":(policy/[^:]*|bpf/weft_abi(_[a-z]+)?\.h|<json-c/[^>]*>|<ut(hash|list|array|string)\.h>)\$" |
	grep -v -E ":<($libc)\.h>\$" |
	report 'policy\/ may not include' || status=1
strip "${files[@]}" | grep -E "(^|[^a-zA-Z0-9_>.])${clocks}[ \t]*\(" |
	report 'policy\/ is pure: no clock, no files, no sockets' || status=1

mapfile -t files < <(lint_files 'loader/*.c' 'loader/*.h')
includes "${files[@]}" | grep -E ':(user|tools)/' |
	report 'loader\/ may not include' || status=1

mapfile -t files < <(lint_files 'user/*.c' 'user/*.h')
includes "${files[@]}" | grep -E ':tools/' |
	report 'user\/ may not include' || status=1

mapfile -t files < <(lint_files 'user/*.c' 'user/*.h' 'tools/*.c' 'tools/*.h')
strip "${files[@]}" | grep -E "(^|[^a-zA-Z0-9_])${kernel}[ \t]*\(" |
	report 'only loader\/ may call libbpf for maps, objects, programs and links' || status=1

exit $status
