//! The unit and the D-Bus activation file, for a user whose system has no package of tokenkeeper.
//!
//! A file without our first line is somebody's own: it is neither replaced nor removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;

/// The first line of what setup installs.
const MARK: &str = "# Installed by `tokenkeeper setup`; `tokenkeeper setup --undo` removes it.\n";

const UNIT: &str = include_str!("../../../systemd/tokenkeeper.service");
const LOGIN: &str = include_str!("../../../systemd/tokenkeeper-login@.service");
const SYSTEM: &str = include_str!("../../../systemd/tokenkeeper@.service");
const ACTIVATION: &str = include_str!("../../../systemd/org.tokenkeeper.Keeper1.service");

pub(crate) const UNIT_NAME: &str = "tokenkeeper.service";
const LOGIN_NAME: &str = "tokenkeeper-login@.service";
pub(super) const SYSTEM_NAME: &str = "tokenkeeper@.service";
pub(crate) const ACTIVATION_NAME: &str = "org.tokenkeeper.Keeper1.service";

/// A file that systemd or the bus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The keeper's unit.
    Unit,
    /// The unit behind the button of a notification.
    Login,
    /// How the bus starts the keeper.
    Activation,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Unit, Self::Login, Self::Activation];

    /// What it is called in a sentence.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Login => "login unit",
            Self::Activation => "activation",
        }
    }

    /// Whether only systemd reads it.
    pub(crate) const fn is_unit(self) -> bool {
        matches!(self, Self::Unit | Self::Login)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => UNIT_NAME,
            Self::Login => LOGIN_NAME,
            Self::Activation => ACTIVATION_NAME,
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Unit => UNIT,
            Self::Login => LOGIN,
            Self::Activation => ACTIVATION,
        }
    }
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// A package brought it.
    ByPackage(PathBuf),
    /// It was there, the same.
    Already(PathBuf),
    /// It was written.
    Written(PathBuf),
    /// Somebody wrote one by hand; it stays.
    Foreign(PathBuf),
}

/// Where files of each kind are looked for.
pub(crate) struct Dirs {
    /// `$XDG_CONFIG_HOME`.
    pub(crate) config_home: PathBuf,
    /// `$XDG_DATA_HOME`.
    pub(crate) data_home: PathBuf,
    /// The directories of packages: `/usr/local/…`, `/usr/…`.
    pub(crate) packages: Vec<PathBuf>,
}

impl Dirs {
    /// Those of this process.
    pub(crate) fn of_this_process(home: &Path) -> Self {
        let place = |key: &str, below: &str| {
            std::env::var_os(key)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| home.join(below))
        };
        Self {
            config_home: place("XDG_CONFIG_HOME", ".config"),
            data_home: place("XDG_DATA_HOME", ".local/share"),
            packages: vec!["/etc".into(), "/usr/local".into(), "/usr".into()],
        }
    }

    /// The user's own place of a file.
    pub(crate) fn own(&self, kind: Kind) -> PathBuf {
        match kind.is_unit() {
            true => self.config_home.join("systemd/user").join(kind.name()),
            false => self.data_home.join("dbus-1/services").join(kind.name()),
        }
    }

    /// The file as a package brought it.
    pub(crate) fn packaged(&self, kind: Kind) -> Option<PathBuf> {
        let below: &[&str] =
            if kind.is_unit() { &["systemd/user", "lib/systemd/user"] } else { &["share/dbus-1/services"] };
        let name = kind.name();
        self.packages
            .iter()
            .flat_map(|root| below.iter().map(move |below| root.join(below).join(name)))
            .find(|path| path.exists())
    }
}

/// Installs a file unless a package brought it.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn install(dirs: &Dirs, kind: Kind, daemon: &Path, allow_root: bool) -> io::Result<Installed> {
    if let Some(path) = dirs.packaged(kind) {
        return Ok(Installed::ByPackage(path));
    }
    let path = dirs.own(kind);
    let text = filled(kind, daemon, allow_root);
    match fs::read_to_string(&path) {
        Ok(there) if there == text => return Ok(Installed::Already(path)),
        Ok(there) if !there.starts_with(MARK) => return Ok(Installed::Foreign(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(path.parent().expect("a file lies in a directory"))?;
    durable::replace(&path, text.as_bytes(), 0o644)?;
    Ok(Installed::Written(path))
}

/// Removes a file that setup installed; tells whether there was one.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn remove(dirs: &Dirs, kind: Kind) -> io::Result<Option<PathBuf>> {
    let path = dirs.own(kind);
    match fs::read_to_string(&path) {
        Ok(there) if there.starts_with(MARK) => fs::remove_file(&path).map(|()| Some(path)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn filled(kind: Kind, daemon: &Path, allow_root: bool) -> String {
    let bin_dir = daemon.parent().unwrap_or(Path::new("/")).to_string_lossy();
    let bin_dir = if kind.is_unit() { for_systemd(&bin_dir) } else { for_dbus(&bin_dir) };
    let args = if allow_root { " --allow-root" } else { "" };
    // The template may or may not write a space before @ARGS@.
    let text = kind.template().replace("@BINDIR@", &bin_dir).replace(" @ARGS@", args).replace("@ARGS@", args);
    format!("{MARK}{text}")
}

/// The system unit, unless a package brought it.
pub(crate) fn system_unit(dirs: &Dirs, daemon: &Path) -> Option<String> {
    let packaged = |root: &PathBuf| root.join("lib/systemd/system").join(SYSTEM_NAME).exists();
    if dirs.packages.iter().any(packaged) {
        return None;
    }
    let bin_dir = daemon.parent().unwrap_or(Path::new("/")).to_string_lossy();
    Some(SYSTEM.replace("@BINDIR@", &for_systemd(&bin_dir)))
}

/// A path inside the double quotes of `ExecStart=`: systemd.service(5) "Command lines".
pub(super) fn for_systemd(path: &str) -> String {
    path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

/// A path inside the double quotes of `Exec=` in a D-Bus service file, which is split as a shell would.
fn for_dbus(path: &str) -> String {
    path.chars().flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(root: &Path) -> Dirs {
        Dirs { config_home: root.join("config"), data_home: root.join("data"), packages: vec![root.join("usr")] }
    }

    #[test]
    fn installs_once_and_takes_back_only_its_own() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = dirs(root.path());
        let daemon = Path::new("/opt/bin/tokenkeeperd");
        let path = dirs.own(Kind::Unit);
        let install = || install(&dirs, Kind::Unit, daemon, false).expect("installed");
        assert_eq!(install(), Installed::Written(path.clone()));
        assert_eq!(install(), Installed::Already(path.clone()));
        assert_eq!(remove(&dirs, Kind::Unit).expect("removed"), Some(path.clone()));
        assert_eq!(remove(&dirs, Kind::Unit).expect("gone"), None);

        durable::replace(&path, b"[Service]\nExecStart=/mine\n", 0o644).expect("written by hand");
        assert_eq!(install(), Installed::Foreign(path.clone()));
        assert_eq!(remove(&dirs, Kind::Unit).expect("left alone"), None);
        assert!(path.exists());
    }

    #[test]
    fn a_packages_file_is_enough() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = dirs(root.path());
        let packaged = root.path().join("usr/share/dbus-1/services").join(ACTIVATION_NAME);
        fs::create_dir_all(packaged.parent().expect("a parent")).expect("made");
        durable::replace(&packaged, b"", 0o644).expect("written");
        let installed = install(&dirs, Kind::Activation, Path::new("/usr/bin/tokenkeeperd"), false);
        assert_eq!(installed.expect("installed"), Installed::ByPackage(packaged));
        assert!(!dirs.own(Kind::Activation).exists());
    }

    #[test]
    fn templates_are_filled_completely() {
        for kind in [Kind::Unit, Kind::Activation] {
            for allow_root in [false, true] {
                let text = filled(kind, Path::new("/opt/a b/tokenkeeperd"), allow_root);
                assert!(!text.contains("@BINDIR@") && !text.contains("@ARGS@"), "{text}");
                assert!(text.contains("\"/opt/a b/tokenkeeper"), "{text}");
                let starts_keeper = kind != Kind::Login;
                assert_eq!(text.contains("tokenkeeperd\" --allow-root\n"), starts_keeper && allow_root, "{text}");
                assert_eq!(text.contains("tokenkeeperd\"\n"), starts_keeper && !allow_root, "{text}");
            }
        }
    }

    #[test]
    fn the_system_unit_is_given_where_no_package_brought_it() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = dirs(root.path());
        let daemon = Path::new("/opt/a b/tokenkeeperd");
        let text = system_unit(&dirs, daemon).expect("no package");
        assert!(text.contains("ExecStart=\"/opt/a b/tokenkeeperd\"\n") && !text.contains("@BINDIR@"), "{text}");
        let packaged = root.path().join("usr/lib/systemd/system").join(SYSTEM_NAME);
        fs::create_dir_all(packaged.parent().expect("a parent")).expect("made");
        durable::replace(&packaged, b"", 0o644).expect("written");
        assert_eq!(system_unit(&dirs, daemon), None);
    }

    #[test]
    fn odd_paths_stay_one_word() {
        assert_eq!(for_systemd("/a b/100%/\"x"), "/a b/100%%/\\\"x");
        assert_eq!(for_dbus("/a b/$c\"`"), "/a b/\\$c\\\"\\`");
    }
}
