#!/usr/bin/env bash
# build.sh FOLDER STAMP: fetches the Java client into FOLDER/lib, compiles the tests into FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) folder=$1 stamp=$2
"$here/../jars.sh" clients "$folder/lib"
javac -Xlint:all -Werror -cp "$folder/lib/*" -d "$folder" "$here"/*.java
touch "$stamp"
