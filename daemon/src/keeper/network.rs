//! Hears from the kernel that an address or a route appeared (rtnetlink(7)): the network may be back.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::sync::mpsc;

use super::fd::Readable;
use super::task::Report;

/// A network that comes up sends a burst of messages; one report is enough.
const DEBOUNCE: Duration = Duration::from_secs(2);

// linux/rtnetlink.h: multicast groups and the two message types that mean "more than before".
const IPV4_ADDRESSES: u32 = 0x10;
const IPV4_ROUTES: u32 = 0x40;
const IPV6_ADDRESSES: u32 = 0x100;
const IPV6_ROUTES: u32 = 0x400;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;

/// Reports until the keeper has gone. Without netlink (some sandboxes) nothing is reported: backoff still retries.
pub(super) async fn watch(reports: mpsc::UnboundedSender<Report>) {
    let socket = match open() {
        Ok(socket) => socket,
        Err(error) => return tracing::info!("cannot hear of network changes: {error}"),
    };
    loop {
        match received(&socket).await {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => return tracing::info!("no longer hearing of network changes: {error}"),
        }
        while let Ok(Ok(_)) = tokio::time::timeout(DEBOUNCE, received(&socket)).await {}
        if reports.send(Report::NetworkUp).is_err() {
            return;
        }
    }
}

fn open() -> io::Result<Readable> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol means NETLINK_ROUTE, which is zero.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let groups = IPV4_ADDRESSES | IPV4_ROUTES | IPV6_ADDRESSES | IPV6_ROUTES;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Readable::new(socket)
}

/// Receives one datagram; tells whether it announces something new.
async fn received(socket: &Readable) -> Result<bool, Errno> {
    let mut message = [0; 8192];
    match socket.read(&mut message).await {
        Ok(length) => Ok(announces(&message[..length])),
        // The kernel dropped messages because there were too many (netlink(7)): something happened.
        Err(Errno::NOBUFS) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the first message is a new address or route: nlmsghdr is length u32, type u16 (netlink(7)).
fn announces(datagram: &[u8]) -> bool {
    let kind = datagram.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    matches!(kind, Some(NEW_ADDRESS | NEW_ROUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_appears_is_announced() {
        let message = |kind: u16| [&16u32.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
        assert!(announces(&message(NEW_ADDRESS)));
        assert!(announces(&message(NEW_ROUTE)));
        assert!(!announces(&message(25)), "a route that went away");
        assert!(!announces(&[1, 2]), "cut short");
    }
}
