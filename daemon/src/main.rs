//! The daemon: `tokenkeeperd`.
fn main() {}
