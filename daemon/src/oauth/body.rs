//! What kind of body an answer has, whatever its `Content-Type` says: servers label JSON as text/html and forms as
//! text/plain (oauth: "Tolerant parser contract").

use zeroize::Zeroizing;

use super::json::Json;
use crate::secret::Secret;

/// A body, recognised.
pub(super) enum Body {
    /// Nothing, or white space.
    Empty,
    /// JSON, or a form read as an object of texts.
    Fields(Json),
    /// A page for people: a portal or a proxy speaks.
    Html,
    /// It begins like JSON and is none: cut or odd.
    Damaged,
    /// Something else that can be read.
    Text(Zeroizing<String>),
    /// Something else.
    Binary,
}

/// Names by which a form is told from prose with a `=` in it.
const FORM_NAMES: [&str; 5] = ["access_token", "refresh_token", "error", "token_type", "request_uri"];

impl Body {
    /// Recognises a body. `content_type` decides only where the bytes do not.
    pub(super) fn read(bytes: &[u8], content_type: Option<&str>) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
        let Some(first) = bytes.first() else { return Self::Empty };
        if let Some(json) = Json::parse(bytes) {
            return Self::Fields(json);
        }
        if matches!(first, b'{' | b'[') {
            return Self::Damaged;
        }
        if is_html(bytes, content_type) {
            return Self::Html;
        }
        let Some(text) = readable(bytes) else { return Self::Binary };
        form(text).map_or_else(|| Self::Text(Zeroizing::new(text.to_owned())), Self::Fields)
    }
}

/// UTF-8 without control characters other than white space.
fn readable(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

fn is_html(bytes: &[u8], content_type: Option<&str>) -> bool {
    let says_html = content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    bytes.starts_with(b"<")
        || says_html && bytes.windows(2).any(|pair| pair[0] == b'<' && pair[1].is_ascii_alphabetic())
}

fn form(text: &str) -> Option<Json> {
    let members: Vec<(String, Json)> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Json::Text(Zeroizing::new(value.into_owned()))))
        .collect();
    let known = members.iter().any(|(name, _)| FORM_NAMES.contains(&name.as_str()));
    (text.contains('=') && known).then_some(Json::Map(members))
}

/// The refresh token in a body that is cut or damaged, if the token itself is whole. In JSON that is a string with its
/// closing quote; in a form, a value that another one follows.
pub(super) fn salvage(bytes: &[u8]) -> Option<Secret> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match bytes.first()? {
        b'{' | b'[' => salvage_json(bytes),
        b'<' => None,
        _ => salvage_form(bytes),
    }
}

fn salvage_json(bytes: &[u8]) -> Option<Secret> {
    const NAME: &[u8] = b"\"refresh_token\"";
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(NAME.len()).position(|window| window == NAME) {
        // Inside a string the name's quotes would be escaped, and this would not be found.
        at += found + NAME.len();
        if let Some(token) = string_value(&bytes[at..]) {
            return Some(token);
        }
    }
    None
}

/// The string after a colon, if it is whole and not empty.
fn string_value(bytes: &[u8]) -> Option<Secret> {
    let string = bytes.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let inside = string.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = inside.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    match Json::parse(&string[..end + 2])? {
        Json::Text(text) if !text.is_empty() => Some(Secret::copy_of(text.as_bytes())),
        _ => None,
    }
}

fn salvage_form(bytes: &[u8]) -> Option<Secret> {
    let whole = &bytes[..bytes.iter().rposition(|&byte| byte == b'&')?];
    let (_, token) =
        form_urlencoded::parse(whole).find(|(name, value)| name == "refresh_token" && !value.is_empty())?;
    Some(Secret::from(token.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8], content_type: Option<&str>) -> &'static str {
        match Body::read(bytes, content_type) {
            Body::Empty => "empty",
            Body::Fields(_) => "fields",
            Body::Html => "html",
            Body::Damaged => "damaged",
            Body::Text(_) => "text",
            Body::Binary => "binary",
        }
    }

    #[test]
    fn the_bytes_decide_what_a_body_is() {
        for (bytes, content_type, expected) in [
            (&b""[..], None, "empty"),
            (b" \r\n", Some("application/json"), "empty"),
            (b"{}", Some("text/html"), "fields"),
            (b"\xef\xbb\xbf{\"a\":1}", None, "fields"),
            (b"access_token=a&token_type=bearer", Some("text/plain"), "fields"),
            (b"error=invalid_grant", None, "fields"),
            (b"a=b&c=d", Some("text/plain"), "text"),
            (b"<!DOCTYPE html><title>Welcome</title>", Some("application/json"), "html"),
            (b"Sign in <a href=/login>here</a>", Some("text/html; charset=utf-8"), "html"),
            (b"invalid_grant", Some("text/html"), "text"),
            (b"{\"access_token\":\"a", None, "damaged"),
            (b"Too many requests.", Some("text/plain"), "text"),
            (b"\x1f\x8b\x08\x00", None, "binary"),
        ] {
            assert_eq!(kind(bytes, content_type), expected, "{}", bytes.escape_ascii());
        }
    }

    fn saved(bytes: &[u8]) -> Option<String> {
        salvage(bytes).map(|token| token.reveal_str().expect("text").to_owned())
    }

    #[test]
    fn a_whole_refresh_token_is_saved_from_a_cut_body() {
        for (bytes, expected) in [
            (&br#"{"refresh_token":"rt-1","access_tok"#[..], Some("rt-1")),
            (br#"{"access_token":"a","refresh_token" : "rt\/1","expires_in":1e999}"#, Some("rt/1")),
            (br#"{"refresh_token":"rt\"2"#, None),
            (br#"{"refresh_token":"rt\"2","x"#, Some("rt\"2")),
            (br#"{"refresh_token":"rt\\","x"#, Some("rt\\")),
            (br#"{"refresh_token":"rt-1"#, None),
            (br#"{"refresh_token":"","a"#, None),
            (br#"{"refresh_token":null,"a"#, None),
            (br#"{"refresh_token":"a\q","a"#, None),
            (br#"{"note":"\"refresh_token\":\"evil\"","refresh_token":"rt-1","#, Some("rt-1")),
            (br#"{"a":{"refresh_token":"rt-1"}"#, Some("rt-1")),
            (b"access_token=a&refresh_token=rt%2F1&expires_i", Some("rt/1")),
            (b"access_token=a&refresh_token=rt", None),
            (br#"<script>{"refresh_token":"rt-1"}"#, None),
            (br#"<a href="/?state=1&refresh_token=rt-1&b=2">"#, None),
            (b"", None),
        ] {
            assert_eq!(saved(bytes).as_deref(), expected, "{}", bytes.escape_ascii());
        }
    }
}
