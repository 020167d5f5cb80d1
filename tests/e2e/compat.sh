#!/usr/bin/env bash
# compat.sh BUILD: the client scripts that need no control over the processes, against Apache Kafka:
# what they ask for must be Kafka's behaviour and not ours.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?build folder}" && pwd)
port=${PORT:-29092}
export ORACLE_DIR=${ORACLE_DIR:-$build/oracle}
trap '"$here/oracle.sh" wipe "$port"' EXIT
"$here/oracle.sh" wipe "$port"
"$here/oracle.sh" start "$port" >/dev/null
E2E_BOOTSTRAP=127.0.0.1:$port python3 "$here/../run.py" "$build" oracle
