//! Commands for the keeper itself, its vault, and the shell.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};

/// Make the vault and start the keeper
///
/// Installs the keeper's unit and D-Bus activation file for you where no package brought them, creates the vault,
/// starts the keeper, and says what it chose and what that protects against. May be run again at any time.
#[derive(Args, Default)]
#[command(after_help = "Kinds of slot (a slot is one way to open the vault):
  secret-service  a key in GNOME Keyring, KWallet or KeePassXC; opens when you log in
  systemd-creds   a key that systemd (256 or newer) seals for you, with the TPM2 if there is one
  passphrase      a passphrase you type after each reboot with `tokenkeeper unlock`
  keyfile=PATH    a file of at least 32 bytes that only you can read; for servers and CI
  load-credential a credential of the unit that `tokenkeeper setup --system` describes

Examples:
  tokenkeeper setup
  tokenkeeper setup --slot passphrase
  head -c 32 /dev/urandom > ~/.tokenkeeper.key && chmod 400 ~/.tokenkeeper.key &&
      tokenkeeper setup --slot keyfile=$HOME/.tokenkeeper.key
  tokenkeeper setup --system | less
  tokenkeeper setup --undo")]
pub(crate) struct Setup {
    /// How the vault is opened [default: the best that works here]
    #[arg(long, value_name = "KIND[=PATH]", conflicts_with = "insecure")]
    pub(crate) slot: Option<SlotSpec>,
    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Keep the key beside the vault: whoever reads the disk reads the logins. For throw-away machines
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Do not start the keeper
    #[arg(long)]
    pub(crate) no_start: bool,
    /// Print what root must run so that the keeper runs as a system unit, for machines without a desktop
    #[arg(long, conflicts_with_all = ["slot", "passphrase_file", "insecure", "no_start", "undo"])]
    pub(crate) system: bool,
    /// Stop the keeper and take back what setup installed; the vault and the configuration stay
    #[arg(long, conflicts_with_all = ["slot", "passphrase_file", "insecure", "no_start"])]
    pub(crate) undo: bool,
}

/// List and change the ways to open the vault
#[derive(Args)]
pub(crate) struct Slot {
    #[command(subcommand)]
    pub(crate) command: SlotCommand,
}

#[derive(Subcommand)]
pub(crate) enum SlotCommand {
    /// List the slots
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add another way to open the vault
    #[command(
        after_help = "Examples:\n  tokenkeeper slot add passphrase\n  tokenkeeper slot add keyfile=/run/keys/tokenkeeper"
    )]
    Add {
        /// secret-service, systemd-creds, load-credential, passphrase or keyfile=PATH
        #[arg(value_name = "KIND[=PATH]")]
        slot: SlotSpec,
        /// Read the new passphrase from this file
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        passphrase_file: Option<PathBuf>,
    },
    /// Remove a way to open the vault; the last one stays
    Remove {
        /// The slot, as `tokenkeeper slot list` names it
        id: String,
    },
    /// Change the passphrase
    Passphrase,
    /// Give the vault a new key and seal everything with it
    Rekey,
}

/// One way to open the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotKind {
    SecretService,
    SystemdCreds,
    LoadCredential,
    Passphrase,
    Keyfile,
    Insecure,
}

/// A slot as it is asked for: `KIND` or `KIND=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotSpec {
    pub(crate) kind: SlotKind,
    pub(crate) path: Option<PathBuf>,
}

impl SlotKind {
    /// The word on the bus.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::SystemdCreds => "systemd-creds",
            Self::LoadCredential => "load-credential",
            Self::Passphrase => "passphrase",
            Self::Keyfile => "keyfile",
            Self::Insecure => "insecure",
        }
    }
}

impl FromStr for SlotSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = match text.split_once('=') {
            Some((kind, path)) => (kind, Some(PathBuf::from(path))),
            None => (text, None),
        };
        match (kind, path) {
            ("secret-service", None) => Ok(Self { kind: SlotKind::SecretService, path: None }),
            ("systemd-creds", None) => Ok(Self { kind: SlotKind::SystemdCreds, path: None }),
            ("load-credential", None) => Ok(Self { kind: SlotKind::LoadCredential, path: None }),
            ("passphrase", None) => Ok(Self { kind: SlotKind::Passphrase, path: None }),
            ("keyfile", Some(path)) if path.is_absolute() => Ok(Self { kind: SlotKind::Keyfile, path: Some(path) }),
            ("keyfile", _) => Err("write keyfile=PATH with the whole path of a file of at least 32 bytes".to_owned()),
            ("insecure", None) => {
                Err("a key beside the vault is made only by `tokenkeeper setup --insecure`".to_owned())
            }
            _ => Err("use secret-service, systemd-creds, load-credential, passphrase or keyfile=PATH".to_owned()),
        }
    }
}

/// Print a completion script
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper completions bash > ~/.local/share/bash-completion/completions/tokenkeeper
  tokenkeeper completions zsh > ~/.zfunc/_tokenkeeper
  tokenkeeper completions fish > ~/.config/fish/completions/tokenkeeper.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual pages
///
/// All of them in one stream, or one file per command with --dir.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenkeeper man | man -l -\n  tokenkeeper man --dir ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write one file per command into this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_kind_or_a_kind_with_a_path() {
        let spec: SlotSpec = "keyfile=/run/keys/k".parse().expect("a keyfile slot");
        assert_eq!((spec.kind, spec.path), (SlotKind::Keyfile, Some("/run/keys/k".into())));
        for word in ["secret-service", "systemd-creds", "load-credential", "passphrase"] {
            let spec: SlotSpec = word.parse().expect("a slot");
            assert_eq!((spec.kind.as_str(), spec.path), (word, None));
        }
        for bad in ["keyfile", "keyfile=", "keyfile=key", "passphrase=x", "insecure", "tpm", ""] {
            assert!(bad.parse::<SlotSpec>().is_err(), "{bad}");
        }
    }
}
