//! One table: what was measured, against what, and the budget.

use std::fmt;
use std::time::Duration;

/// Rows as they are measured.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    what: String,
    ours: String,
    against: String,
    measured: Option<f64>,
    budget: f64,
    unit: &'static str,
}

impl Table {
    /// A ratio of two times.
    pub(crate) fn ratio(&mut self, what: &str, ours: Duration, (name, theirs): (&str, Duration), budget: f64) {
        let measured = Some(ours.as_secs_f64() / theirs.as_secs_f64());
        let against = format!("{name} {}", micros(theirs));
        self.0.push(Row { what: what.into(), ours: micros(ours), against, measured, budget, unit: "×" });
    }

    /// A ratio of two rates, which must not fall below its budget: turned round, so that less is better everywhere.
    pub(crate) fn rate(&mut self, what: &str, ours: f64, (name, theirs): (&str, f64), least: f64) {
        let (ours_text, against) = (format!("{ours:.0}/s"), format!("{name} {theirs:.0}/s"));
        let (measured, budget) = (Some(theirs / ours), 1.0 / least);
        self.0.push(Row { what: what.into(), ours: ours_text, against, measured, budget, unit: "×" });
    }

    /// A figure that stands for itself.
    pub(crate) fn figure(&mut self, what: &str, measured: f64, unit: &'static str, budget: f64) {
        let ours = format!("{measured:.1} {unit}");
        self.0.push(Row { what: what.into(), ours, against: "–".into(), measured: Some(measured), budget, unit });
    }

    /// What could not be measured here, and why.
    pub(crate) fn missing(&mut self, what: &str, why: &str, budget: f64, unit: &'static str) {
        self.0.push(Row { what: what.into(), ours: "–".into(), against: why.into(), measured: None, budget, unit });
    }

    /// Whether a budget was exceeded.
    pub(crate) fn is_over(&self) -> bool {
        self.0.iter().any(Row::is_over)
    }
}

impl Row {
    fn is_over(&self) -> bool {
        self.measured.is_some_and(|measured| measured > self.budget)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>12}  {:<34} {:>9} {:>10}", "what", "ours", "against", "measured", "budget")?;
        for row in &self.0 {
            let measured = row.measured.map_or("–".into(), |measured| format!("{measured:.2} {}", row.unit));
            let budget = format!("≤ {:.2} {}", row.budget, row.unit);
            let verdict = if row.is_over() { "  OVER" } else { "" };
            writeln!(f, "{:<44} {:>12}  {:<34} {measured:>9} {budget:>10}{verdict}", row.what, row.ours, row.against)?;
        }
        Ok(())
    }
}

fn micros(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..10_000_000 => format!("{} µs", time.as_micros()),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// The `part` quantile (0.5 = median) of these times.
pub(crate) fn quantile(mut times: Vec<Duration>, part: f64) -> Duration {
    times.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let at = ((times.len() - 1) as f64 * part).round() as usize;
    times[at]
}
