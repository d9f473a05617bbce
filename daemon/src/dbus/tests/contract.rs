//! What is served is the contract, no less and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokenkeeper::wire::{ACCOUNT_INTERFACE, CONTRACT, ErrorName, ROOT_PATH};
use zbus::{Connection, OwnedVariant, Variant};

use super::world::{World, account, call, introspect};

/// An XML tag with its attributes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

/// The tags of a document in order, without comments; all that introspection data use of XML.
fn tags(xml: &str) -> Vec<Tag> {
    let mut rest = xml;
    let mut tags = Vec::new();
    while let Some(begin) = rest.find('<') {
        let end_mark = if rest[begin..].starts_with("<!--") { "-->" } else { ">" };
        let end = begin + rest[begin..].find(end_mark).expect("a tag ends");
        let inside = rest[begin + 1..end].trim_end_matches('/');
        rest = &rest[end + end_mark.len()..];
        if inside.starts_with('!') || inside.starts_with('/') {
            continue;
        }
        let (name, mut attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut tag = Tag { name: name.to_owned(), attributes: BTreeMap::new() };
        while let Some((key, value)) = attributes.split_once("=\"") {
            let (value, others) = value.split_once('"').expect("a value ends");
            tag.attributes.insert(key.trim().to_owned(), value.to_owned());
            attributes = others;
        }
        tags.push(tag);
    }
    tags
}

/// Every interface, with its tags in any order of members.
fn interfaces(xml: &str) -> BTreeMap<String, BTreeSet<Vec<Tag>>> {
    let mut all: BTreeMap<String, BTreeSet<Vec<Tag>>> = BTreeMap::new();
    let mut current = String::new();
    let mut member: Vec<Tag> = Vec::new();
    for tag in tags(xml) {
        let begins = matches!(tag.name.as_str(), "interface" | "method" | "property" | "signal" | "node");
        if begins && !member.is_empty() {
            all.entry(current.clone()).or_default().insert(std::mem::take(&mut member));
        }
        match tag.name.as_str() {
            "node" => {}
            "interface" => current = tag.get("name").to_owned(),
            _ => member.push(tag),
        }
    }
    if !member.is_empty() {
        all.entry(current).or_default().insert(member);
    }
    all
}

fn contract() -> BTreeMap<String, BTreeSet<Vec<Tag>>> {
    interfaces(CONTRACT)
}

/// A request's path, by a login of this caller.
async fn begin_login(caller: &Connection) -> String {
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    let answer = call(caller, &account("work"), ACCOUNT_INTERFACE, "Login", &options).await.expect("it begins");
    let (path, _): (zbus::OwnedObjectPath, HashMap<String, OwnedVariant>) =
        answer.body().deserialize().expect("oa{sv}");
    path.to_string()
}

/// An object that has this interface.
fn place_of(interface: &str, request: &str) -> String {
    match interface.rsplit('.').next() {
        Some("Account") => account("work"),
        Some("Request") => request.to_owned(),
        _ => ROOT_PATH.to_owned(),
    }
}

#[tokio::test]
async fn live_introspection_equals_the_contract() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let mut live = BTreeMap::new();
    for path in [ROOT_PATH.to_owned(), account("work"), begin_login(&caller).await] {
        live.extend(interfaces(&introspect(&caller, &path).await));
    }
    live.retain(|name, _| name.starts_with("org.tokenkeeper."));
    assert_eq!(live, contract());
}

#[tokio::test]
async fn objects_lie_where_the_contract_says() {
    let world = World::with(&["my-work", "home"]).await;
    let caller = world.bus.connect().await;
    let mut found = BTreeSet::new();
    let mut to_visit = vec!["/".to_owned()];
    while let Some(path) = to_visit.pop() {
        for child in tags(&introspect(&caller, &path).await).iter().filter(|tag| tag.name == "node") {
            if !child.get("name").is_empty() {
                to_visit.push(format!("{}/{}", path.trim_end_matches('/'), child.get("name")));
            }
        }
        found.insert(path);
    }
    assert!(found.contains("/org/tokenkeeper/Keeper1/account/my_work"), "{found:?}");
    assert!(found.contains("/org/freedesktop/LogControl1"), "{found:?}");
    assert_eq!(found.len(), 10, "{found:?}");
}

#[tokio::test]
async fn every_method_exists_and_takes_what_the_contract_says() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let request = begin_login(&caller).await;
    for (interface, members) in contract() {
        let path = place_of(&interface, &request);
        for member in members.iter().filter(|member| member[0].name == "method") {
            let name = member[0].get("name");
            // No method takes a double.
            let refused = call(&caller, &path, &interface, name, &0.5_f64).await.expect_err("a wrong argument");
            let takes: String =
                member.iter().filter(|tag| tag.get("direction") == "in").map(|tag| tag.get("type")).collect();
            assert!(refused.contains("InvalidArgs"), "{name}: {refused}");
            assert!(refused.contains(&format!("{name} takes ({takes}), not (d)")), "{name}: {refused}");
        }
    }
}

#[tokio::test]
async fn every_property_is_there_with_its_type() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let request = begin_login(&caller).await;
    for (interface, members) in contract() {
        let path = place_of(&interface, &request);
        let properties = "org.freedesktop.DBus.Properties";
        let answer = call(&caller, &path, properties, "GetAll", &interface).await.expect("properties");
        let all: HashMap<String, OwnedVariant> = answer.body().deserialize().expect("a{sv}");
        let declared: Vec<_> = members.iter().filter(|member| member[0].name == "property").collect();
        assert_eq!(all.len(), declared.len(), "{interface}");
        for member in declared {
            let (name, kind) = (member[0].get("name"), member[0].get("type"));
            assert_eq!(all[name].value_signature().to_string(), kind, "{interface}.{name}");
            let body = (interface.as_str(), name);
            let answer = call(&caller, &path, properties, "Get", &body).await.expect("the property");
            let one: OwnedVariant = answer.body().deserialize().expect("a variant");
            assert_eq!(one, all[name]);
            let set = (interface.as_str(), name, Variant::from("x"));
            let refused = call(&caller, &path, properties, "Set", &set).await.expect_err("read only");
            assert!(refused.contains("cannot be set"), "{refused}");
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    let unknown = ErrorName::UnknownObject.as_str();
    let refused = call(&caller, &account("my_home"), ACCOUNT_INTERFACE, "GetToken", &options).await.expect_err("no");
    assert_eq!(refused, format!("{unknown}: no account named `my-home`"));
    for path in ["/org/tokenkeeper/Keeper1/request/00000000000000000000000000000007", "/com/example"] {
        let refused = call(&caller, path, ACCOUNT_INTERFACE, "GetToken", &options).await.expect_err("no");
        assert_eq!(refused, format!("{unknown}: there is no object {path}"));
    }
    let refused = call(&caller, &account("work"), ACCOUNT_INTERFACE, "Steal", &()).await.expect_err("no");
    assert!(refused.contains("UnknownMethod"), "{refused}");
    let refused = call(&caller, &account("work"), "com.example.X", "Steal", &()).await.expect_err("no");
    assert!(refused.contains("UnknownInterface"), "{refused}");
}

#[tokio::test]
async fn what_is_not_built_yet_says_so() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let none: HashMap<&str, Variant<'_>> = HashMap::new();
    let work = account("work");
    let answers = [
        call(&caller, &work, ACCOUNT_INTERFACE, "SetPermission", &("app", "allow", &none)).await,
        call(&caller, ROOT_PATH, "org.tokenkeeper.Keeper1", "RequestAccess", &none).await,
    ];
    for answer in answers {
        let refused = answer.expect_err("not built");
        assert!(refused.starts_with(ErrorName::NotSupported.as_str()), "{refused}");
    }
}

#[tokio::test]
async fn the_log_level_can_be_set_while_it_runs() {
    let world = World::with(&[]).await;
    let caller = world.bus.connect().await;
    let (path, properties) = ("/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties");
    let interface = "org.freedesktop.LogControl1";
    let level = async || {
        let answer = call(&caller, path, properties, "Get", &(interface, "LogLevel")).await.expect("a level");
        String::try_from(answer.body().deserialize::<OwnedVariant>().expect("a variant")).expect("a string")
    };
    assert_eq!(level().await, "info");
    // The filter's owner is gone with the test's log, so a good word is refused like a bad one; both are heard.
    let refused = call(&caller, path, properties, "Set", &(interface, "LogLevel", Variant::from("loud"))).await;
    assert!(refused.expect_err("no such level").contains("InvalidArgs"));
}
