//! Addresses that tokens may travel to: https, or http that does not leave this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::value::short;

/// Why an address cannot be used, and what to write: https, or http on a loopback literal (RFC 8252 §7.3 and §8.3).
/// The address itself is not repeated: it may carry a password.
pub(crate) fn check_address(key: &str, text: &str) -> Result<Url, (String, String)> {
    let wrong = |what: String, remedy: &str| Err((what, remedy.to_owned()));
    let Ok(url) = Url::parse(text) else {
        return wrong(format!("`{key}` is no address"), "write a whole one, like \"https://login.acme.example\"");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(format!("`{key}` contains a user name or password"), "write the address without it");
    }
    if url.fragment().is_some() {
        return wrong(format!("`{key}` contains a fragment"), "write the address without `#` and what follows");
    }
    if !url.as_str().chars().all(may_stand_in_an_address) {
        return wrong(format!("`{key}` has characters that no address may have"), "write them as % and two digits");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => wrong(
            format!("`{key}` is http and not on this machine, so tokens would travel in the clear"),
            "write https:// (http only with 127.0.0.1 or [::1]; `localhost` is a name, and names can lead elsewhere)",
        ),
        scheme => {
            wrong(format!("`{key}` is a {} address", short(scheme)), "write an address that begins with https://")
        }
    }
}

/// RFC 3986 §2: the parser takes more than that, even in a host, and no request can be made to such an address.
fn may_stand_in_an_address(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        // RFC 8252 §8.3: what `localhost` resolves to is not up to this machine alone.
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_loopback_literals_only() {
        for good in ["https://a.example", "http://127.0.0.1", "http://127.9.9.9:1/x", "http://[::1]:80"] {
            assert!(check_address("issuer", good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://127.0.0.1.a.example",
            "http://localhost:1",
            "http://localhost.a.example",
            "http://127.0.0.1@a.example",
            "http://[::ffff:127.0.0.1]",
            "http://[::2]",
            "http://0.0.0.0",
            "http://128.0.0.1",
            "file:///etc/passwd",
            "//a.example",
            "https://",
            "https://a}b.example",
            "https://a.example/?b|c",
        ] {
            assert!(check_address("issuer", bad).is_err(), "{bad}");
        }
    }
}
