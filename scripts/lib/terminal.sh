# How the scripts speak: sourced, never run. Colours and moving lines only on a terminal, as everywhere else here.
# shellcheck shell=bash

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' cyan=$'\e[36m' plain=$'\e[0m'
    clear_line=$'\r\e[K'
else
    bold='' dim='' red='' green='' cyan='' plain='' clear_line=''
fi

# Columns of the terminal, and a width that reads well where there is none.
columns() {
    local columns=0
    if [[ -t 1 ]] && command -v tput >/dev/null; then columns=$(tput cols 2>/dev/null || echo 0); fi
    if ((columns > 0)); then echo "$columns"; else echo 100; fi
}

# fault WHAT [HINT]: what happened and what to do, on standard error.
fault() {
    echo "$red$bold${0##*/}:$plain $1" >&2
    if [[ -n ${2:-} ]]; then echo "$cyan→$plain $2" >&2; fi
}

# span SECONDS: 75 -> 1:15
span() {
    printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# quietly WORDS LOG COMMAND…: runs a command with its output in a file; on a terminal a line shows that it moves.
# When it fails, the end of its output is shown.
quietly() {
    local words=$1 log=$2 began=$SECONDS turn=0 last
    local -a signs=(⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏)
    shift 2
    if [[ -z $clear_line ]]; then echo "· $words"; fi
    "$@" >"$log" 2>&1 </dev/null &
    local child=$!
    while [[ -n $clear_line ]] && kill -0 $child 2>/dev/null; do
        last=$({ grep -v '^ *$' "$log" || true; } | tail -n 1 | tr -d '\r\033' | sed 's/^ *//')
        last="$words  $(span $((SECONDS - began)))  $last"
        printf '%s%s %s' "$clear_line" "$cyan${signs[turn++ % 10]}$plain" "${last:0:$(($(columns) - 4))}"
        sleep 0.2
    done
    if wait $child; then
        echo "$clear_line$green✓$plain $words $dim($(span $((SECONDS - began))))$plain"
        return
    fi
    echo "$clear_line$red✗$plain $words $dim($(span $((SECONDS - began))); everything it said is in $log)$plain"
    tail -n 40 "$log"
    return 1
}
