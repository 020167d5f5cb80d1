#!/usr/bin/env bash
# record.sh BUILD: starts Apache Kafka with nothing in it and writes golden.json from its answers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
oracle=$here/../../e2e/oracle.sh
port=${PORT:-29192}
export ORACLE_DIR=${ORACLE_DIR:-$(cd "${1:?build folder}" && pwd)/oracle}
trap '"$oracle" wipe "$port"' EXIT
"$oracle" wipe "$port"
"$oracle" start "$port" >/dev/null
python3 "$here/diff.py" --record "127.0.0.1:$port"
