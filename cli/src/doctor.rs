//! `doctor`: looks at everything the keeper depends on, and says what to do about what is wrong. First it gathers
//! facts, then it judges them; judging reads nothing.

mod facts;
mod judge;
mod restore;

use std::process::ExitCode;

use owo_colors::Style;
use serde::Serialize;

use crate::args::Doctor;
use crate::fault::{Code, Fault};
use crate::say;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Works, but not for long or not well.
    Warning,
    /// Does not work.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    what: String,
    remedy: Option<String>,
    /// The same without names of accounts, servers, people and files of theirs.
    #[serde(skip)]
    public: String,
}

impl Finding {
    /// A finding whose words name nobody.
    fn new(check: &'static str, level: Level, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { check, level, public: what.clone(), what, remedy: None }
    }

    /// A finding that needs other words for strangers.
    fn named(check: &'static str, level: Level, what: impl Into<String>, public: impl Into<String>) -> Self {
        Self { check, level, what: what.into(), remedy: None, public: public.into() }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// When the daily copy of the vault was made, if there is one.
pub(crate) fn copied(state_dir: &std::path::Path) -> Option<crate::span::Unix> {
    facts::copied(&state_dir.join(facts::COPY))
}

/// Prints what it finds, or puts the copy of the vault in its place.
///
/// # Errors
/// When nothing can be printed. A finding is no error; it is the exit code.
pub(crate) async fn run(args: Doctor) -> Result<ExitCode, Fault> {
    if let Some(copy) = args.restore {
        return restore::run(copy.as_deref()).await.map(|()| ExitCode::SUCCESS);
    }
    let facts = facts::gather().await;
    let findings = judge::all(&facts);
    match (args.json, args.report) {
        (true, _) => say::json(&serde_json::json!({ "schema": 1, "findings": findings }))?,
        (false, true) => say::answer(report(&facts, &findings).as_bytes())?,
        (false, false) => say::answer(in_words(&findings, say::colours()).as_bytes())?,
    }
    let ill = findings.iter().any(|finding| finding.level == Level::Fault);
    Ok(if ill { ExitCode::from(Code::Failure as u8) } else { ExitCode::SUCCESS })
}

fn in_words(findings: &[Finding], colours: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let (mark, style) = match finding.level {
            Level::Ok => ("✓", Style::new().green()),
            Level::Note => ("·", Style::new().dimmed()),
            Level::Warning => ("!", Style::new().yellow().bold()),
            Level::Fault => ("✗", Style::new().red().bold()),
        };
        text += &format!("{} {:<11} {}\n", say::painted(mark, style, colours), finding.check, finding.what);
        if let Some(remedy) = &finding.remedy {
            text += &format!("  {:<11} {} {remedy}\n", "", say::painted("→", Style::new().cyan(), colours));
        }
    }
    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    text += &match (of(Level::Fault), of(Level::Warning)) {
        (0, 0) => "\nNothing is wrong.\n".to_owned(),
        (0, warnings) => format!("\nWorks; {warnings} to look at.\n"),
        (faults, _) => format!("\n{faults} to be corrected.\n"),
    };
    text
}

/// What may be shown to strangers.
fn report(facts: &facts::Facts, findings: &[Finding]) -> String {
    let mut text = format!(
        "tokenkeeper {}\nkeeper {}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        facts.keeper_version.as_deref().unwrap_or("not reached"),
        facts.system
    );
    for finding in findings {
        let level = serde_json::to_value(finding.level).unwrap_or_default();
        text += &format!("{} {}: {}\n", level.as_str().unwrap_or_default(), finding.check, finding.public);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_nobody() {
        let finding = Finding::named("account", Level::Fault, "acme: as.acme.example refused ada", "1: LoginRequired");
        let text = report(&facts::Facts::default(), std::slice::from_ref(&finding));
        assert!(text.contains("fault account: 1: LoginRequired"), "{text}");
        for name in ["acme", "ada"] {
            assert!(!text.contains(name), "{text}");
        }
        assert!(in_words(&[finding], false).contains("✗ account     acme: as.acme.example refused ada\n"));
    }
}
