//! Hears that the screen is locked or unlocked: from the desktop's screen saver on the session bus, and from logind,
//! which knows of sessions without a desktop too. What it means for the vault is the configuration's to say.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath};

use super::task::Report;

/// Whose `ActiveChanged` counts: the freedesktop name (KDE, Xfce, sway's helpers) and those of GNOME and its kin. Whoever
/// may speak on the session bus may call `Lock` as well, so the sender is not asked for.
const SAVERS: [&str; 5] = [
    "org.freedesktop.ScreenSaver",
    "org.gnome.ScreenSaver",
    "org.cinnamon.ScreenSaver",
    "org.mate.ScreenSaver",
    "org.xfce.ScreenSaver",
];

const LOGIND: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";
const SESSIONS: &str = "/org/freedesktop/login1/session";

/// Reports until the keeper or the bus has gone.
pub(super) async fn watch(bus: Connection, reports: mpsc::UnboundedSender<Report>) {
    let by_savers = async {
        if let Err(error) = watch_savers(&bus, &reports).await {
            tracing::debug!("no screen saver to hear of: {error}");
        }
    };
    let by_logind = async {
        if let Err(error) = watch_logind(&reports).await {
            tracing::debug!("no logind to hear of locked sessions from: {error}");
        }
    };
    tokio::join!(by_savers, by_logind);
}

async fn watch_savers(bus: &Connection, reports: &mpsc::UnboundedSender<Report>) -> zbus::Result<()> {
    let mut savers = futures_util::stream::SelectAll::new();
    for interface in SAVERS {
        let rule = MatchRule::builder().msg_type(Type::Signal).interface(interface).member("ActiveChanged").build()?;
        savers.push(MessageStream::for_match_rule(rule, bus, None).await?);
    }
    while let Some(signal) = savers.next().await {
        // One that says nothing of the kind is somebody else's mistake.
        let Ok(active) = signal?.body().deserialize::<bool>() else { continue };
        if reports.send(told(active)).is_err() {
            break;
        }
    }
    Ok(())
}

async fn watch_logind(reports: &mpsc::UnboundedSender<Report>) -> zbus::Result<()> {
    let bus = Connection::system().await?;
    let of = |member| {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(LOGIND).path_namespace(SESSIONS);
        rule.interface(SESSION).member(member).build()
    };
    let lock = MessageStream::for_match_rule(of("Lock")?, &bus, None).await?;
    let unlock = MessageStream::for_match_rule(of("Unlock")?, &bus, None).await?;
    let mut both = futures_util::stream::select(lock, unlock);
    while let Some(signal) = both.next().await {
        let signal = signal?;
        let header = signal.header();
        let Some(session) = header.path() else { continue };
        if !is_ours(&bus, session.as_str()).await {
            continue;
        }
        let locked = header.member().is_some_and(|member| member.as_str() == "Lock");
        if reports.send(told(locked)).is_err() {
            break;
        }
    }
    Ok(())
}

fn told(locked: bool) -> Report {
    if locked { Report::ScreenLocked } else { Report::ScreenUnlocked }
}

/// Signals come for everybody's sessions. One that does not say whose it is counts: a vault that is locked without need is
/// opened again, the other way round nobody notices.
async fn is_ours(bus: &Connection, session: &str) -> bool {
    let user = async {
        let proxy = zbus::Proxy::new(bus, LOGIND, session, SESSION).await?;
        proxy.get_property::<(u32, OwnedObjectPath)>("User").await
    };
    match user.await {
        Ok((uid, _)) => uid == rustix::process::getuid().as_raw(),
        Err(error) => {
            tracing::debug!("logind does not say whose session {session} is: {error}");
            true
        }
    }
}
