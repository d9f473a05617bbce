//! The redirect URI: what is sent, and what a person registers for it.

use crate::definition::Redirect;
use crate::keys::Keys;

impl Redirect {
    /// Fixed, because a server that was given a whole redirect URI lets only the port vary (RFC 8252 §7.3).
    const PATH: &'static str = "/callback";

    pub(crate) fn of(keys: &Keys) -> Self {
        Self {
            host: keys.redirect_host.as_ref().map_or_else(|| "127.0.0.1".to_owned(), |found| found.value.0.clone()),
            ports: keys.redirect_ports.as_ref().map(|found| found.value.0.clone()).unwrap_or_default(),
            path: keys
                .redirect_path
                .as_ref()
                .map_or_else(|| Some(Self::PATH.to_owned()), |found| found.value.0.clone()),
        }
    }

    /// The redirect URIs to register at the server, exactly as they are sent; without a port where any will do, with
    /// `*` for a path that is another one each time.
    pub fn uris(&self) -> Vec<String> {
        let path = self.path.as_deref().unwrap_or("/*");
        if self.ports.is_empty() {
            // Where any port will do, servers document the address of the root without its slash.
            return vec![format!("http://{}{}", self.host, path.trim_end_matches('/'))];
        }
        self.ports.iter().map(|port| format!("http://{}:{port}{path}", self.host)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_register_is_what_is_sent() {
        let uris = |host: &str, ports: &[u16], path: Option<&str>| {
            Redirect { host: host.to_owned(), ports: ports.to_vec(), path: path.map(str::to_owned) }.uris()
        };
        assert_eq!(uris("127.0.0.1", &[], Some("/callback")), ["http://127.0.0.1/callback"]);
        assert_eq!(uris("[::1]", &[8400, 8401], Some("/")), ["http://[::1]:8400/", "http://[::1]:8401/"]);
        assert_eq!(uris("localhost", &[], Some("/")), ["http://localhost"]);
        assert_eq!(uris("127.0.0.1", &[], None), ["http://127.0.0.1/*"]);
    }
}
