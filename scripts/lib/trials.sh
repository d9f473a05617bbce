# What the keeper has to stand in a machine of container.sh, whichever unit it runs as, and how that is asked. Sourced,
# never run; wants terminal.sh, world.sh and container.sh.
# shellcheck shell=bash

# holds WORDS COMMAND…: the story goes on only if the command says so; what it said is shown if not. A figure it found
# stands in the file `figure`.
holds() {
    local what=$1 found
    shift
    rm -f figure
    if ! "$@" >said 2>&1; then
        echo " $red✗ $what$plain"
        cat said
        exit 1
    fi
    found=$(cat figure 2>/dev/null || true)
    echo " $green✓$plain $what${found:+ $dim($found)$plain}"
}

# --- what each unit has to stand -------------------------------------------------------------------------------------

# trials UNIT [--user]
trials() {
    local unit=$1 manager=${2:-}
    holds "$unit: the keeper's is shut to ptrace, process_vm_readv, pidfd_getfd and /proc" \
        as_ada peek "$(main_pid "$manager")"
    holds "$unit: killed by a signal that dumps core, it leaves none" no_core "$manager"
    holds "$unit: kill -9, and it serves again in under a second" comes_back "$manager"
    holds "$unit: locked, nobody gets a token" refused_when_locked
    holds "$unit: unlocked, they do" as_ada sh -c 'tokenkeeper unlock && tokenkeeper token work >/dev/null'
    holds "$unit: the login refreshes" refreshes
    holds "$unit: a program that asks once gets its token while the bus stands still" token_past_the_bus
}

main_pid() {
    case ${1:-} in
        --user) as_ada systemctl --user show --property=MainPID --value tokenkeeper ;;
        *) as_root systemctl show --property=MainPID --value "tokenkeeper@$ada" ;;
    esac
}

# exposed_at_most TENTHS [--user] UNIT-FILE
exposed_at_most() {
    local limit=$1
    shift
    as_ada systemd-analyze security --offline=yes --no-pager "--threshold=$limit" "$@"
    sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p' said >figure
}

starts_by_activation() {
    as_ada systemctl --user stop tokenkeeper
    # Login required: the keeper answered.
    ends_with 3 tokenkeeper token work && as_ada systemctl --user is-active --quiet tokenkeeper
}

# ends_with CODE COMMAND…
ends_with() {
    local wanted=$1 code=0
    shift
    "$@" || code=$?
    ((code == wanted))
}

# says WORDS COMMAND…: it fails, with these words.
says() {
    local wanted=$1
    shift
    ! tokenkeeper "$@" >answer 2>&1 && grep "$wanted" answer
}

opened_by() {
    tokenkeeper status --json | grep "\"opened_by\": \"$1\""
}

setup_says_what_root_must_run() {
    tokenkeeper setup --system >for-root
}

in_a_user_namespace() {
    [[ $(as_root readlink "/proc/$(main_pid --user)/ns/user") != $(as_root readlink /proc/1/ns/user) ]]
}

neighbour_is_open() {
    # shellcheck disable=SC2016 # the inner shell expands them
    as_ada sh -c 'sleep 60 & ! peek $! >/dev/null; open=$?; kill $!; exit $open'
}

neighbour_leaves_core() {
    local code=0
    as_ada systemd-run --user --wait --quiet --property=LimitCORE=infinity --working-directory=/home/ada \
        perl -MPOSIX -e 'abort()' || code=$?
    as_root journalctl --no-pager --output=cat --grep='Main process exited, code=dumped, status=6/ABRT' --lines=1
}

open_doors() {
    ! as_ada peek "$1"
}

no_core() {
    local pid
    pid=$(main_pid "$1")
    signal ABRT "$pid"
    wait_for 10 replaced "$1" "$pid"
    as_root journalctl --no-pager --output=cat --grep='tokenkeeper.*Main process exited' --lines=1 |
        grep 'code=killed, status=6/ABRT'
}

token_past_the_bus() {
    local bus code=0
    bus=$(as_ada systemctl --user show --property=MainPID --value dbus)
    signal STOP "$bus"
    # As after su(1): nothing tells where the bus is.
    as_ada env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS timeout 20 tokenkeeper token work || code=$?
    signal CONT "$bus"
    return "$code"
}

# The smallest Debian has the shell's own kill only.
signal() {
    # shellcheck disable=SC2016 # the inner shell expands them
    as_root sh -c 'kill -s "$1" "$2"' sh "$1" "$2"
}

replaced() {
    local pid
    pid=$(main_pid "$1")
    [[ $pid != 0 && $pid != "$2" ]] && keeper_answers
}

keeper_answers() {
    tokenkeeper status >/dev/null 2>&1
}

# From the signal until the keeper says that it serves, by the journal's clock. The best of five: what else the machine
# does only adds.
comes_back() {
    local tries best=999999
    for ((tries = 0; tries < 5 && best >= 1000; tries++)); do
        comes_back_in "$1"
        if ((took < best)); then best=$took; fi
    done
    if ((best >= 1000)) && is_busy; then
        echo "not judged: $best ms on a machine that others keep busy" >figure
        return
    fi
    echo "$best ms" | tee figure
    ((best > 0 && best < 1000))
}

# Whether each processor has three others waiting for it, as the kernel counts over the last minute.
is_busy() {
    awk -v processors="$(nproc)" '{ exit !($1 > 3 * processors) }' /proc/loadavg
}

# comes_back_in MANAGER: leaves the milliseconds in `took`.
comes_back_in() {
    local pid killed served
    pid=$(main_pid "$1")
    killed=${EPOCHREALTIME/./}
    signal KILL "$pid"
    wait_for 10 replaced "$1" "$pid"
    served=$(as_root journalctl --no-pager --output=json --output-fields=__REALTIME_TIMESTAMP --lines=1 \
        _COMM=tokenkeeperd --grep='^serving' | sed 's/.*"__REALTIME_TIMESTAMP" *: *"\([0-9]*\)".*/\1/')
    took=$(((served - killed) / 1000))
}

refused_when_locked() {
    tokenkeeper lock
    ends_with 5 tokenkeeper token work
}

refreshes() {
    local before after
    before=$(status_word generation)
    tokenkeeper refresh work
    after=$(status_word generation)
    [[ $after -gt $before ]] && api_takes "$(tokenkeeper token work)"
}

gone() {
    local path
    for path in "$@"; do [[ ! -e $machine_root$path ]] || return 1; done
}

absent() {
    [[ -s $1 ]] && ! grep --text --fixed-strings --file="$1" "$2"
}

# --- what they begin with --------------------------------------------------------------------------------------------

loud_log() {
    local system=$machine_root/etc/systemd/system/tokenkeeper@.service.d
    mkdir -p "$system"
    echo $'[Service]\nEnvironment=TOKENKEEPER_LOG=trace' >"$system/log.conf"
    in_home .config/systemd/user/tokenkeeper.service.d/log.conf <"$system/log.conf"
}

define_account() {
    in_home .config/tokenkeeper/config.d/work.toml <<EOT
[account.work]
issuer = "$issuer"
client_id = "desktop"
EOT
}

# in_home PATH: ada's file, from standard input.
in_home() {
    # shellcheck disable=SC2016 # the inner shell expands them
    as_ada sh -c 'cd && mkdir -p "$(dirname "$1")" && cat >"$1"' sh "$1"
}

sign_in() {
    local line
    tokenkeeper login work --no-browser </dev/null 2>&1 | {
        while IFS= read -r line; do
            # The person with the browser. The server knows who they are and asks nothing.
            if [[ $line == "$issuer"/authorize* ]]; then idp --visit "$line" >page & fi
        done
        wait
    }
    holds "A: a login, ended on a page that says: $(cat page)" grep -q 'signed in' page
    holds "A: the account is ready, and an API takes its token" api_takes "$(tokenkeeper token work)"
}
