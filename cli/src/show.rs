//! Commands that look: `status`, `watch`, `slot list`, `providers`, `config check`.

pub(crate) mod config;
pub(crate) mod providers;
pub(crate) mod slots;
pub(crate) mod status;
mod table;
pub(crate) mod view;
pub(crate) mod watch;
