//! What the terminal hears. Standard output is the answer and nothing else; words for people go to standard error;
//! colour only on a terminal that wants it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use owo_colors::Style;

use crate::fault::Fault;

/// Writes an answer to standard output as it is.
///
/// # Errors
/// When it cannot be written. A reader that went away (`| head`) needs no words.
pub(crate) fn answer(bytes: &[u8]) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Fault::failure(""),
        _ => Fault::failure(format!("cannot write to standard output: {error}")),
    })
}

/// Writes a line of an answer.
///
/// # Errors
/// As [`answer`].
pub(crate) fn line(text: impl Display) -> Result<(), Fault> {
    answer(format!("{text}\n").as_bytes())
}

/// Writes a value as JSON on lines of its own.
///
/// # Errors
/// As [`answer`].
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Fault> {
    let mut text = serde_json::to_string_pretty(value).expect("strings, numbers and lists are JSON");
    text.push('\n');
    answer(text.as_bytes())
}

/// Writes a value as JSON on one line.
///
/// # Errors
/// As [`answer`].
pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<(), Fault> {
    line(serde_json::to_string(value).expect("strings, numbers and lists are JSON"))
}

/// Says something to the person, on standard error. Nobody listening is no failure.
pub(crate) fn note(text: impl Display) {
    // In one piece, so that lines of several programs on one terminal do not mix.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Says what happened and what to do.
pub(crate) fn fault(what: &str, hint: Option<&str>) {
    note(format_args!("{} {what}", paint("tokenkeeper:", Style::new().red().bold())));
    if let Some(hint) = hint {
        note(format_args!("{} {hint}", paint("→", Style::new().cyan())));
    }
}

/// `text` in colour if standard error shows colours.
pub(crate) fn paint(text: &str, style: Style) -> String {
    static COLOURS: OnceLock<bool> = OnceLock::new();
    let colours = *COLOURS.get_or_init(|| wants_colour(io::stderr().is_terminal()));
    painted(text, style, colours)
}

/// Whether standard output shows colours.
pub(crate) fn colours() -> bool {
    wants_colour(io::stdout().is_terminal())
}

/// `text` in colour if `colours`.
pub(crate) fn painted(text: &str, style: Style, colours: bool) -> String {
    if colours { style.style(text).to_string() } else { text.to_owned() }
}

/// <https://no-color.org>: set and not empty means none.
fn wants_colour(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
