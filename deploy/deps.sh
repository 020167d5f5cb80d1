#!/usr/bin/env bash
# Debian 12 packages of Sluice, each named once with its reason.
#   deps.sh SET...        installs what is missing of the sets: build, test, lint, fuzz, bench,
#                         vm, compat, all
#   deps.sh --list SET... prints the names and installs nothing
# Asks dpkg first: when nothing is missing it is silent, needs no root and no network.
set -euo pipefail

packages() {
    cat <<'TABLE'
build make             the one word for each thing to do
build gcc              the compiler
build libc6-dev        headers of the C library
build meson            the build description
build ninja-build      what meson drives
build pkg-config       how meson finds the libraries below
build python3          gen.py: the wire codec is generated at build time
build liburing-dev     io_uring: sockets and files of the dataplane
build libisal-dev      CRC-32C at memory speed
build zlib1g-dev       gzip record batches
build liblz4-dev       lz4 record batches
build libzstd-dev      zstd record batches
build libsnappy-dev    snappy record batches
build libre2-dev       regular expressions of clients, in linear time
build g++              for the one file that speaks to it
build libdpdk-dev      net=dpdk: kernel bypass; the broker builds without it too
build libjansson-dev    JSON of the command line and of the HTTP endpoint
build libmicrohttpd-dev  HTTP: metrics, health and /v1
build librdkafka-dev   the command's half that speaks to brokers; the clients of the tests
build libarchive-dev   the file of sluice bundle
build libncurses-dev   the screen of sluice top
build libjemalloc-dev  allocator of control and of the command line
build libcmocka-dev    runner of the unit tests, which meson configures with everything else
lint  clang            the second compiler: both must be free of warnings
lint  clang-format     the one layout of the code
lint  binutils         nm, for the lint of names
lint  git              the lints look at the files that git knows
fuzz  libclang-rt-14-dev  libFuzzer and the sanitizers of clang
test  kcat             client: command line over librdkafka
test  zsh              completion of the command line
test  fish             the same
test  mandoc           looks over the man pages
test  default-jdk-headless  client: the Java client, and Apache Kafka itself as the oracle
test  iproute2         network namespaces for the tests of net=dpdk
test  tcpdump          reads what sluice net capture wrote
test  ethtool          the same: a veth peer that sends whole checksums
test  nftables         the same: packets that are lost
test  iputils-ping     client: ping, over devices of DPDK
test  valgrind       callgrind counts the instructions of a request
test  libfuse3-dev   a file system whose operations fail on demand
test  prometheus       promtool: judges scrapes and alert rules; its daemon is not started
test  maven            fetches the Java client by its coordinates
bench rabbitmq-server  a rival: streams; its daemon is not started
bench golang-go        the other rival, and the clients of both
vm qemu-system-x86  the machine whose cards are emulated
vm seabios          its firmware
vm mmdebstrap       makes the Debian in it
vm e2fsprogs        its file systems
test  npm              fetches librdkafka's test suite by its name
test  rapidjson-dev    checks of statistics in it
test  libssl-dev       librdkafka with everything its tests use
compat python3-confluent-kafka  a client under tests of ours
compat golang-go       franz-go's tests; they want Go 1.25, newer than Debian's
TABLE
}

die() { echo "deps.sh: $*" >&2; exit 2; }

# A JDK of 17 or newer and a Maven that are there already, from wherever, are good enough.
provided() {
    case $1 in
    default-jdk-headless)
        command -v javac >/dev/null &&
            javac -version 2>&1 | awk '{split($2, v, "."); exit !(v[1] >= 17)}' ;;
    maven) command -v mvn >/dev/null ;;
    prometheus) command -v promtool >/dev/null ;;
    golang-go) command -v go >/dev/null ;;
    make | gcc | g++ | npm | clang | clang-format | meson | kcat | git)
        command -v "$1" >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    *) return 1 ;;
    esac
}

list=0
if [ "${1:-}" = --list ]; then list=1; shift; fi
[ $# -ge 1 ] || die "which sets? build, test, lint, fuzz, bench, vm, compat or all"
sets=" "
for s in "$@"; do
    case $s in
    build | lint | fuzz | bench | vm | compat) sets+="$s " ;;
    test) sets+="build lint fuzz test " ;; # make test builds, lints and fuzzes too
    all) sets+="build lint fuzz test bench vm compat " ;;
    *) die "no set $s: build, test, lint, fuzz, bench, vm, compat or all" ;;
    esac
done

wanted=()
while read -r set name _; do
    case $sets in *" $set "*) wanted+=("$name") ;; esac
done < <(packages)
if [ $list = 1 ]; then printf '%s\n' "${wanted[@]}"; exit 0; fi

# dpkg-query fails when it does not know one of the names: that one is missing.
known=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${wanted[@]}" 2>/dev/null || true)
installed=" $(awk '/^ii/ {print $2}' <<<"$known" | tr '\n' ' ') "
missing=()
for name in "${wanted[@]}"; do
    case $installed in *" $name "*) continue ;; esac
    provided "$name" || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "deps.sh: installing ${missing[*]}" >&2
root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; install: ${missing[*]}"
    root=(sudo)
fi
# No package here is wanted for its daemon: packages ask this file before they start one.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod 755 "$policy"
    trap '"${root[@]}" rm -f "$policy"' EXIT
fi
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    "${missing[@]}" >&2
