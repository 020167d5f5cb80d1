#!/bin/sh
# run.sh SECONDS [BUILD_DIR]: builds the fuzz targets and runs each for so many seconds, beginning
# with its corpus.  Fails on a crash, a leak, undefined behaviour or a hang, and when the canary,
# which must crash, does not.  A failing input is left in BUILD_DIR/fuzz; put it into corpus/ with
# the fix.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: run.sh SECONDS [BUILD_DIR]" >&2
    exit 2
fi
seconds=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${2:-$root/build-fuzz}
targets="frame lens batch net tcp"
canary_seconds=60

if [ ! -f "$build/build.ninja" ]; then
    CC=clang meson setup "$build" "$root" -Dfuzz=true -Db_lundef=false \
        -Db_sanitize=address,undefined \
        -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all'
fi
ninja -C "$build" tests/fuzz/fuzz_canary $(printf 'tests/fuzz/fuzz_%s ' $targets)
mkdir -p "$build/fuzz"

# One target: what it said is in its log, whether it was good in its file .ok.
one() {
    grown="$build/fuzz/corpus-$1"
    mkdir -p "$grown"
    rm -f "$build/fuzz/$1.ok"
    "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/fuzz/$1-" \
        "$grown" "$here/corpus/$1" >"$build/fuzz/$1.log" 2>&1 && touch "$build/fuzz/$1.ok"
}

# As many at a time as there are cores; the canary comes last, alone.
running=0
for t in $targets; do
    one "$t" &
    running=$((running + 1))
    if [ $running -ge "$(nproc)" ]; then
        wait
        running=0
    fi
done
wait

failed=0
for t in $targets; do
    echo "== fuzz_$t for $seconds s"
    if [ ! -e "$build/fuzz/$t.ok" ]; then
        tail -n 60 "$build/fuzz/$t.log" >&2
        echo "fuzz_$t: FAILED" >&2
        failed=1
    fi
    grep -E 'number_of_executed_units|peak_rss' "$build/fuzz/$t.log" || true
done

echo "== fuzz_canary, which must crash"
if "$build/tests/fuzz/fuzz_canary" -max_total_time=$canary_seconds -verbosity=0 \
    -artifact_prefix="$build/fuzz/canary-" >"$build/fuzz/canary.log" 2>&1; then
    echo "fuzz_canary: lived $canary_seconds s; the harness finds nothing" >&2
    failed=1
fi
exit $failed
