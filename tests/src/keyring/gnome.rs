//! GNOME Keyring, opened as a desktop's login opens it.

use std::process::Stdio;

use tokio::process::Command;
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use super::secret_service::{PATH, SERVICE, call};
use crate::world::World;

pub(super) const PROGRAM: &str = "gnome-keyring-daemon";
pub(super) const PASSWORD: &str = "login password";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";

pub(super) fn command(world: &World) -> Command {
    let mut command = world.command(PROGRAM);
    command.args(["--foreground", "--unlock", "--components=secrets"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What a desktop does when its person leaves.
pub(super) async fn lock(world: &World) {
    let login = ObjectPath::try_from(LOGIN).expect("a path");
    call(world, PATH, SERVICE, "Lock", &(vec![login],)).await;
}

/// What a desktop's prompt does when its person has typed the password.
pub(super) async fn unlock(world: &World) {
    const PROMPT: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
    let opened = call(world, PATH, SERVICE, "OpenSession", &("plain", Variant::from(""))).await;
    let (_, session): (OwnedVariant, OwnedObjectPath) = opened.body().deserialize().expect("a session");
    let login = ObjectPath::try_from(LOGIN).expect("a path");
    let password = (session, Vec::<u8>::new(), PASSWORD.as_bytes(), "text/plain");
    call(world, PATH, PROMPT, "UnlockWithMasterPassword", &(login, password)).await;
}
