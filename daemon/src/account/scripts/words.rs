//! The words of the scripts: arguments, spans, what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Flow, Rotation, ScopeNarrowing, Switch, TokenFile};

use super::super::testing::{self, Clock};
use super::super::*;
use crate::oauth::device::Authorization;
use crate::oauth::{Answer, IdClaims, Outcome};
use crate::secret::Secret;
use crate::time::{Now, Wall};

/// A command's words: plain ones in order, `name=value` ones by name.
pub(in super::super) struct Args<'a> {
    pub(super) plain: Vec<&'a str>,
    pub(super) named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Args<'a> {
    pub(in super::super) fn new(text: &'a str) -> Self {
        let (named, plain): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.into_iter().filter_map(|word| word.split_once('=')).collect() }
    }

    pub(super) fn word(&self, index: usize) -> &'a str {
        self.plain.get(index).copied().unwrap_or("")
    }

    pub(super) fn after(&self, index: usize) -> String {
        self.plain.get(index..).unwrap_or_default().join(" ")
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    /// `w3`, `r1`.
    pub(super) fn id(&self) -> u64 {
        self.word(0)[1..].parse().expect("a numbered name")
    }

    pub(super) fn request(&self) -> RequestId {
        RequestId(self.id().into())
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.named.get(name).map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default()
    }

    pub(super) fn span(&self, name: &str) -> Option<Duration> {
        self.named.get(name).map(|text| span(text))
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.named.get(name).map(|text| text.parse().expect("a number"))
    }

    /// Every `name=value` word in order of name; `state=ours` stands for the login's.
    pub(super) fn query(&self) -> Vec<(String, Secret)> {
        let ours = format!("state-{}", self.request().0);
        let value = |name: &str, value: &str| match (name, value) {
            ("state", "ours") => secret(&ours),
            _ => secret(value),
        };
        self.named.iter().map(|(name, text)| ((*name).to_owned(), value(name, text))).collect()
    }
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// `90s`, `5m`, `2h`, `3d`, `250ms`.
pub(super) fn span(text: &str) -> Duration {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or_else(|| panic!("no unit in {text}"));
    let count: u64 = text[..split].parse().unwrap_or_else(|_| panic!("no span: {text}"));
    match &text[split..] {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(60 * count),
        "h" => Duration::from_secs(3_600 * count),
        "d" => Duration::from_secs(86_400 * count),
        unit => panic!("no unit: {unit}"),
    }
}

pub(super) fn rough(span: Duration) -> String {
    format!("{} s", (span.as_millis() as f64 / 100.0).round() / 10.0)
}

pub(super) fn redefine(definition: &mut Definition, args: &Args<'_>) {
    for (name, value) in &args.named {
        let texts = || value.split(',').map(str::to_owned).collect();
        match *name {
            "rotation" => {
                definition.rotation = match *value {
                    "none" => Rotation::None,
                    "rotating" => Rotation::Rotating,
                    _ => Rotation::Auto,
                }
            }
            "dpop" => {
                definition.dpop = match *value {
                    "on" => Switch::On,
                    "off" => Switch::Off,
                    _ => Switch::Auto,
                }
            }
            "window" => definition.replay_window = Some(span(value)),
            "audience" => definition.audience = Some((*value).to_owned()),
            "audiences" => definition.audiences = texts(),
            "resources" => definition.resources = texts(),
            "scopes" => definition.scopes = texts(),
            "provider" => definition.provider = Some((*value).to_owned()),
            "client" => definition.client_id = (*value).to_owned(),
            "lead" => definition.lead = Some(span(value)),
            "par" => {
                definition.par = match *value {
                    "on" => Switch::On,
                    "off" => Switch::Off,
                    _ => Switch::Auto,
                }
            }
            "issuer" => definition.issuer = Some((*value).to_owned()),
            "token-endpoint" => definition.endpoints.token_endpoint = value.parse().ok(),
            "access-type" => drop(definition.authorize_params.insert("access_type".into(), (*value).to_owned())),
            "idle" => definition.idle_limit = Some(span(value)),
            "file" => {
                definition.token_files =
                    vec![TokenFile { audience: Some((*value).to_owned()), ..testing::token_file() }]
            }
            "keep-alive" => definition.keep_alive = Some(span(value)),
            other => panic!("no such key: {other}"),
        }
    }
    for word in &args.plain {
        match *word {
            "kills" => definition.refresh_kills_token = true,
            "narrows" => definition.scope_narrowing = ScopeNarrowing::PerRequest,
            "exchanges" => definition.token_exchange = true,
            "client-credentials" => definition.flow = Flow::ClientCredentials,
            "file" => definition.token_files = vec![testing::token_file()],
            other => panic!("no such flag: {other}"),
        }
    }
}

/// `unlocked generation=3 rt=rt-3 at=at-3 life=1h age=10m intent=1 ago=5s …`; times lie before now, `asked` before that
/// age.
pub(in super::super) fn stored(args: &Args<'_>, clock: &Clock) -> Stored {
    let now = clock.now();
    let generation = args.number("generation").unwrap_or(0);
    let before = |span: Duration| now.wall.0 - i64::try_from(span.as_millis()).expect("a short span");
    let age = args.span("age").unwrap_or_default();
    let made = before(age);
    let ended =
        args.named.get("ended").map(|why| Ended { at: made, why: (*why).replace('_', " "), held: args.has("held") });
    let facts = Facts {
        scopes: args.list("scopes"),
        signed_in_at: made,
        refreshed_at: made,
        asked_at: match args.span("asked") {
            Some(before_that) => before(age + before_that),
            None => {
                if args.has("used") {
                    made
                } else {
                    0
                }
            }
        },
        claims: args.named.get("sub").map(|subject| {
            Box::new(IdClaims {
                issuer: "https://idp.example".into(),
                subject: (*subject).to_owned(),
                audience: vec!["client".into()],
                expires_at: 0,
                auth_time: None,
                nonce_hash: None,
                acr: None,
                display_name: None,
            })
        }),
        proof_key: args.has("bound").then(|| "a key's thumbprint".to_owned()),
        ended,
        ..Facts::default()
    };
    let token = args.named.get("rt").map(|token| testing::seal(&secret(token)));
    let grant = match args.named.get("unopenable") {
        Some(why) => Some(Err((*why).replace('_', " "))),
        None => (generation > 0 && !args.has("nothing")).then_some(Ok(StoredGrant {
            generation,
            token,
            previous: None,
            facts,
        })),
    };
    let tokens = args.named.get("at").map(|token| NewToken {
        key: TokenKey::DEFAULT,
        token: Arc::new(secret(token)),
        token_type: "Bearer".into(),
        expiry: args.span("life").map(|life| {
            let mut then = *clock;
            (then.wall, then.passed) = (made, Duration::ZERO);
            then.boot = clock.boot.saturating_sub(age);
            then.now().plus(life)
        }),
        scopes: args.list("scopes"),
        generation,
        minted: Wall(made),
    });
    let intent = args.number("intent").map(|attempts| {
        let ago = args.span("ago").unwrap_or_default();
        Intent {
            attempts: u32::try_from(attempts).expect("few attempts"),
            generation: args.number("of").unwrap_or(generation),
            token_hash: [0; 32],
            wall: before(ago),
            boot: u64::try_from(clock.boot.saturating_sub(ago).as_millis()).expect("a short span"),
            boot_id: [if args.has("other-boot") { 0 } else { clock.boots }; 16],
        }
    });
    Stored { generation, grant, intent, tokens: tokens.into_iter().collect(), foreign: args.has("foreign") }
}

pub(super) fn login(args: &Args<'_>) -> Input {
    let options = LoginOptions {
        flow: args.named.get("flow").map(|flow| match *flow {
            "device" => Flow::Device,
            "browser" => Flow::Browser,
            _ => Flow::Auto,
        }),
        scopes: args.list("scopes"),
        acr_values: args.named.get("acr").map(|acr| acr.replace(',', " ")),
        max_age: args.span("max-age").map(|age| u32::try_from(age.as_secs()).expect("a short span")),
        retry: args.has("retry"),
        adopt: args.has("adopt"),
        import: args.has("import"),
        ..LoginOptions::default()
    };
    Input::LoginWanted { request: args.request(), options, entropy: testing::entropy(args.request()) }
}

/// `authorized code=dc-1 user=WDJB-MJHT life=15m interval=5s complete`.
pub(super) fn authorization(args: &Args<'_>) -> Authorization {
    let place: url::Url = "https://idp.example/device".parse().expect("an address");
    let user_code = args.named.get("user").copied().unwrap_or("WDJB-MJHT").to_owned();
    let complete = args.has("complete").then(|| format!("{place}?user_code={user_code}").parse().expect("an address"));
    Authorization {
        device_code: secret(args.named.get("code").copied().unwrap_or("dc-1")),
        user_code,
        verification_uri: place,
        verification_uri_complete: complete,
        expires_in: args.span("life").unwrap_or(Duration::from_secs(900)),
        interval: args.span("interval").unwrap_or(Duration::from_secs(5)),
    }
}

/// What is noted down of the grant that is being saved.
pub(super) fn facts(saving: Option<&Change>, now: &Now) -> String {
    let (Some(Change::Grant { grant: NewGrant { facts, .. }, .. }) | Some(Change::Facts { facts, .. })) = saving else {
        return "no facts are being saved".into();
    };
    let ago = |at: i64| if at == 0 { "never".into() } else { format!("{} ago", rough(now.wall.since(Wall(at)))) };
    let ends = facts.login_ends_at.map_or("-".into(), |at| rough(Wall(at).since(now.wall)));
    format!(
        "signed in {}, worked {}, asked {}, login ends {ends}, refreshes {}{}, scopes {}{}",
        ago(facts.signed_in_at),
        ago(facts.refreshed_at),
        ago(facts.asked_at),
        facts.refreshes,
        if facts.rotates { ", rotates" } else { "" },
        facts.scopes.join(" "),
        facts.authorization_details.as_ref().map_or(String::new(), |details| format!(", details {details}")),
    )
}

/// What came of something that nobody waits for: its ticket is no longer, or was never, the one that is awaited.
pub(super) fn stale(what: &str) -> Input {
    let (ticket, why) = (Ticket(0), || "long ago".to_owned());
    match what {
        "saved" => Input::Saved { ticket, sealed: None },
        "save-failed" => Input::SaveFailed { ticket, why: why(), change: Box::new(Change::Adopt) },
        "answered" => Input::Answered { ticket, answer: Answer::without_token(Outcome::Ended { why: why() }) },
        "unopenable" => Input::Unopenable { ticket, why: why() },
        "discovered" => Input::Discovered { ticket, result: Ok(testing::metadata(false)) },
        other => panic!("nothing stale: {other}"),
    }
}

pub(super) fn discovered(args: &Args<'_>) -> Result<Arc<crate::oauth::Metadata>, DiscoveryFailed> {
    match args.word(0) {
        "failed" => Err(DiscoveryFailed { why: args.after(1), misconfigured: false }),
        "wrong" => Err(DiscoveryFailed { why: args.after(1), misconfigured: true }),
        _ => {
            let mut metadata = Arc::unwrap_or_clone(testing::metadata(args.has("promises-iss")));
            let place = "https://idp.example/par".parse().expect("an address");
            metadata.pushed_authorization_request_endpoint = args.has("takes-pushed").then_some(place);
            metadata.require_pushed_authorization_requests = args.has("only-pushed");
            if args.has("no-codes") {
                metadata.device_authorization_endpoint = None;
            }
            if args.has("no-browser") {
                metadata.authorization_endpoint = None;
            }
            metadata.introspection_endpoint =
                args.has("introspection").then(|| "https://idp.example/introspect".parse().expect("an address"));
            // Keys of the server, none of which signed our ID tokens.
            metadata.dpop_signing_alg_values_supported = args.has("takes-proofs").then(|| vec!["ES256".to_owned()]);
            metadata.keys = args.has("keys").then(|| r#"{"keys":[]}"#.to_owned());
            Ok(Arc::new(metadata))
        }
    }
}
