#!/usr/bin/env bash
# jars.sh PROFILE FOLDER [STAMP]: puts the jars of a profile of pom.xml (clients, tools or oracle)
# in FOLDER, once, and touches STAMP.  One at a time: Maven's own folder is everybody's.
set -euo pipefail
profile=${1:?clients, tools or oracle} folder=${2:?folder}
pom=$(cd "$(dirname "$0")" && pwd)/pom.xml
exec 9<"$pom"
flock 9
if [ -e "$folder/.complete" ] && [ "$folder/.complete" -nt "$pom" ]; then
    [ -z "${3:-}" ] || touch "$3"
    exit 0
fi
mkdir -p "$folder"
rm -f "$folder"/*.jar
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for attempt in 1 2 3; do # a registry may be out of breath
    if timeout 300 mvn -q -B -f "$pom" -P "$profile" dependency:copy-dependencies \
        -DoutputDirectory="$(cd "$folder" && pwd)" -DincludeScope=runtime >"$log" 2>&1; then
        touch "$folder/.complete" ${3:+"$3"}
        exit 0
    fi
    echo "jars.sh: attempt $attempt failed" >&2
done
tail -20 "$log" >&2
exit 1
