//! The certificates that are trusted: the distribution's own file, read directly. `SSL_CERT_FILE` and `SSL_CERT_DIR` are
//! not looked at: a program that can set a user manager's environment must not redirect a refresh token.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Where distributions keep their bundle.
pub(super) const PLACES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Alpine, Gentoo, NixOS
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL, Arch
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine, Void
    "/var/lib/ca-certificates/ca-bundle.pem", // openSUSE
];

/// The certificates of the first file that has any. Single certificates that cannot be used are left out, as every
/// client does. Blocks.
pub(super) fn read(places: &[PathBuf]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for place in places {
        let Ok(certificates) = CertificateDer::pem_file_iter(place) else { continue };
        store.add_parsable_certificates(certificates.filter_map(Result::ok));
        if !store.is_empty() {
            store.roots.shrink_to_fit();
            return Ok(store);
        }
    }
    let tried: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(format!("no root certificates found (tried {}): install ca-certificates", tried.join(", ")))
}

/// TLS 1.2 and 1.3 by aws-lc-rs; no session is remembered: exchanges are an hour apart, and tickets link them.
pub(super) fn configuration(store: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth();
    configuration.resumption = Resumption::disabled();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration
}
