//! Where things lie: the XDG directories, two overrides for second instances, and the `%`-specifiers made of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::AccountName;

/// The directories of one keeper. None of them needs to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `config.toml` and `config.d/`.
    pub config_dir: PathBuf,
    /// The vault (0700).
    pub state_dir: PathBuf,
    /// Sockets, sinks and the lock file; gone after a reboot. `None` without `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// What `%h %t %d %E %S` stand for.
    pub specifiers: Specifiers,
}

/// What the specifiers in paths stand for, as in systemd.unit(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specifiers {
    /// `%h`: the home directory.
    pub home: PathBuf,
    /// `%t`: `$XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
    /// `%d`: `$CREDENTIALS_DIRECTORY`, set by systemd for units that load credentials.
    pub credentials: Option<PathBuf>,
    /// `%E`: `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// `%S`: `$XDG_STATE_HOME` or `~/.local/state`.
    pub state: PathBuf,
}

/// Why nobody knows where things lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlaces {
    /// There is no home directory, and the environment does not name the places one by one.
    #[error("no home directory is known: set HOME, or TOKENKEEPER_CONFIG_DIR and TOKENKEEPER_STATE_DIR")]
    Home,
    /// One of our own variables holds a relative path. To ignore it would open another vault than the one that is meant.
    #[error("{0} is not an absolute path: write one that begins with `/`")]
    Relative(&'static str),
}

const NAME: &str = "tokenkeeper";

impl Places {
    /// The places that an environment describes. In the variables of XDG a relative path counts as not set, as its
    /// specification wants it.
    ///
    /// # Errors
    /// When no home directory is known, or one of our own variables is a relative path.
    pub fn from_env(environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoPlaces> {
        let place = |key: &str| environment(key).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = place("HOME").or_else(|| Some(directories::BaseDirs::new()?.home_dir().to_owned()));
        let below_home = |below: &str| home.as_deref().map(|home| home.join(below));

        let config = place("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let state = place("XDG_STATE_HOME").or_else(|| below_home(".local/state"));
        let runtime = place("XDG_RUNTIME_DIR");
        let ours = |root: &Option<PathBuf>| root.as_deref().map(|root| root.join(NAME));
        let named = |key: &'static str| match environment(key).filter(|path| !path.is_empty()).map(PathBuf::from) {
            Some(path) if path.is_relative() => Err(NoPlaces::Relative(key)),
            path => Ok(path),
        };
        Ok(Self {
            config_dir: named("TOKENKEEPER_CONFIG_DIR")?.or_else(|| ours(&config)).ok_or(NoPlaces::Home)?,
            state_dir: named("TOKENKEEPER_STATE_DIR")?.or_else(|| ours(&state)).ok_or(NoPlaces::Home)?,
            runtime_dir: ours(&runtime),
            specifiers: Specifiers {
                home: home.unwrap_or_default(),
                runtime,
                credentials: place("CREDENTIALS_DIRECTORY"),
                config: config.unwrap_or_default(),
                state: state.unwrap_or_default(),
            },
        })
    }

    /// The file a person writes.
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The directory of further files, read in name order.
    pub fn drop_in_dir(&self) -> PathBuf {
        self.config_dir.join("config.d")
    }

    /// The file that `tokenkeeper add` makes for an account.
    pub fn account_file(&self, account: &AccountName) -> PathBuf {
        self.drop_in_dir().join(format!("{account}.toml"))
    }
}

impl Specifiers {
    /// The text with every specifier replaced.
    ///
    /// # Errors
    /// What is wrong and what to write, when a specifier is unknown or stands for nothing here.
    pub(crate) fn expand(&self, text: &str) -> Result<PathBuf, (String, String)> {
        let mut path = OsString::new();
        let mut rest = text;
        while let Some((plain, specifier)) = rest.split_once('%') {
            path.push(plain);
            let letter = specifier.chars().next();
            path.push(self.stands_for(letter)?);
            rest = &specifier[letter.map_or(0, char::len_utf8)..];
        }
        path.push(rest);
        Ok(path.into())
    }

    fn stands_for(&self, letter: Option<char>) -> Result<OsString, (String, String)> {
        let known = |path: Option<&Path>, missing: &str| match path {
            Some(path) if !path.as_os_str().is_empty() => Ok(path.as_os_str().to_owned()),
            _ => Err((missing.to_owned(), "write the whole path, or set the variable for the keeper".to_owned())),
        };
        match letter {
            Some('%') => Ok("%".into()),
            Some('h') => known(Some(&self.home), "`%h` stands for nothing, because no home directory is known"),
            Some('t') => known(self.runtime.as_deref(), "`%t` stands for nothing, because XDG_RUNTIME_DIR is not set"),
            Some('d') => known(
                self.credentials.as_deref(),
                "`%d` stands for nothing, because CREDENTIALS_DIRECTORY is not set (systemd sets it for units with LoadCredential=)",
            ),
            Some('E') => known(Some(&self.config), "`%E` stands for nothing, because no config directory is known"),
            Some('S') => known(Some(&self.state), "`%S` stands for nothing, because no state directory is known"),
            _ => Err((
                letter.map_or_else(
                    || "`%` at the end stands for nothing".to_owned(),
                    |l| format!("unknown specifier `%{l}`"),
                ),
                "use %h (home), %t (runtime), %d (credentials), %E (config), %S (state), or %% for a percent sign"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(environment: &[(&str, &str)]) -> Places {
        Places::from_env(|key| environment.iter().find(|(name, _)| *name == key).map(|(_, value)| value.into()))
            .expect("a home")
    }

    #[test]
    fn the_xdg_defaults_lie_below_home() {
        let places = places(&[("HOME", "/home/ada")]);
        assert_eq!(places.config_dir, Path::new("/home/ada/.config/tokenkeeper"));
        assert_eq!(places.state_dir, Path::new("/home/ada/.local/state/tokenkeeper"));
        assert_eq!(places.runtime_dir, None);
        assert_eq!(places.config_file(), Path::new("/home/ada/.config/tokenkeeper/config.toml"));
        let work = "work".parse().expect("a name");
        assert_eq!(places.account_file(&work), Path::new("/home/ada/.config/tokenkeeper/config.d/work.toml"));
    }

    #[test]
    fn xdg_variables_and_our_overrides_win_and_relative_ones_do_not_count() {
        let places = places(&[
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "/cfg"),
            ("XDG_STATE_HOME", "not/absolute"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("TOKENKEEPER_CONFIG_DIR", "/second"),
            ("CREDENTIALS_DIRECTORY", "/run/cred"),
        ]);
        assert_eq!(places.config_dir, Path::new("/second"));
        assert_eq!(places.state_dir, Path::new("/home/ada/.local/state/tokenkeeper"));
        assert_eq!(places.runtime_dir.as_deref(), Some(Path::new("/run/user/7/tokenkeeper")));
        assert_eq!(places.specifiers.config, Path::new("/cfg"));
        assert_eq!(places.specifiers.credentials.as_deref(), Some(Path::new("/run/cred")));
    }

    #[test]
    fn a_relative_override_is_refused_because_another_vault_would_be_opened() {
        let environment = |key: &str| match key {
            "HOME" => Some("/home/ada".into()),
            "TOKENKEEPER_STATE_DIR" => Some("state".into()),
            _ => None,
        };
        assert_eq!(Places::from_env(environment), Err(NoPlaces::Relative("TOKENKEEPER_STATE_DIR")));
    }

    #[test]
    fn specifiers_are_those_of_systemd() {
        let all = places(&[
            ("HOME", "/home/ada"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("CREDENTIALS_DIRECTORY", "/run/cred"),
        ])
        .specifiers;
        for (text, path) in [
            ("%h/x", "/home/ada/x"),
            ("%t/tokenkeeper/ci.jwt", "/run/user/7/tokenkeeper/ci.jwt"),
            ("%d/ci", "/run/cred/ci"),
            ("%E/a%%b", "/home/ada/.config/a%b"),
            ("%S/é", "/home/ada/.local/state/é"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(all.expand(text).as_deref(), Ok(Path::new(path)), "{text}");
        }
        for bad in ["%", "/a/%é", "%i/x", "/x%"] {
            assert!(all.expand(bad).is_err(), "{bad}");
        }
        assert!(places(&[("HOME", "/h")]).specifiers.expand("%t/x").is_err());
    }
}
