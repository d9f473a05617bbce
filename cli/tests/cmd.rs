//! The command line as data: each file in `tests/cmd` is a session, with what is printed and the exit code. There is no
//! session bus in it, and a configuration with faults.
//!
//! After a wanted change: `TRYCMD=overwrite cargo test -p tokenkeeper-cli --test cmd`, then read the difference.

#[test]
fn sessions_are_as_written() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config");
    let cases = trycmd::TestCases::new();
    cases.insert_var("[CONFIG]", config).expect("a placeholder");
    cases
        .env("TOKENKEEPER_CONFIG_DIR", config)
        .env("TOKENKEEPER_STATE_DIR", "/nonexistent/state")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .env("HOME", "/nonexistent")
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd");
}
