//! Completions and manual pages, made from the one definition of the command line.

use std::io;
use std::path::Path;

use crate::args::{self, Completions, Man};
use crate::fault::Fault;
use crate::{durable, say};

/// Prints a completion script.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn completions(args: &Completions) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::definition(), "tokenkeeper", &mut script);
    say::answer(&script)
}

/// Prints the manual pages, or writes them.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn man(args: &Man) -> Result<(), Fault> {
    let pages = pages().map_err(|error| Fault::failure(format!("cannot make the manual pages: {error}")))?;
    let Some(dir) = &args.dir else {
        return pages.iter().try_for_each(|(_, page)| say::answer(page));
    };
    write(dir, &pages).map_err(|error| Fault::failure(format!("cannot write to {}: {error}", dir.display())))
}

fn write(dir: &Path, pages: &[(String, Vec<u8>)]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    pages.iter().try_for_each(|(name, page)| durable::replace(&dir.join(name), page, 0o644))
}

/// Every page with its file name.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = args::definition().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), page));
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| collect(below, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_command() {
        let pages = pages().expect("rendered");
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "tokenkeeper.1");
        for name in ["tokenkeeper-token.1", "tokenkeeper-slot-add.1", "tokenkeeper-config-check.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
