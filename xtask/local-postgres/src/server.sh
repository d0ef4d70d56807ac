# Runs one PostgreSQL server, as the command of a container or as a detached process; never as root.
#
# A throw-away server is stopped, and its folder removed, when nobody has been connected for LP_IDLE seconds: no
# process of the tests has to see to it, so nothing leaks however they die. PostgreSQL's own settings are the arguments.
#
#   LP_SCRIPT     this text, which `sh -c 'eval "$LP_SCRIPT"'` runs: lists of processes show arguments in full
#   LP_FOLDER     holds the data folder; removed by a throw-away server at its end
#   LP_BIN        PostgreSQL's programs; empty: look for them
#   LP_PORT       TCP port
#   LP_VERIFIER   of the password of the superuser, `postgres`: the password itself doesn't come here
#   LP_IDLE       seconds; 0: a durable server, which runs until it is stopped
#   LP_LINGER     seconds to stay after a failure, so that a container's log can be read
set -eu
umask 077
trap 'status=$?; [ "$status" = 0 ] || { echo "local-postgres: failed"; sleep "${LP_LINGER:-0}"; }' EXIT
mkdir -p "$LP_FOLDER"
data=$LP_FOLDER/pgdata

bin=${LP_BIN:-}
if [ -z "$bin" ]; then
    for dir in "$(dirname "$(command -v initdb || echo /)")" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then bin=$dir; fi
    done
    [ -n "$bin" ] || { echo "failed to find PostgreSQL's initdb and postgres"; exit 1; }
fi

# The data folder is made under another name: under its own it is always complete.
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data.new"
    printf '%s\n' "$LP_VERIFIER" >"$LP_FOLDER/verifier"
    init() {
        "$bin/initdb" -D "$data.new" -U postgres --pwfile="$LP_FOLDER/verifier" -A scram-sha-256 -E UTF8 --locale="$1" \
            $([ "$LP_IDLE" = 0 ] || echo --no-sync) 2>&1
    }
    # Not every system has C.UTF-8; C only folds the case of ASCII letters.
    init C.UTF-8 || { rm -rf "$data.new" && init C; }
    rm -f "$LP_FOLDER/verifier"
    # A container's clients come from its network's gateway. Outside one, only 127.0.0.1 is listened at.
    echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
    mv "$data.new" "$data"
fi
unset LP_SCRIPT LP_VERIFIER

trap '' HUP
"$bin/postgres" -D "$data" -p "$LP_PORT" "$@" 2>&1 &
server=$!

if [ "$LP_IDLE" = 0 ]; then
    # `postgres` itself would take a container's SIGTERM as a request to wait for its clients.
    trap 'kill -INT "$server" 2>/dev/null || true' TERM INT
    while kill -0 "$server" 2>/dev/null; do wait "$server" || status=$?; done
    exit "${status:-0}"
fi

# The kernel's tables of connections: a session of our own would count as one.
sockets=
for table in /proc/net/tcp /proc/net/tcp6; do [ ! -r "$table" ] || sockets="$sockets $table"; done
port=$(printf '%04X' "$LP_PORT")
# Not with `read`, which reads byte by byte: the tables of a busy machine are long. A failure counts as a connection.
connected() {
    if [ -n "$sockets" ]; then
        grep -q "^ *[0-9]*: [0-9A-F]*:$port [0-9A-F]*:[0-9A-F]* 01 " $sockets
    else
        netstat -an -p tcp | grep -q "[.:]$LP_PORT .*ESTABLISHED"
    fi
    [ $? != 1 ]
}

# A session that came and went between two looks was a process of the server's, and the kernel counts the page faults
# of those that have ended. Without such a kernel it is seen if it made or dropped a database, which touches `base`.
ended=
used() {
    before=$ended
    [ ! -r "/proc/$server/stat" ] || read -r _ _ _ _ _ _ _ _ _ _ ended _ <"/proc/$server/stat" || true
    [ "$ended" != "$before" ] || [ "$data/base" -nt "$LP_FOLDER/seen" ]
}

# Nobody needs a checkpoint of data that is about to be removed.
stop() {
    kill -QUIT "$server" 2>/dev/null || true
    while kill -0 "$server" 2>/dev/null; do sleep 0.1 || sleep 1; done
    rm -rf "$LP_FOLDER" 2>/dev/null || true
}

nap=
watch() {
    # Its sleep would outlive it.
    trap 'kill "$nap" 2>/dev/null || true; exit' TERM
    trap - INT
    poll=$((LP_IDLE < 300 ? (LP_IDLE + 9) / 10 : 30))
    idle=0
    touch "$LP_FOLDER/seen"
    used || true
    while kill -0 "$server" 2>/dev/null && [ "$idle" -lt "$LP_IDLE" ]; do
        sleep "$poll" &
        nap=$!
        wait "$nap" || true
        # The folder's time says that somebody watches, to those who can't see processes: in other containers.
        touch "$LP_FOLDER" 2>/dev/null || break
        if used || connected; then
            idle=0
            touch "$LP_FOLDER/seen" 2>/dev/null || break
        else
            idle=$((idle + poll))
        fi
    done
    stop
}

trap 'kill -QUIT "$server" 2>/dev/null || true' TERM INT
# A process of its own: it does its work even if this one is killed.
watch &
watcher=$!
while kill -0 "$server" 2>/dev/null; do wait "$server" || status=$?; done
kill "$watcher" 2>/dev/null || true
stop
exit "${status:-0}"
