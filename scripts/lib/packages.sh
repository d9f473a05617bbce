# Debian packages that are missing: listed, asked for, installed. Sourced, never run; wants terminal.sh.
# shellcheck shell=bash

missing=()

# want PACKAGES PROGRAM…: these packages are wanted unless every one of the programs is there.
want() {
    local packages=$1 program
    shift
    for program in "$@"; do
        if command -v "$program" >/dev/null; then continue; fi
        # Several packages may stand in one word.
        # shellcheck disable=SC2206
        missing+=($packages)
        return
    done
}

# install_missing LOG YES: asks before sudo when a person is there to answer, unless YES is not empty.
install_missing() {
    local log=$1 yes=$2 answer
    local -a sudo=()
    if ((${#missing[@]} == 0)); then return; fi
    if ! command -v apt-get >/dev/null; then
        fault "these Debian packages are missing, and this system has no apt-get: ${missing[*]}" \
            "install what your distribution calls them, then run this again"
        return 1
    fi
    echo "These Debian packages are missing: $bold${missing[*]}$plain"
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            fault "no sudo to install them with" "as root: apt-get install ${missing[*]}"
            return 1
        fi
        sudo=(sudo)
        if [[ -z $yes && -t 0 && -t 1 ]]; then
            read -r -p "Install them with sudo apt-get? [Y/n] " answer
            case $answer in
                '' | [yY]*) ;;
                *)
                    fault "they were not installed" "install them yourself, then run this again"
                    return 1
                    ;;
            esac
            sudo -v
        fi
    fi
    local -a apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y)
    quietly "Reading the package lists" "$log" "${apt[@]}" update
    quietly "Installing ${missing[*]}" "$log" "${apt[@]}" install --no-install-recommends "${missing[@]}"
}
