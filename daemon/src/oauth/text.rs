//! Text that came from a server, made fit to show to people: no control characters, bounded, and no token in it even
//! where a server echoes one.

use crate::secret::Secret;

/// The longest piece of a server's text that is shown, in characters.
const SHOWN: usize = 200;
/// The longest error code that is shown, in characters.
const CODE: usize = 64;
/// A run of token characters this long, with letters and digits in it, may be a token. (A lower-case word is not:
/// `insufficient_user_authentication` has 32.)
const TOKENISH: usize = 20;
/// A word that no language has this long may be a token, whatever is in it.
const ENDLESS: usize = 40;
/// What stands in for something that may be a token.
const HIDDEN: &str = "[hidden]";

/// A server's sentence, to be quoted: one line, bounded, with `secrets` and whatever looks like a token taken out.
pub(super) fn quote(text: &str, secrets: &[&Secret]) -> String {
    bounded(&hide_tokens(&one_line(&hide_known(text, secrets))), SHOWN)
}

/// An error code, to be quoted.
pub(super) fn quote_code(code: &str, secrets: &[&Secret]) -> String {
    bounded(&hide_tokens(&one_line(&hide_known(code, secrets))), CODE)
}

/// What somebody is called, to be shown: one line, bounded.
pub(super) fn name(text: &str) -> String {
    bounded(&one_line(text), CODE)
}

/// Control characters, line and paragraph separators and the marks that reorder text become spaces; spaces collapse.
fn one_line(text: &str) -> String {
    let cleaned: String = text.chars().map(|c| if is_hostile(c) { ' ' } else { c }).collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn bounded(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
    }
}

/// The secrets we sent, in the raw and in the form-encoded spelling. Empty ones hide nothing.
fn hide_known(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        let Some(secret) = secret.reveal_str().filter(|s| !s.is_empty()) else { continue };
        let encoded = zeroize::Zeroizing::new(form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>());
        text = text.replace(secret, HIDDEN).replace(encoded.as_str(), HIDDEN);
    }
    text
}

fn hide_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_token_char) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_token_char(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        shown.push_str(before);
        shown.push_str(if looks_like_token(run) { HIDDEN } else { run });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The characters of base64, base64url, JWTs and percent-encoding. `/` and `.` belong: a token must not survive in
/// pieces.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/' | '=' | '%')
}

fn looks_like_token(run: &str) -> bool {
    let mixed = run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic())
        || run.bytes().any(|b| b.is_ascii_uppercase()) && run.bytes().any(|b| b.is_ascii_lowercase());
    let digits = run.bytes().all(|b| b.is_ascii_digit());
    run.len() >= TOKENISH && (mixed || digits) || run.len() > ENDLESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_sentences_pass_unchanged() {
        for plain in [
            "Unknown or invalid refresh token.",
            "insufficient_user_authentication",
            "Maximum allowed refresh token reuse exceeded",
            "AADSTS50196: loop; try later.",
            "The refresh_token was generated for a user who doesn't exist anymore.",
        ] {
            assert_eq!(quote(plain, &[]), plain);
        }
    }

    #[test]
    fn control_characters_and_reordering_marks_become_spaces() {
        assert_eq!(quote("a\u{1b}[31mred\r\nb\u{202e}c\0d\te", &[]), "a [31mred b c d e");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let shown = quote(&"ä ".repeat(500), &[]);
        assert!(shown.ends_with('…'));
        assert!(shown.chars().count() <= SHOWN + 1);
    }

    #[test]
    fn what_looks_like_a_token_is_hidden() {
        for token in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "v1.MRjCxGvbQqUtQ8pXnTc4",
            "ya29.a0AfH6SMBx-_9x7Q",
            "1//0gabcdefghijk-L9IrQ",
            "8f14e45f-ceea-467f-9575-6b1d2d4a3f10",
            "12345678901234567890123",
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ%3D%3D",
        ] {
            assert_eq!(quote(&format!("bad token: {token}!"), &[]), "bad token: [hidden]!", "{token}");
        }
    }

    #[test]
    fn a_word_that_no_language_has_is_hidden() {
        assert_eq!(quote(&"a".repeat(ENDLESS), &[]), "a".repeat(ENDLESS));
        assert_eq!(quote(&"a".repeat(ENDLESS + 1), &[]), "[hidden]");
    }

    #[test]
    fn what_we_sent_is_hidden_however_short_and_in_both_spellings() {
        let secret = Secret::from(String::from("rt+1/x"));
        assert_eq!(quote("no such token rt+1/x or rt%2B1%2Fx", &[&secret]), "no such token [hidden] or [hidden]");
        assert_eq!(quote("nothing", &[&Secret::new(Vec::new())]), "nothing");
    }
}
