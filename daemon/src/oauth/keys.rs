//! A server's JWK set (RFC 7517 §5), as fetched.

use http::StatusCode;

use super::json::Json;
use super::wire::Response;

/// The set as text, if the answer is one.
pub fn read(response: &Response) -> Option<String> {
    if response.status() != StatusCode::OK {
        return None;
    }
    let text = response.body().reveal_str()?;
    matches!(Json::parse(text.as_bytes())?.get("keys"), Some(Json::List(_))).then(|| text.to_owned())
}
