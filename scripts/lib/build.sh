# How a release is built. Sourced, never run.
# shellcheck shell=bash

# The programs as they are packaged: the companion is one static file. It is started anew for every token, and a third
# of its time went into finding and joining the libraries (docs/decisions.md). Only the companion itself is built
# with the flag: it changes how the program is linked, and procedural macros cannot be linked so.
build_release() {
    cargo build --locked --release --workspace --bins "$@"
    cargo rustc --locked --release --package tokenkeeper-cli --bin tokenkeeper "$@" -- -C target-feature=+crt-static
}
