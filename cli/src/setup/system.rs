//! `setup --system`: what root has to run so that this person's keeper is a system unit, as a script for a shell. It
//! changes nothing itself.

use std::path::Path;

use tokenkeeper_config::Places;

use super::files::{self, Dirs, SYSTEM_NAME, for_systemd};
use super::{VAULT, machine};
use crate::fault::Fault;
use crate::say;

/// What the script is made of.
struct Script<'a> {
    uid: u32,
    daemon: &'a Path,
    places: &'a Places,
    /// The unit's text, where no package brought it.
    unit: Option<String>,
    /// There is a vault already.
    vault: bool,
}

/// Prints the script; says on standard error what it is for.
///
/// # Errors
/// As root, and when a path cannot stand in a script.
pub(super) fn print(dirs: &Dirs, places: &Places, daemon: &Path) -> Result<(), Fault> {
    if machine::is_root() {
        return Err(Fault::usage("a keeper belongs to a person, and this is root")
            .hint("run `tokenkeeper setup --system` as the person whose logins it is to keep"));
    }
    let script = Script {
        uid: rustix::process::getuid().as_raw(),
        daemon,
        places,
        unit: files::system_unit(dirs, daemon),
        vault: places.state_dir.join(VAULT).exists(),
    };
    say::line(script.text()?.trim_end())?;
    say::note("This is what root must run. Read it, then: tokenkeeper setup --system | sudo sh -e");
    if script.vault {
        say::note(
            "Your vault stays as it is. When the unit runs, let it open the vault: tokenkeeper slot add load-credential",
        );
    }
    Ok(())
}

impl Script<'_> {
    fn text(&self) -> Result<String, Fault> {
        let uid = self.uid;
        let key = format!("/etc/credstore.encrypted/tokenkeeper.{uid}.key");
        let drop_in = format!("/etc/systemd/system/tokenkeeper@{uid}.service.d");
        let state = in_a_line(&self.places.state_dir)?;
        let config = in_a_line(&self.places.config_dir)?;
        let unit = match &self.unit {
            None => String::new(),
            Some(unit) => format!("cat >/etc/systemd/system/{SYSTEM_NAME} <<'END'\n{unit}END\n\n"),
        };
        let vault = match self.vault {
            true => String::new(),
            false => format!(
                "# The vault, opened by that key.\n\
                 systemd-run --quiet --wait --pipe --property=User={uid} \\\n    \
                 --property=LoadCredentialEncrypted=tokenkeeper.key:{key} \\\n    \
                 --setenv=TOKENKEEPER_STATE_DIR={} {} --init --slot load-credential\n\n",
                for_shell(&state),
                for_shell(&in_a_line(self.daemon)?),
            ),
        };
        Ok(format!(
            "# The keeper of user {uid} as a system unit. Run it as root, with `sh -e`.\n\
             \n\
             # The key of the vault. Only this machine's systemd can decrypt it, with its TPM2 if there is one.\n\
             mkdir -p -m 0700 /etc/credstore.encrypted\n\
             [ -e {key} ] || head -c 32 /dev/urandom | systemd-creds encrypt --name=tokenkeeper.key - {key}\n\
             \n\
             {unit}\
             # Where this user's vault and configuration lie.\n\
             mkdir -p {drop_in}\n\
             cat >{drop_in}/places.conf <<'END'\n\
             [Service]\n\
             Environment=\"TOKENKEEPER_STATE_DIR={state_value}\" \"TOKENKEEPER_CONFIG_DIR={config_value}\"\n\
             ReadWritePaths=\"{state_value}\"\n\
             END\n\
             \n\
             {vault}\
             # The user's bus is there from boot on, and the keeper on it.\n\
             loginctl enable-linger {uid}\n\
             systemctl daemon-reload\n\
             systemctl enable tokenkeeper@{uid}.service\n\
             # The user's own unit, which stays off from now on.\n\
             systemd-run --quiet --wait --pipe --property=User={uid} --setenv=XDG_RUNTIME_DIR=/run/user/{uid} \\\n    \
             systemctl --user stop tokenkeeper.service || true\n\
             systemctl start tokenkeeper@{uid}.service\n",
            state_value = for_systemd(&state),
            config_value = for_systemd(&config),
        ))
    }
}

/// A path that can stand in a line of a script and of a unit.
fn in_a_line(path: &Path) -> Result<String, Fault> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(Fault::failure(format!("the path {} cannot stand in a script", path.display()))
            .hint("move it to one without control characters")),
    }
}

/// One word of a shell's command.
fn for_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(home: &str) -> Places {
        Places::from_env(|key| (key == "HOME").then(|| home.into())).expect("a home")
    }

    fn script(home: &str, vault: bool) -> Result<String, Fault> {
        let daemon = Path::new("/usr/bin/tokenkeeperd");
        Script { uid: 1000, daemon, places: &places(home), unit: None, vault }.text()
    }

    #[test]
    fn it_makes_the_key_and_the_vault_and_names_the_places() {
        let text = script("/home/ada", false).expect("a script");
        for part in [
            "systemd-creds encrypt --name=tokenkeeper.key - /etc/credstore.encrypted/tokenkeeper.1000.key\n",
            "\nReadWritePaths=\"/home/ada/.local/state/tokenkeeper\"\n",
            "'/usr/bin/tokenkeeperd' --init --slot load-credential\n",
            "systemctl start tokenkeeper@1000.service\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_vault_that_is_there_stays() {
        assert!(!script("/home/ada", true).expect("a script").contains("--init"));
    }

    #[test]
    fn odd_homes_stay_one_word_and_impossible_ones_are_refused() {
        let text = script("/home/a'da 100%", false).expect("a script");
        assert!(
            text.contains("--setenv=TOKENKEEPER_STATE_DIR='/home/a'\\''da 100%/.local/state/tokenkeeper'"),
            "{text}"
        );
        assert!(text.contains("ReadWritePaths=\"/home/a'da 100%%/.local/state/tokenkeeper\""), "{text}");
        assert!(script("/home/a\nda", false).is_err());
    }
}
