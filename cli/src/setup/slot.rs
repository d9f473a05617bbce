//! Which slot a new vault gets: what was asked for, else the best that works here. Never a key in a file by itself.

use crate::args::{SlotKind, SlotSpec};
use crate::fault::Fault;

/// What works everywhere, and is never chosen without being asked for.
pub(crate) const NOBODY_NEEDED: &str = "use --slot keyfile=PATH (a file of at least 32 bytes that only you can read)";

/// What setup sees of the machine, as far as the choice depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Around {
    /// The session has a display.
    pub(crate) graphical: bool,
    /// A Secret Service runs or can be started.
    pub(crate) secret_service: bool,
    /// Its default collection is open already.
    pub(crate) secret_service_open: bool,
    /// systemd seals credentials for users.
    pub(crate) systemd_creds: bool,
    /// Somebody sits at a terminal.
    pub(crate) person: bool,
    /// A passphrase comes from a file.
    pub(crate) passphrase_given: bool,
}

/// The slots to try, best first.
///
/// # Errors
/// When nobody is there to type a passphrase and nothing else works.
pub(crate) fn choose(around: Around) -> Result<Vec<SlotSpec>, Fault> {
    let slot = |kind| SlotSpec { kind, path: None };
    let secret_service = around.secret_service && (around.graphical || around.secret_service_open);
    let mut slots = Vec::new();
    if secret_service && !around.passphrase_given {
        slots.push(slot(SlotKind::SecretService));
    }
    if around.systemd_creds && !around.passphrase_given {
        slots.push(slot(SlotKind::SystemdCreds));
    }
    if around.person || around.passphrase_given {
        slots.push(slot(SlotKind::Passphrase));
    }
    if slots.is_empty() {
        return Err(nothing_fits());
    }
    Ok(slots)
}

/// Nobody to ask, and nothing to keep a key in.
pub(crate) fn nothing_fits() -> Fault {
    Fault::usage("no Secret Service or systemd 256 to keep the vault's key, and nobody to type a passphrase")
        .hint(NOBODY_NEEDED)
}

/// What a slot is called in a sentence.
pub(crate) fn named(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::SecretService => "the Secret Service",
        SlotKind::SystemdCreds => "a key that systemd seals for you",
        SlotKind::LoadCredential => "a credential of its unit",
        SlotKind::Passphrase => "a passphrase",
        SlotKind::Keyfile => "a key file",
        SlotKind::Insecure => "a key that lies beside it",
    }
}

/// What a slot protects against and what not; one line each.
pub(crate) fn protection(kind: SlotKind) -> &'static [&'static str] {
    match kind {
        SlotKind::SecretService => &[
            "A stolen disk shows no login. The vault opens by itself when you log in.",
            "Your own programs outside a sandbox can ask for tokens; that is no boundary.",
        ],
        SlotKind::SystemdCreds => &[
            "Without this machine's TPM2, or where it has none without its own disk, a copy shows no login.",
            "The vault opens by itself. Your own programs outside a sandbox can ask for tokens; that is no boundary.",
        ],
        SlotKind::LoadCredential => &[
            "Only the system's manager can decrypt the key. The vault opens by itself when its unit starts.",
            "Your own programs outside a sandbox can ask for tokens; that is no boundary.",
        ],
        SlotKind::Passphrase => &[
            "A stolen disk shows no login, and while locked none of your programs can open the vault.",
            "After each reboot run `tokenkeeper unlock`.",
        ],
        SlotKind::Keyfile => &[
            "A stolen disk shows no login only if the key file lies on another one.",
            "The vault opens by itself. Whoever can read the key file can open the vault.",
        ],
        SlotKind::Insecure => &[
            "Nothing is protected from somebody who reads the disk. `tokenkeeper status` will go on saying so.",
            "To change it: `tokenkeeper slot add passphrase`, then `tokenkeeper slot remove` this one.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Code;

    fn kinds(around: Around) -> Vec<SlotKind> {
        choose(around).expect("a choice").into_iter().map(|slot| slot.kind).collect()
    }

    #[test]
    fn a_desktop_uses_its_secret_service_and_falls_back_to_asking() {
        let desktop = Around { graphical: true, secret_service: true, person: true, ..Around::default() };
        assert_eq!(kinds(desktop), [SlotKind::SecretService, SlotKind::Passphrase]);
        assert_eq!(kinds(Around { person: false, ..desktop }), [SlotKind::SecretService]);
    }

    #[test]
    fn without_a_display_only_an_open_secret_service_counts() {
        let ssh = Around { secret_service: true, person: true, ..Around::default() };
        assert_eq!(kinds(ssh), [SlotKind::Passphrase]);
        assert_eq!(kinds(Around { secret_service_open: true, ..ssh })[0], SlotKind::SecretService);
    }

    #[test]
    fn systemd_comes_after_the_secret_service_and_before_asking() {
        let server = Around { systemd_creds: true, ..Around::default() };
        assert_eq!(kinds(server), [SlotKind::SystemdCreds]);
        assert_eq!(kinds(Around { person: true, ..server }), [SlotKind::SystemdCreds, SlotKind::Passphrase]);
        let desktop = Around { graphical: true, secret_service: true, ..server };
        assert_eq!(kinds(desktop), [SlotKind::SecretService, SlotKind::SystemdCreds]);
    }

    #[test]
    fn a_passphrase_file_means_a_passphrase() {
        let around = Around {
            graphical: true,
            secret_service: true,
            systemd_creds: true,
            passphrase_given: true,
            ..Around::default()
        };
        assert_eq!(kinds(around), [SlotKind::Passphrase]);
    }

    #[test]
    fn with_nobody_to_ask_it_takes_no_key_file_by_itself() {
        let fault = choose(Around::default()).expect_err("nothing fits");
        assert_eq!(fault.code(), Code::Usage);
        let secret_service = Around { secret_service: true, ..Around::default() };
        assert!(choose(secret_service).is_err());
    }
}
