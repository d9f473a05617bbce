//! The budgets, measured: every figure is a ratio of two things timed in turn in one run, so that a slow or busy machine
//! changes both. `scripts/bench` builds everything and runs this.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is the answer")]

mod calls;
mod constant;
mod memory;
mod programs;
mod table;

use table::Table;

#[tokio::main]
async fn main() {
    if std::env::args().nth(1).as_deref() == Some(constant::ARGUMENT) {
        return constant::serve().await;
    }
    let mut table = Table::default();
    calls::measure(&mut table).await;
    programs::measure(&mut table).await;
    memory::measure(&mut table).await;
    print!("{table}");
    if table.is_over() {
        std::process::exit(1);
    }
}
