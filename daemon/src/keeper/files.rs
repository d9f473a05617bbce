//! Hears that configuration files changed (inotify(7)). Editors write by rename, so directories are watched.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify;
use tokenkeeper_config::Places;
use tokio::sync::mpsc;

use super::fd::Readable;
use super::task::Report;

/// An editor's save is several events.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How soon a directory that is not there yet is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Reports until the keeper has gone.
pub(super) async fn watch(places: Places, reports: mpsc::UnboundedSender<Report>) {
    let watched = match inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK) {
        Ok(fd) => Readable::new(fd),
        Err(error) => Err(error.into()),
    };
    let watched = match watched {
        Ok(watched) => watched,
        Err(error) => return tracing::info!("configuration changes need `tokenkeeper reload`: {error}"),
    };
    let drop_ins = places.config_dir.join("config.d");
    loop {
        // Adding a watch that is there already changes nothing, and a directory may have come into being.
        let both = [&places.config_dir, &drop_ins].map(|dir| add(&watched, dir)).into_iter().all(|there| there);
        let patience = if both { Duration::MAX } else { LOOK_AGAIN };
        match tokio::time::timeout(patience, changed(&watched)).await {
            Err(_looked_long_enough) => continue,
            Ok(Err(error)) => return tracing::info!("no longer hearing of configuration changes: {error}"),
            Ok(Ok(())) => {}
        }
        while let Ok(Ok(())) = tokio::time::timeout(DEBOUNCE, changed(&watched)).await {}
        if reports.send(Report::ConfigChanged).is_err() {
            return;
        }
    }
}

fn add(watched: &Readable, dir: &Path) -> bool {
    use inotify::WatchFlags as On;
    let events = On::CLOSE_WRITE | On::MOVED_TO | On::MOVED_FROM | On::DELETE | On::CREATE;
    inotify::add_watch(watched.fd(), dir, events).is_ok()
}

/// Waits for a change. Which file it was does not matter: reading the configuration again changes nothing by itself.
async fn changed(watched: &Readable) -> io::Result<()> {
    let mut events = [0; 4096];
    Ok(watched.read(&mut events).await.map(drop)?)
}
