//! What is wrong in a config file, where, and what to write instead.
//!
//! A fault never repeats the value of a key that could hold a secret: faults go to logs, to the bus and into bug reports.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong in a config file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The file, as it was named to us.
    pub file: PathBuf,
    /// Where in the file; `None` = the file as a whole (it cannot be read, it is too big).
    pub position: Option<Position>,
    /// What is wrong.
    pub what: String,
    /// What to write or do instead.
    pub write_instead: String,
}

/// A place in a text: both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words say it")]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// `FILE:LINE:COLUMN: what; what to write instead`: the form that editors and terminals make clickable.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}; {}", self.what, self.write_instead)
    }
}

/// A text with its file name, able to say where a byte offset is.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    pub(crate) file: &'t Path,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &'t Path, text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, line_starts }
    }

    pub(crate) fn fault(&self, offset: usize, what: impl Into<String>, write_instead: impl Into<String>) -> Fault {
        Fault {
            file: self.file.to_owned(),
            position: Some(self.position(offset)),
            what: what.into(),
            write_instead: write_instead.into(),
        }
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new(Path::new("f"), "a\nüb\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(2), Position { line: 2, column: 1 });
        assert_eq!(source.position(4), Position { line: 2, column: 2 });
        assert_eq!(source.position(6), Position { line: 3, column: 1 });
    }

    #[test]
    fn a_fault_reads_as_file_line_column_what_remedy() {
        let fault = Source::new(Path::new("config.toml"), "x = 1").fault(4, "it is wrong", "write 2");
        assert_eq!(fault.to_string(), "config.toml:1:5: it is wrong; write 2");
    }
}
