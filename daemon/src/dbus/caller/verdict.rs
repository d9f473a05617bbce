//! What the evidence says about a caller. Pure.

use std::fmt;

use super::evidence::{Evidence, Flatpak};

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(in crate::dbus) enum Caller {
    /// Our own, over a connection without a bus.
    Host,
    /// A program of this user outside of every sandbox we know; its name is for display only.
    Program(String),
    /// A sandboxed program.
    Sandboxed(String),
    /// In a sandbox we cannot look into.
    Unknown,
    /// A program of another user, or of one the bus does not name.
    Stranger,
}

/// Whom the evidence shows, to a keeper that runs as `user`.
pub(super) fn judge(seen: &Evidence, user: u32) -> Caller {
    if seen.uid != Some(user) {
        return Caller::Stranger;
    }
    if let Some(snap) = seen.label.as_deref().and_then(|label| label.strip_prefix("snap.")) {
        return Caller::Sandboxed(format!("snap {}", snap.split(['.', ' ']).next().unwrap_or_default()));
    }
    match &seen.flatpak {
        Flatpak::Info(info) => Caller::Sandboxed(format!("flatpak {}", app_id(info).unwrap_or("(unnamed)"))),
        Flatpak::Hidden => Caller::Unknown,
        Flatpak::Absent => Caller::Program(unit(&seen.cgroup).unwrap_or(&seen.comm).to_owned()),
    }
}

/// `name=` of the `[Application]` or `[Runtime]` group.
fn app_id(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("name="))
}

/// The unit that the last element of the unified hierarchy's path names.
fn unit(cgroup: &str) -> Option<&str> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = path.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"))?;
    Some(unit)
}

impl Caller {
    /// Whether it may see accounts and call methods. Sandboxed programs will be asked about one day; until then they,
    /// and whoever cannot be told apart from them, see nothing.
    pub(in crate::dbus) fn is_trusted(&self) -> bool {
        matches!(self, Self::Host | Self::Program(_))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("this process"),
            Self::Program(name) => f.write_str(name),
            Self::Sandboxed(app) => write!(f, "the sandboxed program {app}"),
            Self::Unknown => f.write_str("a program in an unknown sandbox"),
            Self::Stranger => f.write_str("a program of another user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Evidence {
        Evidence {
            uid: Some(1000),
            label: Some("unconfined".into()),
            flatpak: Flatpak::Absent,
            cgroup: String::new(),
            comm: "mutt".into(),
        }
    }

    #[test]
    fn a_program_of_this_user_is_trusted_and_named() {
        assert_eq!(judge(&seen(), 1000), Caller::Program("mutt".into()));
        let cgroup = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service\n".to_owned();
        assert_eq!(judge(&Evidence { cgroup, ..seen() }, 1000), Caller::Program("mail.service".into()));
    }

    #[test]
    fn another_user_is_a_stranger() {
        assert_eq!(judge(&seen(), 1001), Caller::Stranger);
        assert_eq!(judge(&Evidence { uid: None, ..seen() }, 1000), Caller::Stranger);
    }

    #[test]
    fn sandboxes_are_recognised() {
        let info = "[Application]\nname=org.gnome.Evolution\nruntime=x\n".to_owned();
        let flatpak = Evidence { flatpak: Flatpak::Info(info), ..seen() };
        assert_eq!(judge(&flatpak, 1000), Caller::Sandboxed("flatpak org.gnome.Evolution".into()));
        let snap = Evidence { label: Some("snap.thunderbird.thunderbird (enforce)".into()), ..seen() };
        assert_eq!(judge(&snap, 1000), Caller::Sandboxed("snap thunderbird".into()));
        let hidden = Evidence { flatpak: Flatpak::Hidden, ..seen() };
        assert_eq!(judge(&hidden, 1000), Caller::Unknown);
        for caller in [judge(&flatpak, 1000), judge(&snap, 1000), judge(&hidden, 1000), Caller::Stranger] {
            assert!(!caller.is_trusted());
        }
    }
}
