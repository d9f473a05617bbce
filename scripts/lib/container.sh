# A Debian with its own systemd, in a container: made once, copied for each run, booted, spoken to. Sourced, never run;
# wants terminal.sh. All of it needs root. A user called ada lingers there: her manager and her bus run from boot on.
# shellcheck shell=bash

machine='' machine_root='' machine_console='' machine_pid=''

readonly ada=1000

# make_base SUITE DIR: the smallest Debian that boots; made aside and renamed, so that half of one is never used.
make_base() {
    local suite=$1 base=$2 packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,libgcc-s1
    if [[ -d $base ]]; then return; fi
    rm -rf "$base.tmp"
    debootstrap --variant=minbase --include="$packages" "$suite" "$base.tmp" "${TOKENKEEPER_MIRROR:-http://deb.debian.org/debian}"
    rm -rf "$base.tmp"/var/cache/apt/archives/*.deb "$base.tmp"/var/lib/apt/lists/*
    chroot "$base.tmp" useradd --create-home --uid "$ada" ada
    mkdir -p "$base.tmp/var/lib/systemd/linger" "$base.tmp/var/log/journal"
    touch "$base.tmp/var/lib/systemd/linger/ada"
    # Each copy is a machine of its own.
    : >"$base.tmp/etc/machine-id"
    mv "$base.tmp" "$base"
}

# new_machine NAME BASE ROOT: a machine of that name as its owner unpacked it.
new_machine() {
    machine=$1 machine_root=$3 machine_console=$3.console
    rm -rf "$machine_root"
    : >"$machine_console"
    cp -a "$2" "$machine_root"
}

# Starts the machine and waits until ada's manager runs.
boot() {
    # The network is ours: the server of the test stays when the machine restarts. Control groups of version 2, whatever
    # the host has: what systemd takes for granted more and more.
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 only_what_is_named systemd-nspawn --quiet --register=no --keep-unit --machine="$machine" --directory="$machine_root" \
        --boot </dev/null >>"$machine_console" 2>&1 &
    machine_pid=$!
    wait_for 60 manager_runs
    # nspawn puts a file without a name over /proc/kmsg, and over such a file nothing can be mounted: ProtectKernelLogs=
    # would end every service of ours. No real machine has it.
    as_root umount /proc/kmsg
}

# A machine that held a pipe of ours open would keep whoever waits for its end waiting.
only_what_is_named() {
    local descriptor
    for descriptor in /proc/self/fd/*; do
        descriptor=${descriptor##*/}
        if ((descriptor > 2)); then exec {descriptor}>&-; fi
    done
    exec "$@"
}

manager_runs() {
    if ! kill -0 "$machine_pid" 2>/dev/null; then return 1; fi
    as_root systemctl is-active --quiet "user@$ada.service" 2>/dev/null && [[ -S $(leader_root)/run/user/$ada/bus ]]
}

# The machine's first process, as seen from here.
leader() {
    pgrep --parent "$machine_pid" | head -n 1
}

leader_root() {
    echo "/proc/$(leader)/root"
}

# as_root COMMAND…, as_ada COMMAND…: runs a command in the machine.
as_root() {
    enter env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 HOME=/root "$@"
}

as_ada() {
    enter setpriv --reuid "$ada" --regid "$ada" --clear-groups env -i PATH=/home/ada/.cargo/bin:/usr/local/bin:/usr/bin \
        LANG=C.UTF-8 HOME=/home/ada USER=ada LOGNAME=ada XDG_RUNTIME_DIR="/run/user/$ada" \
        DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$ada/bus" "$@"
}

enter() {
    nsenter --target "$(leader)" --mount --uts --ipc --pid --wdns=/ -- "$@"
}

# Restarts the machine. nspawn leaves the second start to whoever started it, and says so by this exit code.
reboot_machine() {
    local code=0
    as_root systemctl reboot
    wait "$machine_pid" || code=$?
    [[ $code == 133 ]] && boot
}

# Ends the machine, whatever state it is in.
halt_machine() {
    if [[ -z $machine_pid ]]; then return; fi
    kill -TERM "$machine_pid" 2>/dev/null || true
    # The machine's first process ends all others; nspawn, killed, would leave them.
    wait_for 20 ended "$machine_pid" || kill -KILL "$(leader)" 2>/dev/null || true
    wait "$machine_pid" 2>/dev/null || true
    machine_pid=''
}

ended() {
    ! kill -0 "$1" 2>/dev/null
}

# wait_for SECONDS COMMAND…: until it says yes.
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS > until)); then return 1; fi
        sleep 0.05
    done
}
