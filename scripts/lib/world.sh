# The world of the demo, parts of which test-systems uses: a directory, a bus, a server; and how its story is told.
# Sourced, never run; wants terminal.sh.
# Whatever runs here is ended by its process id when the script ends, however it ends.
# shellcheck shell=bash

world='' issuer='' bus_pid='' idp_pid='' watch_pid='' steps=0

readonly bus_name=org.tokenkeeper.Keeper1
readonly account_path=/org/tokenkeeper/Keeper1/account/work

# begin_world DIR PROGRAMS: makes the directory and its bus, and moves into them.
begin_world() {
    world=$1
    rm -rf "$world"
    trap end_world EXIT
    mkdir -p "$world"/{home,config,state,cache,run,data/dbus-1/services}
    chmod 700 "$world" "$world/run"
    export HOME=$world/home XDG_CONFIG_HOME=$world/config XDG_STATE_HOME=$world/state XDG_CACHE_HOME=$world/cache
    export XDG_DATA_HOME=$world/data XDG_RUNTIME_DIR=$world/run
    export PATH=$2:$PATH
    unset DISPLAY WAYLAND_DISPLAY "${!TOKENKEEPER_@}"
    ln -s "$2/examples" "$world/examples"
    cd "$world" || return

    # An abstract address: a path could be too long for a socket.
    cat >bus.conf <<EOF
<busconfig>
  <type>session</type>
  <listen>unix:abstract=tokenkeeper-demo-$$</listen>
  <servicedir>$world/data/dbus-1/services</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
EOF
    : >bus.address
    dbus-daemon --config-file=bus.conf --nofork --nopidfile --nosyslog --print-address=1 >bus.address 2>keeper.log &
    bus_pid=$!
    await_line bus.address
    DBUS_SESSION_BUS_ADDRESS=$(cat bus.address)
    export DBUS_SESSION_BUS_ADDRESS
}

end_world() {
    local code=$? pid
    if ((code != 0)); then fault "the demo did not come to its end" "what the keeper said is below"; fi
    pid=$(keeper_pid || true)
    for pid in $watch_pid $pid $bus_pid $idp_pid; do kill "$pid" 2>/dev/null || true; done
    if ((code != 0)); then tail -n 20 "$world/keeper.log" >&2; fi
    wait
    cd / && rm -rf "$world"
    exit "$code"
}

# begin_server OPTION…: the authorization server; its tokens live for 20 seconds, refresh tokens work once.
begin_server() {
    echo '{ "access_lifetime": 20 }' >idp.json
    # It ends when its standard input does.
    mkfifo idp.in
    : >idp.issuer
    idp "$@" idp.json <idp.in >idp.issuer &
    idp_pid=$!
    # shellcheck disable=SC2034 # held open, never written to
    exec {idp_input}>idp.in
    await_line idp.issuer
    issuer=$(cat idp.issuer)
}

shell_in_world() {
    echo
    echo "This shell is in the demo's world; everything ends with it. Try:"
    echo "   tokenkeeper status --watch"
    echo "   $(bus_call_words)"
    echo "   tokenkeeper help"
    echo
    PS1="(tokenkeeper demo) \\w\\$ " "$BASH" --norc || true
}

# --- how the story is told -------------------------------------------------------------------------------------------

step() {
    echo
    echo "$bold$cyan$((++steps))  $1$plain"
}

# What the next command is for.
aside() {
    echo "   $dim# $1$plain"
}

command_line() {
    clipped "   $green\$$plain $bold" "$1" "$plain"
}

output() {
    clipped "   $dim│$plain " "$1" ''
}

# A line as wide as the terminal.
clipped() {
    local width=$(($(columns) - 5)) text=$2
    if ((${#text} > width)); then text="${text:0:width-1}…"; fi
    echo "$1$text$3"
}

# Shows a command, runs it, and shows what it says.
run() {
    command_line "$*"
    local line
    "$@" 2>&1 | while IFS= read -r line; do output "$line"; done
}

# check WORDS COMMAND…: the demo goes on only if the command says so.
check() {
    local words=$1
    shift
    if "$@"; then
        echo " $green✓$plain $words"
    else
        echo " $red✗ $words$plain"
        exit 1
    fi
}

# --- what is asked of the world --------------------------------------------------------------------------------------

# A field of `tokenkeeper status work --json`.
status_word() {
    tokenkeeper status work --json | sed -n '/"accounts"/,$ s/^ *"'"$1"'": "\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p'
}

# The process that owns the keeper's name; nothing when nobody does.
keeper_pid() {
    local words=(org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetConnectionUnixProcessID)
    dbus-send --session --print-reply=literal --dest="${words[0]}" "${words[1]}" "${words[2]}.${words[3]}" \
        "string:$bus_name" 2>/dev/null | grep -o '[0-9]*$'
}

bus_call_words() {
    if command -v busctl >/dev/null; then
        echo "busctl --user call $bus_name $account_path $bus_name.Account GetToken 'a{sv}' 0"
    else
        echo "gdbus call --session --dest $bus_name --object-path $account_path --method $bus_name.Account.GetToken '{}'"
    fi
}

bus_call() {
    eval "$(bus_call_words)"
}

# Whether the server's own API takes a token. It stands in no argument of a program.
api_takes() {
    local authority=${issuer#http://} line
    exec {api}<>"/dev/tcp/${authority%:*}/${authority##*:}"
    printf 'GET /api HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' "$authority" "$1" >&"$api"
    read -r line <&"$api"
    exec {api}>&-
    [[ $line == 'HTTP/1.1 200 OK'* ]]
}

# What the server wrote down.
logins() { grep -c '"grant":"authorization_code"' "$world/ledger"; }
reuses() { grep -c '"event":"reused"' "$world/ledger" || true; }

begin_watch() {
    mkfifo events
    tokenkeeper watch >events 2>&1 </dev/null &
    watch_pid=$!
    exec {events}<events
}

end_watch() {
    kill "$watch_pid" && watch_pid=''
    exec {events}<&-
}

# await_event WORD SECONDS: shows the watch's lines until one has the word; between them, when the next refresh is due.
await_event() {
    local line until=$((SECONDS + $2)) due left
    due=$(status_word refresh_at)
    while ((SECONDS < until)); do
        if IFS= read -r -t 0.2 -u "$events" line; then
            printf '%s' "$clear_line"
            output "$line"
            if [[ $line == *" $1"* ]]; then return; fi
        fi
        left=$((due - EPOCHSECONDS))
        if [[ -n $clear_line ]]; then printf '%s   %s' "$clear_line" "$dim│ next refresh in $((left > 0 ? left : 0)) s$plain"; fi
    done
    echo "$clear_line $red✗ nothing was $1 in $2 s$plain"
    exit 1
}

# A file gets its first line when what writes it is ready.
await_line() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if [[ $(wc -l <"$1") -gt 0 ]]; then return; fi
        sleep 0.05
    done
    fault "$1 is still empty: what should have written it did not start"
    return 1
}

wait_until_gone() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if ! kill -0 "$1" 2>/dev/null; then return; fi
        sleep 0.05
    done
    return 1
}
