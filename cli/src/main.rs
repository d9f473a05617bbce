//! The companion: `tokenkeeper`.
fn main() {}
