//! The published view: what may be read without asking. Replaced as a whole.

use std::sync::Arc;

use super::task::Keeper;

impl Keeper {
    /// Publishes what changed since the last time, if anything did.
    pub(super) fn publish(&mut self) {
        let busy = !self.is_settled();
        self.in_flight.send_if_modified(|was| std::mem::replace(was, busy) != busy);
        let now = self.now();
        let stale: Vec<_> = std::mem::take(&mut self.stale)
            .into_iter()
            .map(|name| {
                let entry = self.entries.get(&name).filter(|entry| !entry.leaving);
                let status = entry.map(|entry| Arc::new(entry.status(&now)));
                (name, status)
            })
            .collect();
        for (name, status) in &stale {
            if let Some(status) = status {
                self.update_token_files(name, status);
            }
        }
        let vault = self.gate.view();
        self.view.send_if_modified(|view| {
            let mut changed = false;
            let mut next = (**view).clone();
            for (name, status) in stale {
                changed |= next.accounts.get(&name) != status.as_ref();
                match status {
                    Some(status) => drop(next.accounts.insert(name, status)),
                    None => drop(next.accounts.remove(&name)),
                }
            }
            if next.vault != vault {
                next.vault = vault;
                changed = true;
            }
            if changed {
                *view = Arc::new(next);
            }
            changed
        });
    }
}
