//! Stories of an account as text: an input a line, what the account asks for indented below it. `TOKENKEEPER_BLESS=1`
//! writes what happened into the file; otherwise a difference is a failure.
//!
//! `wait 10m` lets time pass and delivers `Due` whenever the account asked for it; answers and commits are given to the
//! errand that was asked for last.

pub(super) mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, TokenKind};

use words::{Args, authorization, discovered, facts, login, redefine, rough, secret, span, stale, stored};

use super::testing::{self, Clock, line};
use super::*;
use crate::oauth::par::Pushed;
use crate::oauth::{Answer, Granted, Outcome};

#[test]
fn every_story_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/account/scripts");
    let bless = std::env::var_os("TOKENKEEPER_BLESS").is_some();
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    names.retain(|path| path.extension().is_some_and(|ending| ending == "script"));
    names.sort();
    let mut wrong = Vec::new();
    for path in &names {
        let written = std::fs::read_to_string(path).expect("a script");
        let happened = Story::new().play(&written);
        if happened != written && bless {
            bless_file(path, &happened);
        } else if happened != written {
            wrong.push(format!("{}\n{}", path.display(), first_difference(&written, &happened)));
        }
    }
    assert!(names.len() >= 40, "only {} scripts", names.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[allow(clippy::disallowed_methods, reason = "a test fixture needs no durability")]
fn bless_file(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a writable script");
}

fn first_difference(written: &str, happened: &str) -> String {
    let (mut left, mut right) = (written.lines(), happened.lines());
    for number in 1.. {
        let (left, right) = (left.next(), right.next());
        if left != right {
            return format!("  line {number}\n  written:  {}\n  happened: {}", left.unwrap_or(""), right.unwrap_or(""));
        }
    }
    String::new()
}

struct Story {
    account: Option<Account>,
    clock: Clock,
    definition: Definition,
    asked: Ticket,
    saving: Option<(Ticket, Change)>,
    discovering: Ticket,
    making: Ticket,
    introspecting: Ticket,
}

impl Story {
    fn new() -> Self {
        Self {
            account: Some(Account::new("work".parse().expect("a name"), 7)),
            clock: Clock::START,
            definition: testing::definition(),
            asked: Ticket(0),
            saving: None,
            discovering: Ticket(0),
            making: Ticket(0),
            introspecting: Ticket(0),
        }
    }

    fn play(&mut self, script: &str) -> String {
        let mut out = String::new();
        for text in script.lines().filter(|text| !text.starts_with("  ")) {
            out += text;
            out += "\n";
            let command = text.split('#').next().unwrap_or_default().trim();
            if !command.is_empty() {
                for effect in self.command(command) {
                    out += &format!("  {effect}\n");
                }
            }
        }
        out
    }

    fn command(&mut self, command: &str) -> Vec<String> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let args = Args::new(rest);
        let input = match verb {
            "define" => {
                redefine(&mut self.definition, &args);
                Input::Defined(Ok(Arc::new(self.definition.clone())))
            }
            "define-fault" => Input::Defined(Err(rest.to_owned())),
            "unlocked" => Input::Unlocked(Box::new(stored(&args, &self.clock))),
            "locked" => Input::Locked,
            "adopted" => Input::Adopted,
            "network-up" => Input::NetworkUp,
            "sleeping" => Input::Sleeping,
            "woke" => Input::Woke,
            "due" => Input::Due,
            "token" => Input::TokenWanted { waiter: WaiterId(args.id()), ask: self.ask(&args) },
            "refresh" => Input::RefreshWanted { waiter: WaiterId(args.id()), deadline: self.deadline(&args) },
            "leave" => Input::WaiterLeft { waiter: WaiterId(args.id()) },
            "logout" => Input::LogoutWanted { waiter: WaiterId(args.id()) },
            "login" => login(&args),
            "listening" => Input::Listening { request: args.request(), redirect_uri: args.word(1).to_owned() },
            "listen-failed" => Input::ListenFailed { request: args.request(), why: args.after(1) },
            "redirected" => Input::Redirected { request: args.request(), query: args.query() },
            "given" => Input::RefreshTokenGiven { request: args.request(), token: secret(args.word(1)) },
            "cancel" => Input::LoginCancelled { request: args.request() },
            "discovered" => Input::Discovered { ticket: self.discovering, result: discovered(&args) },
            "key-made" => Input::KeyMade { ticket: self.making, key: crate::oauth::testing::proof_key() },
            "answered" => Input::Answered { ticket: self.asked, answer: self.answer(&args) },
            "authorized" => Input::Authorized { ticket: self.asked, authorization: Box::new(authorization(&args)) },
            "pushed" => Input::Pushed {
                ticket: self.asked,
                pushed: Pushed {
                    request_uri: args.word(0).to_owned(),
                    expires_in: args.span("life").unwrap_or(Duration::from_secs(60)),
                },
            },
            "undecided" => {
                Input::Undecided { ticket: self.asked, interval: span(args.word(0)), quiet: args.span("quiet") }
            }
            "unopenable" => Input::Unopenable { ticket: self.asked, why: rest.to_owned() },
            "introspected" => Input::Introspected { ticket: self.introspecting, left: args.span("left") },
            "saved" => self.saved(),
            "save-failed" => self.save_failed(rest),
            "stale" => stale(rest),
            "wait" => return self.wait(span(rest)),
            "wall" => {
                let (sign, by) = rest.split_at(1);
                let by = i64::try_from(span(by).as_millis()).expect("a short span");
                self.clock.wall += if sign == "-" { -by } else { by };
                Input::Due
            }
            "restart" => return self.restart(rest),
            "status" => return vec![self.status()],
            "facts" => return vec![facts(self.saving.as_ref().map(|(_, change)| change), &self.clock.now())],
            "deadline" => return vec![self.until_deadline()],
            "settled" => return vec![format!("settled {}", self.account().is_settled())],
            other => panic!("no such command: {other}"),
        };
        self.step(input)
    }

    fn account(&self) -> &Account {
        self.account.as_ref().expect("between steps")
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let account = self.account.take().expect("between steps");
        self.account = Some(account.step(&now, input, &mut effects));
        let lines = effects.iter().map(|effect| line(effect, &now)).collect();
        for effect in effects {
            match effect {
                Effect::Ask { ticket, .. } => self.asked = ticket,
                Effect::Discover { ticket, .. } => self.discovering = ticket,
                Effect::MakeKey { ticket } => self.making = ticket,
                Effect::Introspect { ticket, .. } => self.introspecting = ticket,
                Effect::Save { ticket, change } => self.saving = Some((ticket, change)),
                _ => {}
            }
        }
        lines
    }

    fn wait(&mut self, span: Duration) -> Vec<String> {
        let end = self.clock.boot + span;
        let mut lines = Vec::new();
        for _ in 0..200 {
            let Some(due) = self.account().deadline().map(|due| due.0).filter(|due| *due <= end) else {
                self.clock.pass(end - self.clock.boot);
                return lines;
            };
            self.clock.pass(due.saturating_sub(self.clock.boot));
            let waited = span.saturating_sub(end - self.clock.boot);
            let effects = self.step(Input::Due);
            lines.extend(effects.into_iter().map(|effect| format!("after {}: {effect}", rough(waited))));
        }
        panic!("the account wants to be woken again and again: {lines:#?}");
    }

    /// A new process: what the account knew is gone. `boot 30s` = the machine was off for so long.
    fn restart(&mut self, rest: &str) -> Vec<String> {
        if let Some(off) = rest.strip_prefix("boot ") {
            self.clock.reboot(span(off));
        }
        self.account = Some(Account::new("work".parse().expect("a name"), 7));
        self.saving = None;
        Vec::new()
    }

    fn ask(&self, args: &Args<'_>) -> TokenAsk {
        let text = |name: &str| args.named.get(name).map(|value| (*value).to_owned());
        let mut scopes = args.list("scopes");
        scopes.sort();
        TokenAsk {
            key: TokenKey {
                kind: if args.named.get("kind") == Some(&"id") { TokenKind::Id } else { TokenKind::Access },
                audience: text("audience"),
                resource: text("resource"),
                scopes,
            },
            min_validity: args.span("min").unwrap_or(Duration::from_secs(60)),
            rejected: args.number("rejected"),
            deadline: self.deadline(args),
        }
    }

    fn deadline(&self, args: &Args<'_>) -> crate::time::Boot {
        self.clock.now().boot.after(args.span("timeout").unwrap_or(Duration::from_secs(20)))
    }

    fn answer(&self, args: &Args<'_>) -> Answer {
        let why = || args.after(1);
        let outcome = match args.word(0) {
            "granted" => Outcome::Granted(Box::new(self.granted(args))),
            "not-sent" => Outcome::NotSent { why: why(), certificate: false },
            "bad-certificate" => Outcome::NotSent { why: why(), certificate: true },
            "not-processed" => Outcome::NotProcessed { why: args.after(2), retry_after: span(args.word(1)) },
            "ambiguous" => Outcome::Ambiguous { why: why() },
            "portal" => Outcome::Portal { why: why() },
            "ended" => Outcome::Ended { why: why() },
            "attention" => Outcome::Attention { why: why() },
            "access-denied" => Outcome::AccessDenied { why: why() },
            "misconfigured" => Outcome::Misconfigured { why: why() },
            "bad-request" => Outcome::BadRequest { why: why() },
            "bad-target" => Outcome::BadTarget { why: why() },
            "unexplained" => Outcome::Unexplained { why: why() },
            "another-proof" => Outcome::AnotherProof { why: why() },
            "drift" => Outcome::Drift { why: why() },
            other => panic!("no such answer: {other}"),
        };
        Answer { refresh_token: args.named.get("rt").map(|token| secret(token)), outcome }
    }

    fn granted(&self, args: &Args<'_>) -> Granted {
        let now = self.clock.now().wall.unix();
        let scopes = args.list("scopes");
        let issuer = args.named.get("iss").copied().unwrap_or("https://idp.example");
        let id_token = args.named.get("sub").map(|subject| {
            let more: String = ["nonce", "acr"]
                .iter()
                .filter_map(|name| Some(format!(r#","{name}":"{}""#, args.named.get(name)?)))
                .collect();
            let signed_in = args.span("signed-in").map(|ago| format!(r#","auth_time":{}"#, now - ago.as_secs()));
            testing::id_token(issuer, subject, &(more + &signed_in.unwrap_or_default()), now + 3600, now)
        });
        Granted {
            access_token: secret(args.named.get("at").expect("granted needs at=")),
            token_type: "Bearer".into(),
            lifetime: args.span("life"),
            scopes: (!scopes.is_empty()).then_some(scopes),
            id_token,
            audience: args.list("aud"),
            issued_token_type: None,
            refresh_in: args.span("refresh-in"),
            login_lifetime: args.span("login-life"),
            refresh_lifetime: args.span("refresh-life"),
            authorization_details: args.named.get("details").map(|kind| format!(r#"[{{"type":"{kind}"}}]"#)),
        }
    }

    fn saved(&mut self) -> Input {
        let Some((ticket, change)) = self.saving.take() else {
            return Input::Saved { ticket: Ticket(0), sealed: None };
        };
        let sealed = testing::sealed_by(&change);
        Input::Saved { ticket, sealed }
    }

    fn save_failed(&mut self, why: &str) -> Input {
        let (ticket, change) = self.saving.take().expect("a save to fail");
        Input::SaveFailed { ticket, why: why.to_owned(), change: Box::new(change) }
    }

    fn status(&self) -> String {
        let now = self.clock.now();
        let status = self.account().status(&now);
        let when = |at: u64| if at == 0 { "-".into() } else { format!("{} s", at.saturating_sub(now.wall.unix())) };
        let (error, words) = &status.last_error;
        let error = if error.is_empty() { String::new() } else { format!(", {error}: {words}") };
        format!(
            "{}, generation {}, expires {}, refresh {}, login ends {}{error}",
            status.state.as_str(),
            status.generation,
            when(status.expires_at),
            when(status.refresh_at),
            when(status.login_ends_at),
        )
    }

    fn until_deadline(&self) -> String {
        match self.account().deadline() {
            Some(due) => format!("due in {}", rough(due.since(self.clock.now().boot))),
            None => "nothing is due".into(),
        }
    }
}
