//! Which loopback address and port: the ports in the order given, both families where the name stands for both.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokenkeeper_config::Redirect;
use tokio::net::TcpListener;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A free IPv4 port may be taken on IPv6. Another one is tried this often.
const TRIES: usize = 8;

pub(super) struct Bound {
    pub(super) sockets: Vec<TcpListener>,
    /// As it stands in the redirect URI.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why one port could not be had.
enum Refused {
    /// Somebody else listens there.
    Busy,
    /// This machine has no such address: the family is off, or the loopback interface is down.
    NoAddress,
    /// The kernel says no.
    Other(io::Error),
}

pub(super) async fn bind(redirect: &Redirect) -> Result<Bound, String> {
    let (host, families, other) = match redirect.host.as_str() {
        "127.0.0.1" => ("127.0.0.1", &[V4][..], Some(("[::1]", &[V6][..]))),
        "[::1]" => ("[::1]", &[V6][..], Some(("127.0.0.1", &[V4][..]))),
        // The browser may try either family first, so whoever holds the port on one of them could take the callback.
        "localhost" => ("localhost", &[V4, V6][..], None),
        strange => {
            return Err(format!(
                "cannot wait for the browser on `{strange}`: set `redirect_host` to 127.0.0.1, [::1] or localhost"
            ));
        }
    };
    match on_any_port(families, &redirect.ports).await {
        Ok((sockets, port)) => return Ok(Bound { sockets, host: host.into(), port }),
        Err(Refused::NoAddress) => {}
        Err(refused) => return Err(sentence(host, &redirect.ports, refused)),
    }
    // RFC 8252 §7.3: a machine may have only one of the two loopback addresses.
    if let Some((host, families)) = other
        && let Ok((sockets, port)) = on_any_port(families, &redirect.ports).await
    {
        return Ok(Bound { sockets, host: host.into(), port });
    }
    Err(sentence(host, &redirect.ports, Refused::NoAddress))
}

async fn on_any_port(families: &[IpAddr], ports: &[u16]) -> Result<(Vec<TcpListener>, u16), Refused> {
    let anything = [0; TRIES];
    let mut refused = Refused::Busy;
    for port in if ports.is_empty() { &anything } else { ports } {
        match on_port(families, *port).await {
            Ok(bound) => return Ok(bound),
            Err(Refused::NoAddress) => return Err(Refused::NoAddress),
            Err(other) => refused = other,
        }
    }
    Err(refused)
}

/// All families that this machine has, on one port; 0 = any.
async fn on_port(families: &[IpAddr], mut port: u16) -> Result<(Vec<TcpListener>, u16), Refused> {
    let mut sockets = Vec::with_capacity(families.len());
    for family in families {
        let socket = match TcpListener::bind(SocketAddr::new(*family, port)).await {
            Ok(socket) => socket,
            Err(error) => match refusal(error) {
                Refused::NoAddress => continue,
                refused => return Err(refused),
            },
        };
        port = socket.local_addr().map_err(Refused::Other)?.port();
        sockets.push(socket);
    }
    if sockets.is_empty() { Err(Refused::NoAddress) } else { Ok((sockets, port)) }
}

fn refusal(error: io::Error) -> Refused {
    match error.kind() {
        ErrorKind::AddrInUse => Refused::Busy,
        ErrorKind::AddrNotAvailable | ErrorKind::Unsupported => Refused::NoAddress,
        _ if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => Refused::NoAddress,
        _ => Refused::Other(error),
    }
}

fn sentence(host: &str, ports: &[u16], refused: Refused) -> String {
    let mut at = format!("cannot wait for the browser on {host}");
    match ports {
        [] => {}
        [port] => at.push_str(&format!(" port {port}")),
        [first, rest @ ..] => {
            let _ = write!(at, " ports {first}");
            rest.iter().for_each(|port| at.push_str(&format!(", {port}")));
        }
    }
    match refused {
        Refused::Busy if ports.len() == 1 => format!(
            "{at}: another program uses it; end that program, or name further ports in `redirect_ports` and register \
             them at the provider"
        ),
        Refused::Busy => format!(
            "{at}: other programs use them all; end one, or name further ports in `redirect_ports` and register them \
             at the provider"
        ),
        Refused::NoAddress => {
            format!("{at}: this machine has no loopback address; bring it up with `ip link set lo up`")
        }
        Refused::Other(error) if error.kind() == ErrorKind::PermissionDenied => {
            format!("{at}: not permitted ({error}); choose ports of 1024 and above in `redirect_ports`")
        }
        Refused::Other(error) => format!("{at}: {error}; try again, or set `redirect_ports`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(host: &str, ports: &[u16]) -> Redirect {
        Redirect { host: host.into(), ports: ports.into(), path: None }
    }

    async fn taken(address: IpAddr) -> (TcpListener, u16) {
        let socket = TcpListener::bind(SocketAddr::new(address, 0)).await.expect("a free port");
        let port = socket.local_addr().expect("it is bound").port();
        (socket, port)
    }

    async fn refused(redirect: &Redirect) -> String {
        bind(redirect).await.err().expect("no port can be had")
    }

    #[tokio::test]
    async fn any_port_when_none_is_named() {
        let bound = bind(&redirect("127.0.0.1", &[])).await.expect("a port");
        assert_ne!(bound.port, 0);
        assert_eq!(bound.sockets.len(), 1);
    }

    /// A7, S16: of several registered ports the next one is taken.
    #[tokio::test]
    async fn a_busy_port_gives_way_to_the_next() {
        let (_held, busy) = taken(V4).await;
        let (free, port) = taken(V4).await;
        drop(free);
        let bound = bind(&redirect("127.0.0.1", &[busy, port])).await.expect("the second port");
        assert_eq!(bound.port, port);
    }

    #[tokio::test]
    async fn a_busy_redirect_port_is_named_with_its_remedy() {
        let (_held, busy) = taken(V4).await;
        let why = refused(&redirect("127.0.0.1", &[busy])).await;
        assert!(why.contains(&format!("port {busy}")) && why.contains("redirect_ports"), "{why}");
    }

    #[tokio::test]
    async fn localhost_is_both_families_or_the_port_counts_as_busy() {
        let both = bind(&redirect("localhost", &[])).await.expect("a port");
        assert_eq!(both.host, "localhost");
        if both.sockets.len() < 2 {
            return; // this machine has one family only
        }
        let (_thief, port) = taken(V6).await;
        let why = refused(&redirect("localhost", &[port])).await;
        assert!(why.contains("redirect_ports"), "a stranger on [::1] would get the callback: {why}");
    }

    #[tokio::test]
    async fn a_host_that_is_no_loopback_is_refused() {
        let why = refused(&redirect("0.0.0.0", &[])).await;
        assert!(why.contains("redirect_host"), "{why}");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let denied = Refused::Other(ErrorKind::PermissionDenied.into());
        assert!(sentence("127.0.0.1", &[80], denied).contains("1024"));
        assert!(sentence("[::1]", &[], Refused::NoAddress).contains("ip link set lo up"));
        assert!(sentence("127.0.0.1", &[1, 2], Refused::Busy).contains("ports 1, 2"));
    }

    /// RFC 8252 §7.3: a machine with one family only. Needs a network namespace, so it runs this test's other half in
    /// one; where namespaces are not to be had, there is nothing to test on.
    /// A7: where one address is missing, the other is taken.
    #[test]
    fn a_machine_with_one_family_gets_the_other_literal() {
        for (half, removed) in [("without_ipv4", "127.0.0.1/8"), ("without_ipv6", "::1/128")] {
            let this = std::env::current_exe().expect("a test binary");
            let script = format!("ip link set lo up && ip addr del {removed} dev lo || exit 77; exec \"$0\" \"$@\"");
            let mut command = std::process::Command::new("unshare");
            command.args(["--user", "--map-root-user", "--net", "sh", "-c", &script]).arg(this);
            command.args([
                "--ignored",
                "--exact",
                &format!("{}::{half}", module_path!().split_once("::").expect("a path").1),
            ]);
            let Ok(ran) = command.output() else { return };
            let said = String::from_utf8_lossy(&ran.stdout);
            let no_namespace = !said.contains("running 1 test");
            assert!(no_namespace || ran.status.success(), "{half}: {said}");
        }
    }

    #[tokio::test]
    #[ignore = "run by a_machine_with_one_family_gets_the_other_literal, in a namespace of its own"]
    async fn without_ipv4() {
        let bound = bind(&redirect("127.0.0.1", &[8400])).await.expect("the other family");
        assert_eq!((bound.host.as_str(), bound.port), ("[::1]", 8400));
        let both = bind(&redirect("localhost", &[])).await.expect("one family is enough");
        assert_eq!(both.sockets.len(), 1);
    }

    #[tokio::test]
    #[ignore = "run by a_machine_with_one_family_gets_the_other_literal, in a namespace of its own"]
    async fn without_ipv6() {
        let bound = bind(&redirect("[::1]", &[8400])).await.expect("the other family");
        assert_eq!((bound.host.as_str(), bound.port), ("127.0.0.1", 8400));
        let both = bind(&redirect("localhost", &[])).await.expect("one family is enough");
        assert_eq!(both.sockets.len(), 1);
    }
}
