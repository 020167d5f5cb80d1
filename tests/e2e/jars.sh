#!/usr/bin/env bash
# jars.sh PROFILE FOLDER: puts the jars of a profile of pom.xml (clients, tools or oracle) in
# FOLDER, once.
set -euo pipefail
profile=${1:?clients, tools or oracle} folder=${2:?folder}
pom=$(cd "$(dirname "$0")" && pwd)/pom.xml
if [ -e "$folder/.complete" ] && [ "$folder/.complete" -nt "$pom" ]; then exit 0; fi
mkdir -p "$folder"
rm -f "$folder"/*.jar
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for attempt in 1 2 3; do # a registry may be out of breath
    if mvn -q -B -f "$pom" -P "$profile" dependency:copy-dependencies \
        -DoutputDirectory="$(cd "$folder" && pwd)" -DincludeScope=runtime >"$log" 2>&1; then
        touch "$folder/.complete"
        exit 0
    fi
    echo "jars.sh: attempt $attempt failed" >&2
done
tail -20 "$log" >&2
exit 1
