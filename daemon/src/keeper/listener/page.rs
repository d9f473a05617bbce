//! The pages, as HTML: no script, nothing fetched, every value escaped and isolated. What a person reads first is
//! whether the login is stored; what they read last is what to do now.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::account::Page;

const STYLE: &str = include_str!("page.css");

/// The keep: two towers' battlements over a keyhole.
const MARK: &str = "<svg viewBox='0 0 24 24' fill='currentColor' aria-hidden='true'><path fill-rule='evenodd' \
    d='M3 2.5h4.2v2.8h2.7V2.5h4.2v2.8h2.7V2.5H21v9c0 5.3-3.6 9-9 10.5-5.4-1.5-9-5.2-9-10.5zm9 6.2a2.5 2.5 0 0 0-1.25 \
    4.66L10 17.5h4l-.75-4.14A2.5 2.5 0 0 0 12 8.7z'/></svg>";

const TICK: &str = "<path d='M5 12.5 10 17.5 19.5 7'/>";
const STOP: &str = "<path d='M12 6.5v7M12 17.4v.1'/>";
const TURN: &str = "<path d='M12 7v5.4l3.4 2M20 12a8 8 0 1 1-2.4-5.7M20.4 3.4v3.9h-3.9'/>";

/// The longest name or issuer shown, in characters, and the longest sentence: too little to push the rest off the page.
const VALUE: usize = 300;
const SENTENCE: usize = 1500;

/// What the login came to; `None` = nobody decided, it was given up.
pub(super) fn render(page: Option<&Page>) -> String {
    match page {
        Some(Page::Stored { account, subject, issuer }) => stored(account, subject.as_deref(), issuer),
        Some(Page::Failed { account, what, remedy }) => failed(account, what, remedy),
        None => given_up(),
    }
}

fn stored(account: &str, subject: Option<&str>, issuer: &str) -> String {
    let server = Some(issuer).filter(|issuer| !issuer.is_empty());
    let rows = [("Account", Some(account)), ("Signed in as", subject), ("Server", server)];
    let rows: String = rows.into_iter().filter_map(|(term, value)| Some(row(term, value?))).collect();
    layout(
        "good",
        TICK,
        "You are signed in",
        "status",
        &format!(
            "<p>The login is stored, encrypted, on this computer, and kept alive from now on.</p><dl>{rows}</dl>\
             <p class='next'>You can close this tab and go back to your terminal.</p>"
        ),
    )
}

fn failed(account: &str, what: &str, remedy: &str) -> String {
    layout(
        "bad",
        STOP,
        "The sign-in did not work",
        "alert",
        &format!(
            "<p>{}</p><section><h2>What to do</h2><p>{}</p></section><dl>{}</dl>\
             <p class='next'>A login you had before is as it was. You can close this tab.</p>",
            sentence(what),
            sentence(remedy),
            row("Account", account),
        ),
    )
}

fn given_up() -> String {
    layout(
        "bad",
        STOP,
        "The sign-in was given up",
        "alert",
        "<p>It was cancelled, or it took too long, or the keeper was stopped. Nothing was stored, and a login you had \
         before is as it was.</p><p class='next'>Close this tab and begin again from your terminal.</p>",
    )
}

/// The page of a second hit on the callback.
pub(super) fn used() -> String {
    layout(
        "past",
        TURN,
        "This address was used already",
        "status",
        "<p>It takes one answer only, and that has come. If you did not reload this page yourself, somebody may have \
         seen its address; without the secrets of the login it is worth nothing.</p><p class='next'>Close this tab. Your terminal \
         shows how the sign-in ended.</p>",
    )
}

/// The Content-Security-Policy of every answer: the one style sheet by its hash, the icon, and nothing else.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    });
    &POLICY
}

fn layout(mood: &str, sign: &str, title: &str, role: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title} · tokenkeeper</title>\
         <meta name='viewport' content='width=device-width, initial-scale=1'><meta name='robots' content='noindex'>\
         <link rel='icon' href=\"data:image/svg+xml,{icon}\"><style>{STYLE}</style></head>\
         <body><main class='{mood}'><div class='sign'><svg viewBox='0 0 24 24' fill='none' stroke='currentColor' \
         stroke-width='2.25' stroke-linecap='round' stroke-linejoin='round' aria-hidden='true'>{sign}</svg></div>\
         <div role='{role}'><h1>{title}</h1>{body}</div></main><footer>{MARK}tokenkeeper</footer></body></html>",
        icon = icon(),
    )
}

/// The mark as an icon that can be told apart on light and dark tabs.
fn icon() -> String {
    let svg = MARK.replace("<svg ", "<svg xmlns='http://www.w3.org/2000/svg' ").replace("currentColor", "#2f8f6b");
    svg.replace('%', "%25").replace('#', "%23").replace('<', "%3C").replace('>', "%3E")
}

fn row(term: &str, value: &str) -> String {
    format!("<div><dt>{term}</dt><dd><bdi>{}</bdi></dd></div>", escape(value, VALUE))
}

/// Errors begin in lower case, have no full stop and put commands in backticks; on a page they are sentences.
fn sentence(text: &str) -> String {
    let mut html = String::from("<bdi>");
    for (at, part) in text.trim().split('`').enumerate() {
        let part = escape(part, SENTENCE);
        match at {
            0 => html.push_str(&capital(&part)),
            _ if at % 2 == 1 => html.push_str(&format!("<code>{part}</code>")),
            _ => html.push_str(&part),
        }
    }
    html.push_str("</bdi>");
    if !text.trim_end().ends_with(['.', '!', '?', '…']) {
        html.push('.');
    }
    html
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Text of at most so many characters that may stand anywhere in HTML. Control characters have no business in it.
fn escape(text: &str, longest: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(longest));
    let mut letters = text.chars().filter(|c| !c.is_control());
    for letter in letters.by_ref().take(longest) {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    if letters.next().is_some() {
        safe.push('…');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</dd><script>alert('1')</script><img src=x onerror=\"y\">&amp;`<b>`\u{202e}evil\0\x1b[31m";

    #[test]
    fn says_who_is_signed_in_where_and_that_it_is_stored() {
        let page = Page::Stored {
            account: "work".into(),
            subject: Some("ada@acme.example".into()),
            issuer: "https://acme.eu.auth0.com/".into(),
        };
        let html = render(Some(&page));
        for words in ["work", "ada@acme.example", "https://acme.eu.auth0.com/", "stored, encrypted", "close this tab"] {
            assert!(html.contains(words), "{words}");
        }
    }

    #[test]
    fn says_what_went_wrong_and_what_to_do() {
        let page = Page::Failed {
            account: "work".into(),
            what: "the server gave no refresh token".into(),
            remedy: "allow offline access, then run `tokenkeeper login work`".into(),
        };
        let html = render(Some(&page));
        assert!(html.contains("<bdi>The server gave no refresh token</bdi>."), "a sentence: {html}");
        assert!(html.contains("Allow offline access, then run <code>tokenkeeper login work</code>"), "{html}");
    }

    #[test]
    fn hostile_values_stay_text() {
        let stored = Page::Stored { account: HOSTILE.into(), subject: Some(HOSTILE.into()), issuer: HOSTILE.into() };
        let failed = Page::Failed { account: HOSTILE.into(), what: HOSTILE.into(), remedy: HOSTILE.into() };
        for page in [stored, failed] {
            let html = render(Some(&page));
            assert!(
                !html.contains("<script")
                    && !html.contains("<img")
                    && !html.contains("<b>")
                    && !html.contains("</dd><script"),
                "{html}"
            );
            assert!(!html.contains(|c: char| c.is_control() && c != '\n'), "no control characters");
            for tag in ["bdi", "code", "p", "dd"] {
                let ends = html.matches(&format!("</{tag}>")).count();
                assert_eq!(html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count(), ends);
            }
            assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)"));
        }
    }

    #[test]
    fn a_long_value_does_not_push_the_rest_away() {
        assert_eq!(escape(&"x".repeat(100_000), VALUE).chars().count(), VALUE + 1);
    }

    #[test]
    fn the_policy_allows_exactly_the_style_sheet_on_the_page() {
        for html in [render(None), used()] {
            let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
            let hash = STANDARD.encode(Sha256::digest(style));
            assert!(policy().contains(&format!("style-src 'sha256-{hash}';")));
            assert_eq!(html.matches("<style").count(), 1);
            assert!(!html.contains("style="), "inline styles would need a hole in the policy");
        }
        assert!(policy().starts_with("default-src 'none';") && policy().ends_with("frame-ancestors 'none'"));
        assert!(!policy().contains("unsafe"));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        for html in [render(None), used()] {
            let html = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("<script"), "{html}");
            assert!(html.contains("<html lang='en'>") && html.contains("<title>"));
        }
    }

    #[test]
    fn every_text_colour_is_readable_on_its_ground() {
        for scheme in STYLE.split("prefers-color-scheme").map(colours) {
            let pairs =
                [("ink", "card"), ("soft", "card"), ("soft", "ground"), ("ink", "bad-wash"), ("bad", "bad-wash")];
            for (ink, ground) in pairs {
                let contrast = contrast(scheme(ink), scheme(ground));
                assert!(contrast >= 4.5, "--{ink} on --{ground}: {contrast:.2} (WCAG 2.2 §1.4.3)");
            }
            for mood in ["good", "bad", "past"] {
                let contrast = contrast(scheme(mood), scheme(&format!("{mood}-wash")));
                assert!(contrast >= 3.0, "--{mood}: {contrast:.2} (WCAG 2.2 §1.4.11)");
            }
        }
    }

    fn colours(css: &str) -> impl Fn(&str) -> [f64; 3] {
        move |name| {
            let value = css.split(&format!("--{name}: #")).nth(1).expect("the colour is defined");
            let channel = |at: usize| f64::from(u8::from_str_radix(&value[at..at + 2], 16).expect("hex")) / 255.0;
            [channel(0), channel(2), channel(4)]
        }
    }

    /// WCAG 2.2, "contrast ratio" and "relative luminance".
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }
}
