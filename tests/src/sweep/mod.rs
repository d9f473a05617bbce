//! Sweeps: the same short story over and over, each time broken off at another point, judged by what the server's
//! ledger and the keeper's own log prove. Every random choice comes from a seed that is printed.

mod dice;
mod disk;
mod oracle;
mod spans;
mod stage;
mod trace;

use std::io::Write as _;

pub use dice::Dice;
pub use disk::{SmallDisk, bare_sync};
pub use oracle::{Class, Oracle, Verdict};
pub use spans::{from_answer_to_disk, newest_durable, percentile};
pub use stage::{is_there, signed_in, start};
pub use trace::{Injection, Strace, Tracing, cannot_attach, child_of, syscalls_in};

/// How often to do it: what the environment says, or `few`.
pub fn times(variable: &str, few: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// Says something that stands in the output of a test that passes, too: figures, and why something was skipped.
pub fn say(text: &str) {
    // The test harness captures `eprintln!` but not this.
    let _ = writeln!(std::io::stderr(), "{text}");
}
