//! Desktop notifications: one when an account begins to need the person, taken back when it is well again. The
//! daemon executes nothing: the button starts a user unit, so without systemd there is no button.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use tokenkeeper_config::AccountName;
use tokio::sync::mpsc;
use zbus::Variant;

use crate::account::Notice;

/// A notice about an account.
pub(super) struct Note {
    pub(super) account: AccountName,
    pub(super) notice: Notice,
}

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "as the Desktop Notifications Specification has it")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Variant<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: &str) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Systemd {
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<zbus::OwnedObjectPath>;
}

/// Shows notices until the keeper has gone. Whoever has no notification daemon has `tokenkeeper watch`.
pub(super) async fn show(bus: zbus::Connection, mut notes: mpsc::UnboundedReceiver<Note>) {
    let Ok(desktop) = NotificationsProxy::new(&bus).await else { return };
    let Ok(mut pressed) = desktop.receive_action_invoked().await else { return };
    let mut shown: HashMap<AccountName, u32> = HashMap::new();
    loop {
        tokio::select! {
            note = notes.recv() => match note {
                Some(note) => change(&bus, &desktop, &mut shown, note).await,
                None => return,
            },
            Some(signal) = pressed.next() => {
                let Ok(action) = signal.args() else { continue };
                let account = shown.iter().find(|(_, id)| **id == action.id).map(|(account, _)| account);
                if let (Some(account), "login") = (account, action.action_key) {
                    start_login(&bus, account).await;
                }
            }
        }
    }
}

async fn change(
    bus: &zbus::Connection,
    desktop: &NotificationsProxy<'_>,
    shown: &mut HashMap<AccountName, u32>,
    note: Note,
) {
    let Note { account, notice } = note;
    // Where there is no button, the words say what to type.
    let sign_in = |why: String| format!("{why}; sign in with: tokenkeeper login {account}");
    let (summary, body, login) = match notice {
        Notice::Recovered => {
            if let Some(id) = shown.remove(&account) {
                let _ = desktop.close_notification(id).await;
            }
            return;
        }
        Notice::LoginNeeded { why } => (format!("Sign in to “{account}” again"), sign_in(why), true),
        Notice::Attention { why } => (format!("“{account}” needs you"), sign_in(why), true),
        Notice::LoginEndsSoon { why } => (format!("The login of “{account}” ends soon"), sign_in(why), true),
        Notice::Unsaved { why } => {
            let body = format!("{why}; free some space, and do not end the keeper: it goes on trying");
            (format!("The login of “{account}” could not be saved"), body, false)
        }
    };
    let actions: &[&str] = if login && has_systemd(bus).await { &["login", "Sign in"] } else { &[] };
    let replaces = shown.get(&account).copied().unwrap_or(0);
    let body = escape(&body);
    let sent =
        desktop.notify("tokenkeeper", replaces, "dialog-password", &summary, &body, actions, HashMap::new(), 0).await;
    match sent {
        Ok(id) => drop(shown.insert(account, id)),
        Err(error) => tracing::debug!("no notification daemon: {error}"),
    }
}

async fn has_systemd(bus: &zbus::Connection) -> bool {
    let Ok(dbus) = zbus::fdo::DBusProxy::new(bus).await else { return false };
    let Ok(name) = "org.freedesktop.systemd1".try_into() else { return false };
    dbus.name_has_owner(name).await.unwrap_or(false)
}

async fn start_login(bus: &zbus::Connection, account: &AccountName) {
    let started = async {
        let systemd = SystemdProxy::new(bus).await?;
        systemd.start_unit(&format!("tokenkeeper-login@{account}.service"), "replace").await
    };
    if let Err(error) = started.await {
        tracing::warn!(%account, "could not start the login: {error}");
    }
}

/// Bodies may hold markup (Desktop Notifications Specification, "Markup"); sentences are text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
