//! The log, and systemd's `org.freedesktop.LogControl1`, by which `systemctl service-log-level` changes its level while
//! the keeper runs.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// The name in the journal.
pub(super) const IDENTIFIER: &str = "tokenkeeperd";

/// The environment variable that sets the filter.
const VARIABLE: &str = "TOKENKEEPER_LOG";

/// The running log's level. Cheap to clone.
#[derive(Clone)]
pub struct LogLevel {
    filter: reload::Handle<EnvFilter, Registry>,
    target: &'static str,
}

impl LogLevel {
    /// Starts the log of this process: to the journal when its service manager says that stderr is one, else to stderr.
    pub fn start() -> Self {
        let (filter, handle) = reload::Layer::new(EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| plain("info")));
        let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
        let target = if journal.is_some() { "journal" } else { "console" };
        let output = match journal {
            Some(layer) => layer.with_syslog_identifier(IDENTIFIER.to_owned()).boxed(),
            None => tracing_subscriber::fmt::layer().with_writer(std::io::stderr).boxed(),
        };
        // A second start, as in tests, leaves the first log as it is.
        let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
        Self { filter: handle, target }
    }

    /// A level that no log listens to.
    #[cfg(test)]
    pub(super) fn detached() -> (Self, reload::Layer<EnvFilter, Registry>) {
        let (layer, filter) = reload::Layer::new(plain("info"));
        (Self { filter, target: "console" }, layer)
    }

    /// Where the log goes, in LogControl1's words.
    pub(super) fn target(&self) -> &'static str {
        self.target
    }

    /// The most that is logged, in syslog's words.
    pub(super) fn level(&self) -> &'static str {
        let level = self.filter.with_current(EnvFilter::max_level_hint).ok().flatten();
        match level {
            Some(LevelFilter::OFF) => "emerg",
            Some(LevelFilter::ERROR) => "err",
            Some(LevelFilter::WARN) => "warning",
            Some(LevelFilter::DEBUG | LevelFilter::TRACE) => "debug",
            _ => "info",
        }
    }

    /// Sets it; `false` = no such word.
    pub(super) fn set_level(&self, word: &str) -> bool {
        let directive = match word {
            "emerg" | "alert" | "crit" => "off",
            "err" => "error",
            "warning" => "warn",
            "notice" | "info" => "info",
            "debug" => "debug",
            _ => return false,
        };
        self.filter.reload(plain(directive)).is_ok()
    }
}

fn plain(level: &str) -> EnvFilter {
    EnvFilter::new(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_goes_both_ways() {
        let (log, _layer) = LogLevel::detached();
        assert_eq!(log.level(), "info");
        for word in ["emerg", "err", "warning", "info", "debug"] {
            assert!(log.set_level(word));
            assert_eq!(log.level(), word);
        }
        assert!(!log.set_level("loud"));
    }
}
