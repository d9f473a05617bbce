//! From reqwest's errors to how far a request got.

use std::error::Error;
use std::io;

use crate::oauth::Fault;

/// What failed. "Not sent" only where the connection never stood: everything after that may have reached the server.
pub(super) fn judge(host: &str, error: &reqwest::Error) -> Fault {
    if let Some(refused) = refused_certificate(error) {
        let why = format!("the certificate of {host} is not trusted: {refused}");
        return Fault::NotSent { why, certificate: true };
    }
    let cause = root(error);
    if error.is_dns() {
        return not_sent(format!("the name {host} could not be resolved: {cause}"));
    }
    if error.is_connect() {
        return not_sent(format!("no connection to {host}: {cause}"));
    }
    if error.is_builder() {
        return not_sent(format!("{host} was not asked: {cause}"));
    }
    lost(format!("the connection to {host} broke before an answer came: {cause}"))
}

pub(super) fn not_sent(why: String) -> Fault {
    Fault::NotSent { why, certificate: false }
}

pub(super) fn lost(why: String) -> Fault {
    Fault::Lost { why }
}

/// The innermost cause: the outer ones name the address with its query.
pub(super) fn root(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "no further reason".to_owned(), ToString::to_string)
}

/// Why a server's certificate was refused, if that is what happened.
fn refused_certificate(error: &reqwest::Error) -> Option<String> {
    causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(refused)) => Some(refused.to_string()),
        _ => None,
    })
}

/// Every cause, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| inner(*cause))
}

/// An `io::Error` leaves the error it carries out of its `source`.
fn inner<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => cause.source(),
    }
}
