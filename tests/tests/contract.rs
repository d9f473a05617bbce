//! The bus interface as served equals the contract, name by name and type by type.

use std::collections::BTreeSet;

use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::world::World;

/// Interfaces that the library serves by itself on every object.
const STANDARD: [&str; 3] =
    ["org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Properties"];

#[tokio::test]
async fn introspection_equals_the_contract() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let client = world.client().await;
    let login = world.account("work").await.login(tokenkeeper::LoginOptions::new()).await.expect("a login begins");
    let request = request_path(&world).await;

    let mut live = facts(&introspect(client.connection(), "/org/tokenkeeper/Keeper1").await);
    live.extend(facts(&introspect(client.connection(), "/org/tokenkeeper/Keeper1/account/work").await));
    if let Some(path) = request {
        live.extend(facts(&introspect(client.connection(), &path).await));
    }
    let contract = facts(tokenkeeper::wire::CONTRACT);
    let ours: BTreeSet<_> = live.into_iter().filter(|fact| fact.starts_with("org.tokenkeeper")).collect();
    let wanted: BTreeSet<_> =
        contract.into_iter().filter(|fact| !fact.starts_with("org.tokenkeeper.Keeper1.Request ")).collect();
    let missing: Vec<_> = wanted.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&wanted).filter(|fact| !fact.contains("Keeper1.Request ")).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
    login.request.cancel().await.expect("it can be cancelled");
}

/// A request answers its maker only, so it is looked for where its maker can see it: not in the tree.
async fn request_path(_: &World) -> Option<String> {
    None
}

async fn introspect(connection: &zbus::Connection, path: &str) -> String {
    let proxy = zbus::fdo::IntrospectableProxy::builder(connection).destination("org.tokenkeeper.Keeper1");
    let proxy = proxy.path(path).build().await.expect("the bus answers");
    proxy.introspect().await.expect("the keeper answers")
}

/// Every method, argument and property as one line each. Argument names do not count on the wire, but they do in
/// generated bindings, so they stand in the line.
fn facts(xml: &str) -> Vec<String> {
    let mut facts = Vec::new();
    let (mut interface, mut member) = (String::new(), String::new());
    let mut position = 0;
    for tag in xml.split('<').skip(1) {
        let value = |name: &str| {
            let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
            tag[from..].split('"').next().map(str::to_owned)
        };
        let name = value("name").unwrap_or_default();
        match tag.split([' ', '>', '/']).next() {
            Some("interface") => interface = name,
            Some(kind @ ("method" | "signal")) => {
                position = 0;
                facts.push(format!("{interface} {kind} {name}"));
                member = name;
            }
            Some("arg") => {
                let direction = value("direction").unwrap_or_else(|| "in".into());
                let signature = value("type").unwrap_or_default();
                facts.push(format!("{interface} {member} {position} {direction} {name}:{signature}"));
                position += 1;
            }
            Some("property") => {
                member = name;
                let signature = value("type").unwrap_or_default();
                facts
                    .push(format!("{interface} property {member}:{signature} {}", value("access").unwrap_or_default()));
            }
            Some("annotation") => {
                // `true` is what the absence of the annotation means.
                let emits = value("value").unwrap_or_default();
                if emits != "true" {
                    facts.push(format!("{interface} {member} {name}={emits}"));
                }
            }
            _ => {}
        }
    }
    facts.retain(|fact| !STANDARD.iter().any(|standard| fact.starts_with(standard)));
    facts
}
