//! Token files: a current token in a place that programs read (config.md `token_file`), rewritten by rename with every
//! new token and taken away when nobody may have one. A file is a caller like any other: it waits for its token.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tokenkeeper_config::{AccountName, TokenFile, TokenFormat};

use super::task::Keeper;
use super::waiters::Waiting;
use crate::account::{Input, Served, State, Status, TokenAsk, TokenKey};

impl Keeper {
    /// Brings the token files of an account to its present generation.
    pub(super) fn update_token_files(&mut self, name: &AccountName, status: &Status) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let Ok(definition) = &entry.definition else { return };
        if definition.token_files.is_empty() {
            return;
        }
        let files = definition.token_files.clone();
        match status.state {
            State::Ready | State::LoginSoon => {
                let minted = (status.generation, status.expires_at);
                if entry.in_files.replace(minted) != Some(minted) {
                    files.into_iter().for_each(|file| self.fill(name, file));
                }
            }
            State::Locked | State::LoggedOut => {
                if entry.in_files.take().is_some() {
                    files.iter().for_each(|file| take_away(&file.path));
                }
            }
            // What a file holds may be valid still; its reader finds out.
            State::LoginRequired | State::Unavailable | State::Misconfigured | State::Held => {}
        }
    }

    fn fill(&mut self, name: &AccountName, file: TokenFile) {
        let mut scopes = file.scopes.clone();
        scopes.sort_unstable();
        let key = TokenKey { kind: file.kind, audience: file.audience.clone(), resource: None, scopes };
        let deadline = self.now().boot.after(super::vaulting::PATIENCE);
        let ask = TokenAsk { key, min_validity: std::time::Duration::ZERO, rejected: None, deadline };
        let waiter = self.waiters.add(Waiting::File { account: name.clone(), file });
        self.step(name, Input::TokenWanted { waiter, ask });
    }
}

/// Writes a token where its readers look for it. Small, and mostly on a tmpfs, so it is done at once.
pub(super) fn write(account: &AccountName, file: &TokenFile, served: &Served) {
    if let Err(error) = replace(&file.path, |out| in_format(out, file.format, account, served)) {
        tracing::warn!(%account, "could not write the token file {}: {error}", file.path.display());
    }
}

fn replace(path: &Path, fill: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file has a directory"))?;
    std::fs::create_dir_all(dir)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = dir.join(name);
    take_away(&temporary);
    // A fresh file, never one that somebody else made readable for himself beforehand.
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    fill(&mut out)?;
    out.flush()?;
    std::fs::rename(&temporary, path)
}

fn in_format(out: &mut dyn io::Write, format: TokenFormat, account: &AccountName, served: &Served) -> io::Result<()> {
    let token = served.token.reveal();
    match format {
        TokenFormat::Raw => out.write_all(token),
        TokenFormat::Json => {
            // Tokens are of printable ASCII (RFC 6749 Appendix A.12) but for `"` and `\`, which serde escapes.
            let text = served.token.reveal_str().ok_or_else(|| io::Error::other("the token is no text"))?;
            out.write_all(b"{\"access_token\":")?;
            serde_json::to_writer(&mut *out, text)?;
            write!(
                out,
                ",\"token_type\":{},\"expires_at\":{}}}",
                serde_json::json!(*served.token_type),
                served.expires_at
            )
        }
        TokenFormat::Netrc => {
            write!(out, "default login {account} password ")?;
            out.write_all(token)?;
            out.write_all(b"\n")
        }
    }
}

fn take_away(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("could not delete the token file {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use tokenkeeper_config::TokenKind;

    use super::*;
    use crate::secret::Secret;

    fn served(token: &str) -> Served {
        Served {
            token: Arc::new(Secret::from(token.to_owned())),
            token_type: "Bearer".into(),
            expires_at: 42,
            scopes: Arc::new([]),
            generation: 1,
            digest: [0; 32],
        }
    }

    #[test]
    fn a_file_holds_the_newest_token_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new/ci.jwt");
        let account: AccountName = "ci".parse().expect("a name");
        let mut file = TokenFile {
            path: path.clone(),
            kind: TokenKind::Access,
            audience: None,
            scopes: Vec::new(),
            format: TokenFormat::Raw,
        };
        write(&account, &file, &served("at-1"));
        write(&account, &file, &served("at-2"));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "at-2");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path().join("new")).expect("a directory").count(), 1, "nothing left over");

        file.format = TokenFormat::Json;
        write(&account, &file, &served("a\"b"));
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON");
        assert_eq!(json, serde_json::json!({"access_token": "a\"b", "token_type": "Bearer", "expires_at": 42}));
    }
}
