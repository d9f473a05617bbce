//! Columns of text, aligned, with colours that take no room.

use owo_colors::Style;

use crate::say;

/// A cell: its text and how it looks on a terminal.
pub(super) struct Cell(pub(super) String, pub(super) Style);

/// Rows under a heading; a row may be followed by lines of its own.
pub(super) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<(Vec<Cell>, Vec<String>)>,
    colours: bool,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self(text.into(), Style::new())
    }
}

impl Table {
    pub(super) fn new(heading: &[&'static str], colours: bool) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new(), colours }
    }

    /// Adds a row, and lines that stand below it, indented.
    pub(super) fn row(&mut self, cells: Vec<Cell>, below: Vec<String>) {
        self.rows.push((cells, below));
    }

    /// The text, with a line end after every line.
    pub(super) fn drawn(&self) -> String {
        let widths = self.widths();
        let heading: Vec<Cell> =
            self.heading.iter().map(|text| Cell((*text).to_owned(), Style::new().dimmed())).collect();
        let mut text = self.line(&heading, &widths);
        for (cells, below) in &self.rows {
            text += &self.line(cells, &widths);
            for line in below {
                text += &format!("  {line}\n");
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let of_column = |at: usize| {
            let cells = self.rows.iter().filter_map(|(cells, _)| cells.get(at)).map(|cell| width(&cell.0));
            cells.chain([width(self.heading[at])]).max().unwrap_or(0)
        };
        (0..self.heading.len()).map(of_column).collect()
    }

    /// The last column is not padded, so that no line ends in spaces.
    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for (at, Cell(text, style)) in cells.iter().enumerate() {
            line += &say::painted(text, *style, self.colours);
            if at + 1 < cells.len() {
                line += &" ".repeat(widths[at] - width(text) + 2);
            }
        }
        line.push('\n');
        line
    }
}

/// Columns are account names, words and numbers: a character is a place.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let red = Style::new().red();
        let draw = |colours| {
            let mut table = Table::new(&["ACCOUNT", "STATE"], colours);
            table.row(vec![Cell::plain("a-long-name"), Cell("ready".into(), red)], vec!["→ do this".into()]);
            table.row(vec![Cell::plain("b"), Cell::plain("held")], vec![]);
            table.drawn()
        };
        assert_eq!(draw(false), "ACCOUNT      STATE\na-long-name  ready\n  → do this\nb            held\n");
        assert!(draw(true).contains("\u{1b}[31mready\u{1b}[39m") || draw(true).contains("\u{1b}[31mready\u{1b}[0m"));
    }
}
