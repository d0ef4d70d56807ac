# Runs one PostgreSQL server, as the command of a container or as a detached process; never as root.
#
# A durable server (LP_IDLE=0) is `postgres` itself. A throw-away one is watched by this script, which stops it and
# removes its folder when nobody has been connected for LP_IDLE seconds: nothing has to outlive the tests, so
# nothing leaks however they die. PostgreSQL's own settings are the arguments.
#
#   LP_FOLDER     holds the data folder; removed by a throw-away server at its end
#   LP_BIN        PostgreSQL's programs; empty: look for them
#   LP_PORT       TCP port
#   LP_PASSWORD   of the superuser, `postgres`
#   LP_IDLE       seconds; 0: run for ever
set -eu
umask 077
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
    printf '%s\n' "$LP_PASSWORD" >"$LP_FOLDER/password"
    init() {
        "$bin/initdb" -D "$data.new" -U postgres --pwfile="$LP_FOLDER/password" -A scram-sha-256 -E UTF8 --locale="$1" \
            $([ "$LP_IDLE" = 0 ] || echo --no-sync) 2>&1
    }
    # Not every system has C.UTF-8; C only folds the case of ASCII letters.
    init C.UTF-8 || { rm -rf "$data.new" && init C; }
    rm -f "$LP_FOLDER/password"
    mv "$data.new" "$data"
fi
unset LP_PASSWORD

if [ "$LP_IDLE" = 0 ]; then
    exec "$bin/postgres" -D "$data" -p "$LP_PORT" "$@"
fi

trap '' HUP
trap 'stop' TERM INT
stop() {
    # Nobody needs a checkpoint of data that is about to be removed.
    kill -QUIT "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$LP_FOLDER" 2>/dev/null || true
    exit 0
}

"$bin/postgres" -D "$data" -p "$LP_PORT" "$@" 2>&1 &
server=$!
port=$(printf '%04X' "$LP_PORT")

# Somebody is connected: a read of the kernel's table, since a session of our own would count as well.
connected() {
    if [ -r /proc/net/tcp ]; then
        while read -r _ local _ state _; do
            if [ "$state" = 01 ] && [ "${local#*:}" = "$port" ]; then return 0; fi
        done </proc/net/tcp
        return 1
    fi
    netstat -an -p tcp | grep -q "[.:]$LP_PORT .*ESTABLISHED"
}

# Sessions shorter than a poll still make or drop a database, which touches `base`.
poll=$((LP_IDLE < 50 ? (LP_IDLE + 9) / 10 : 5))
idle=0
touch "$LP_FOLDER/seen"
while [ "$idle" -lt "$LP_IDLE" ]; do
    sleep "$poll" &
    wait $! || true
    kill -0 "$server" 2>/dev/null || break
    if connected || [ "$data/base" -nt "$LP_FOLDER/seen" ]; then
        idle=0
        touch "$LP_FOLDER/seen"
    else
        idle=$((idle + poll))
    fi
done
stop
