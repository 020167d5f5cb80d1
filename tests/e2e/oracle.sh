#!/usr/bin/env bash
# Apache Kafka as the oracle and as the rival, from Maven jars: one node, broker and controller.
#   oracle.sh start PORT [key=value ...]   prints the pid once it listens; PORT+1: controller
#   oracle.sh stop PORT                    ends it, keeps its data;  wipe PORT removes the data too
#   oracle.sh tool CLASS ARGUMENT...       a class of kafka-tools
# State and jars are under ORACLE_DIR (build/oracle).  HEAP (2g); CPUS: a taskset list.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${ORACLE_DIR:-$here/../../build/oracle}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
"$here/jars.sh" oracle "$dir/lib"
classpath="$dir/lib/*"

configure() { # NODE PORT key=value...
    local node=$1 port=$2
    shift 2
    cat >"$node/server.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$node/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
CONF
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$node/server.properties"
    cat >"$node/log4j2.properties" <<CONF
status=warn
appender.f.type=File
appender.f.name=F
appender.f.fileName=$node/server.log
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.f.ref=F
CONF
}

start() { # PORT key=value...
    local port=$1 node=$dir/$1 id pid
    shift
    mkdir -p "$node"
    configure "$node" "$port" "$@"
    if [ ! -e "$node/data/meta.properties" ]; then
        id=$(java -cp "$classpath" kafka.tools.StorageTool random-uuid 2>/dev/null)
        java -cp "$classpath" kafka.tools.StorageTool format -t "$id" \
            -c "$node/server.properties" --standalone >"$node/format.log" 2>&1
    fi
    local pin=()
    [ -z "${CPUS:-}" ] || pin=(taskset -c "$CPUS")
    "${pin[@]}" java "-Xms${HEAP:-2g}" "-Xmx${HEAP:-2g}" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
        -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent \
        -Djava.awt.headless=true "-Dlog4j2.configurationFile=$node/log4j2.properties" \
        -cp "$classpath" kafka.Kafka "$node/server.properties" >"$node/out.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$node/pid"
    for _ in $(seq 300); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$pid"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    echo "oracle.sh: no answer on port $port, see $node" >&2
    tail -5 "$node/out.log" >&2
    exit 1
}

stop() { # PORT
    local node=$dir/$1 pid
    [ -e "$node/pid" ] || return 0
    pid=$(cat "$node/pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$node/pid"
}

command=${1:?start, stop, wipe or tool}
shift
case $command in
start) start "$@" ;;
stop) stop "${1:?port}" ;;
wipe)
    stop "${1:?port}"
    rm -rf "${dir:?}/$1"
    ;;
tool) exec java -Xmx512m -cp "$classpath" "$@" ;;
*)
    echo "oracle.sh: start, stop, wipe or tool, not '$command'" >&2
    exit 2
    ;;
esac
