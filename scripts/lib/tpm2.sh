# A credential that a TPM2 sealed opens a vault: with a TPM2 in software, on this machine and not in a container, because
# systemd looks for a device there. Sourced, never run; wants terminal.sh, container.sh and trials.sh.
# shellcheck shell=bash

# with_a_tpm2 DIR: works in that directory, as root.
with_a_tpm2() {
    rm -rf "$1"
    mkdir -p "$1"/{first,second,home,credentials,run}
    cd "$1"
    trap end_tpm2s EXIT
    begin_tpm2 first
    begin_tpm2 second
    head -c 32 /dev/urandom >plain
    holds "the TPM2 seals a key" tpm2_credential first encrypt plain sealed
    holds "another TPM2 does not open it" ends_with 1 tpm2_credential second decrypt sealed other
    holds "it does, and gives the key back" tpm2_credential first decrypt sealed credentials/tokenkeeper.key
    chmod 0400 credentials/tokenkeeper.key
    holds "a vault is made with it" as_unit tokenkeeperd --allow-root --init --slot load-credential
    holds "and opened by it" as_unit dbus-run-session -- "$BASH" -c "$(declare -f wait_for); $(declare -f opens); opens"
}

begin_tpm2() {
    # It leaves the directory when it goes into the background.
    local dir=$PWD/$1
    swtpm socket --tpm2 --tpmstate "dir=$dir" --server "type=unixio,path=$dir/tpm" --ctrl "type=unixio,path=$dir/tpm.ctrl" \
        --flags not-need-init,startup-clear --pid "file=$dir/pid" --daemon
}

end_tpm2s() {
    local file
    for file in ./*/pid; do kill "$(<"$file")" || true; done
}

# tpm2_credential TPM encrypt|decrypt FROM TO
tpm2_credential() {
    local -a with=("--name=tokenkeeper.key" "--tpm2-device=swtpm:path=$PWD/$1/tpm")
    if [[ $2 == encrypt ]]; then with+=(--with-key=tpm2); fi
    systemd-creds "${with[@]}" "$2" "$3" "$4"
}

# What systemd would set for a unit with LoadCredentialEncrypted=.
as_unit() {
    env HOME="$PWD/home" XDG_STATE_HOME= XDG_CONFIG_HOME= XDG_RUNTIME_DIR="$PWD/run" \
        CREDENTIALS_DIRECTORY="$PWD/credentials" "$@"
}

opens() {
    local keeper code=0
    tokenkeeperd --allow-root &
    keeper=$!
    wait_for 10 sh -c 'tokenkeeper status --json | grep "\"opened_by\": \"load-credential\""' || code=$?
    kill "$keeper"
    return "$code"
}
