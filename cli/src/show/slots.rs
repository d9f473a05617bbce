//! `slot list`: the ways to open the vault.

use owo_colors::Style;
use tokenkeeper::Keeper;

use super::table::{Cell, Table};
use super::view::SlotView;
use crate::fault::Fault;
use crate::{say, span};

/// Lists the slots.
///
/// # Errors
/// When the keeper cannot be asked.
pub(crate) async fn list(keeper: &Keeper, json: bool) -> Result<(), Fault> {
    let slots: Vec<SlotView> = keeper.vault().slots().await?.into_iter().map(SlotView::from).collect();
    if json {
        return say::json(&serde_json::json!({ "schema": 1, "slots": slots }));
    }
    let mut table = Table::new(&["ID", "KIND", "MADE", "OPENED"], say::colours());
    let now = span::now();
    for slot in slots {
        let opened = match (slot.opened, slot.error.is_empty()) {
            (true, _) => Cell("yes".to_owned(), Style::new().green()),
            (false, true) => Cell::plain("not tried"),
            (false, false) => Cell("no".to_owned(), Style::new().yellow()),
        };
        let below = if slot.error.is_empty() { Vec::new() } else { vec![slot.error] };
        table.row(
            vec![Cell::plain(slot.id), Cell::plain(slot.kind), Cell::plain(span::when(slot.created, now)), opened],
            below,
        );
    }
    say::answer(table.drawn().as_bytes())
}
