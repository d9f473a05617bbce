//! What the tests of the lifecycle share: definitions, answers, and effects as one line of text each.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokenkeeper_config::{Definition, Flow, TokenFile, TokenFormat, TokenKind};

use super::*;
use crate::oauth::Metadata;
use crate::secret::{Sealed, Secret};
use crate::time::{Boot, BootId, Now, Wall};

/// The test's clocks. Starts a while after boot, on the first second of 2027.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) boot: Duration,
    /// Where the wall clock started, or what it was set by, in milliseconds since the epoch.
    pub(super) wall: i64,
    /// True time since.
    pub(super) passed: Duration,
    pub(super) boots: u8,
}

impl Clock {
    pub(super) const START: Self =
        Self { boot: Duration::from_secs(1_000), wall: 1_798_761_600_000, passed: Duration::ZERO, boots: 1 };

    pub(super) fn now(&self) -> Now {
        let passed = i64::try_from(self.passed.as_millis()).expect("a short story");
        Now { boot: Boot(self.boot), wall: Wall(self.wall + passed), boot_id: BootId([self.boots; 16]) }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.boot += span;
        self.passed += span;
    }

    pub(super) fn reboot(&mut self, off: Duration) {
        self.pass(off);
        self.boot = Duration::from_secs(10);
        self.boots += 1;
    }
}

pub(super) fn definition() -> Definition {
    Definition {
        issuer: Some("https://idp.example".into()),
        scopes: ["openid", "offline_access", "mail"].map(String::from).into(),
        flow: Flow::Browser,
        ..Definition::bare("work".parse().expect("a name"), "client".to_owned())
    }
}

pub(super) fn token_file() -> TokenFile {
    TokenFile {
        path: "/run/user/1000/token".into(),
        kind: TokenKind::Access,
        audience: None,
        scopes: Vec::new(),
        format: TokenFormat::Raw,
    }
}

pub(super) fn metadata(promises_iss: bool) -> Arc<Metadata> {
    let url = |path: &str| Some(format!("https://idp.example/{path}").parse().expect("an address"));
    Arc::new(Metadata {
        issuer: Some("https://idp.example".into()),
        authorization_endpoint: url("authorize"),
        token_endpoint: url("token"),
        device_authorization_endpoint: url("device"),
        pushed_authorization_request_endpoint: url("par"),
        revocation_endpoint: url("revoke"),
        iss_parameter_supported: promises_iss,
        ..Metadata::default()
    })
}

pub(super) fn entropy(request: RequestId) -> Entropy {
    let text = |what: &str| Secret::from(format!("{what}-{}", request.0));
    let proof_key = crate::oauth::testing::proof_key();
    Entropy { state: text("state"), nonce: text("nonce"), verifier: text("verifier"), proof_key, path: "random".into() }
}

/// An ID token nobody signed: the metadata above publishes no keys.
pub(super) fn id_token(issuer: &str, subject: &str, more: &str, expires_at: u64, issued_at: u64) -> Secret {
    let claims =
        format!(r#"{{"iss":"{issuer}","sub":"{subject}","aud":"client","exp":{expires_at},"iat":{issued_at}{more}}}"#);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    Secret::from(format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(&claims)))
}

/// The model's sealing: a word in front.
pub(super) fn seal(token: &Secret) -> Sealed {
    Sealed([b"sealed:", token.reveal()].concat().into())
}

/// The refresh token as sealed by a commit, if it wrote one.
pub(super) fn sealed_by(change: &Change) -> Option<Sealed> {
    match change {
        Change::Grant { grant: NewGrant { token: Some(RefreshToken::Fresh(token)), .. }, .. } => Some(seal(token)),
        Change::Grant { grant: NewGrant { token: Some(RefreshToken::Kept(sealed)), .. }, .. } => Some(sealed.clone()),
        _ => None,
    }
}

/// The token in it.
pub(super) fn unseal(sealed: &Sealed) -> String {
    let text = String::from_utf8_lossy(&sealed.0).into_owned();
    text.strip_prefix("sealed:").unwrap_or(&text).to_owned()
}

pub(super) fn shown(secret: &Secret) -> String {
    let text = secret.reveal_str().unwrap_or("?");
    if text.matches('.').count() == 2 { "an ID token".into() } else { text.into() }
}

/// One effect as a line; times relative to `now`.
pub(super) fn line(effect: &Effect, now: &Now) -> String {
    match effect {
        Effect::Reply { waiter, served } => {
            let left = expires(served.expires_at, now);
            let token = shown(&served.token);
            format!("reply w{} {token} generation {}, {left}, {}", waiter.0, served.generation, served.scopes.join(" "))
        }
        Effect::ReplyDone { waiter, expires_at } => format!("done w{}, {}", waiter.0, expires(*expires_at, now)),
        Effect::Deny { waiter, denied } => format!("deny w{} {}", waiter.0, denial(denied, now)),
        Effect::Discover { .. } => "discover".into(),
        Effect::MakeKey { .. } => "make a key".into(),
        Effect::Ask { exchange, timeout, .. } => format!("ask {} within {timeout:?}", exchanged(exchange)),
        Effect::Save { change, .. } => format!("save {}", changed(change)),
        Effect::Listen { request, redirect, path } => format!("listen r{} {} /{path}", request.0, redirect.host),
        Effect::Show { request, page: Page::Stored { account, subject, issuer } } => {
            format!("show r{} stored {account} {subject:?} {issuer}", request.0)
        }
        Effect::Show { request, page: Page::Failed { what, remedy, .. } } => {
            format!("show r{} failed: {what} | {remedy}", request.0)
        }
        Effect::Report { request, progress } => format!("report r{} {}", request.0, progressed(progress, now)),
        Effect::Introspect { token, .. } => format!("introspect {}", shown(token)),
        Effect::Revoke { .. } => "revoke what was forgotten".into(),
        Effect::Notify(notice) => format!("notify {notice:?}"),
        Effect::Log { warning: true, message } => format!("warn {message}"),
        Effect::Log { warning: false, message } => format!("log {message}"),
    }
}

fn expires(at: u64, now: &Now) -> String {
    if at == 0 { "never expires".into() } else { format!("{} s left", at.saturating_sub(now.wall.unix())) }
}

pub(super) fn denial(denied: &Denied, now: &Now) -> String {
    let when = match denied {
        Denied::Unavailable { retry_at, .. } if *retry_at > 0 => {
            format!(" (retry in {} s)", retry_at.saturating_sub(now.wall.unix()))
        }
        _ => String::new(),
    };
    format!("{}: {denied}{when}", denied.name())
}

fn exchanged(exchange: &Exchange) -> String {
    match exchange {
        Exchange::Code { code, verifier, redirect_uri, proof_key } => {
            let proved = proof_key.as_ref().map_or("", |_| ", proved");
            format!("code {} with {} from {redirect_uri}{proved}", shown(code), shown(verifier))
        }
        Exchange::Refresh { token, key, proof_key } => {
            let proved = proof_key.as_ref().map_or("", |_| ", proved");
            format!("refresh {}{}{proved}", unseal(token), keyed(key))
        }
        Exchange::ClientCredentials { key, proof_key } => {
            let proved = match proof_key {
                None => "",
                Some(ProofKey::Stored(_)) => ", proved",
                Some(ProofKey::New(_)) => ", proved by the new key",
            };
            format!("client credentials{}{proved}", keyed(key))
        }
        Exchange::TokenExchange { subject, key, proof_key } => {
            let proved = proof_key.as_ref().map_or("", |_| ", proved");
            format!("exchange of {}{}{proved}", shown(subject), keyed(key))
        }
        Exchange::Push { parameters } => {
            let names: Vec<_> = parameters.pairs().map(|(name, _)| name).collect();
            format!("to push {}", names.join(" "))
        }
        Exchange::DeviceAuthorization { scopes } => format!("for a code, scopes {}", scopes.join(" ")),
        Exchange::DeviceCode { code, interval, proof_key } => {
            let proved = proof_key.as_ref().map_or("", |_| ", proved");
            format!("poll {}, interval {interval:?}{proved}", shown(code))
        }
    }
}

pub(super) fn keyed(key: &TokenKey) -> String {
    let mut text = String::new();
    if key.kind == TokenKind::Id {
        text += " id token";
    }
    for (what, value) in [("audience", &key.audience), ("resource", &key.resource)] {
        if let Some(value) = value {
            text += &format!(" {what} {value}");
        }
    }
    if !key.scopes.is_empty() {
        text += &format!(" scopes {}", key.scopes.join(" "));
    }
    text
}

fn changed(change: &Change) -> String {
    match change {
        Change::Intent { generation, intent: Some(intent) } => {
            format!("intent: generation {generation}, attempt {}", intent.attempts)
        }
        Change::Intent { generation, intent: None } => format!("no intent: generation {generation}"),
        Change::Grant { replaces, grant, tokens } => {
            let token = match &grant.token {
                Some(RefreshToken::Fresh(token)) => format!("new {}", shown(token)),
                Some(RefreshToken::Kept(sealed)) => format!("kept {}", unseal(sealed)),
                None => "no refresh token".into(),
            };
            let tokens: Vec<_> = tokens.iter().map(|token| shown(&token.token)).collect();
            let previous = if grant.keep_previous { ", previous kept" } else { "" };
            let ended = grant.facts.ended.as_ref().map_or("", |_| ", ended");
            let key = match (&grant.facts.proof_key, &grant.new_key) {
                (Some(_), Some(_)) => ", new key",
                (Some(_), None) => ", same key",
                (None, Some(_)) => ", a key that is never used",
                (None, None) => "",
            };
            format!("grant {}: {token}{previous}{key}{ended}, tokens [{}]", replaces + 1, tokens.join(", "))
        }
        Change::Tokens { generation, tokens } => {
            let tokens: Vec<_> = tokens.iter().map(|token| shown(&token.token)).collect();
            format!("tokens of generation {generation}: [{}]", tokens.join(", "))
        }
        Change::Facts { generation, facts } => {
            let ended = facts.ended.as_ref().map(|ended| if ended.held { "held" } else { "ended" });
            format!("facts of generation {generation}: {}", ended.unwrap_or("well"))
        }
        Change::Forget { generation, revocation } => {
            let how = revocation.as_ref().map(|revocation| match &revocation.revocation_endpoint {
                Some(endpoint) => format!(", to be revoked at {endpoint}"),
                None => ", to be revoked where its server says".into(),
            });
            format!("forget generation {generation}{}", how.unwrap_or_default())
        }
        Change::Adopt => "adopt the vault".into(),
    }
}

fn progressed(progress: &Progress, now: &Now) -> String {
    match progress {
        Progress::Uri { uri, user_code: None, expires_in } => {
            let short = uri.split('?').next().unwrap_or_default();
            format!("open {short} within {expires_in:?}")
        }
        Progress::Uri { uri, user_code: Some(UserCode { code, place }), expires_in } => {
            format!("open {uri}, or type {code} at {place}, within {expires_in:?}")
        }
        Progress::Done { subject } => format!("done, subject {subject:?}"),
        Progress::Failed(denied) => format!("failed {}", denial(denied, now)),
        Progress::Cancelled => "cancelled".into(),
    }
}
