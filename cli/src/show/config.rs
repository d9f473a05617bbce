//! `config check`: every fault of the configuration, without a keeper.

use tokenkeeper_config::{Config, Places};

use crate::fault::{Code, Fault};
use crate::say;

/// Names every fault.
///
/// # Errors
/// When there is one.
pub(crate) fn check() -> Result<(), Fault> {
    let places = Places::from_env(|key| std::env::var_os(key)).map_err(|error| Fault::failure(error.to_string()))?;
    let loaded = Config::load(&places);
    for fault in &loaded.faults {
        say::line(fault)?;
    }
    let shown = places.config_dir.display();
    match loaded.faults.len() {
        0 => {
            let accounts = loaded.accounts.len();
            let s = if accounts == 1 { "" } else { "s" };
            say::note(format_args!("No fault in {shown}: {accounts} account{s}."));
            Ok(())
        }
        1 => Err(Fault::new(Code::Misconfigured, format!("a fault in {shown}"))),
        faults => Err(Fault::new(Code::Misconfigured, format!("{faults} faults in {shown}"))),
    }
    .map_err(|fault: Fault| fault.hint("correct what is named above; the keeper notices by itself"))
}
