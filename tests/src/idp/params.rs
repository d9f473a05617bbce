//! Request parameters and fresh names.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A name nobody can guess: a prefix and 256 random bits.
pub(super) fn random(prefix: &str) -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes.iter().fold(format!("{prefix}_"), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// Form or query parameters, each at most once (RFC 6749 §3.1).
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; `Err` names a parameter that stands twice.
    pub(super) fn read(encoded: &[u8]) -> Result<Self, String> {
        let pairs: Vec<_> = form_urlencoded::parse(encoded).into_owned().collect();
        match pairs.iter().enumerate().find(|(at, (name, _))| {
            // RFC 8707 §2 lets `resource` be repeated.
            name != "resource" && pairs[..*at].iter().any(|(earlier, _)| earlier == name)
        }) {
            Some((_, (name, _))) => Err(name.clone()),
            None => Ok(Self(pairs)),
        }
    }

    /// A parameter that is present and not empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A parameter, or the empty string.
    pub(super) fn or_empty(&self, name: &str) -> &str {
        self.one(name).unwrap_or_default()
    }
}

/// Id and secret from a Basic header, each form-urlencoded before (RFC 6749 §2.3.1).
pub(super) fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let decode =
        |part: &str| form_urlencoded::parse(format!("x={part}").as_bytes()).next().map(|(_, value)| value.into_owned());
    Some((decode(id)?, decode(secret)?))
}
