//! `a{sv}` options, read strictly: a key that is not known, a value of another type or a text that is too long is
//! refused with InvalidArgs, so that no typo passes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokenkeeper::wire::{DEFAULT_MIN_VALIDITY, DEFAULT_TIMEOUT, ErrorName, MAX_TIMEOUT, key, word};
use tokenkeeper_config::{Flow, TokenKind, Value};
use zbus::Variant;

use super::details;
use super::fault::Fault;
use crate::account::{LoginOptions, TokenKey};
use crate::keeper::Wanted;

/// The longest text, bytes: a resource is an address, a scope is shorter.
const MAX_TEXT: usize = 4096;
/// The most elements of a list.
const MAX_LIST: usize = 128;
/// The most keys of a dictionary.
const MAX_KEYS: usize = 128;
/// How deep dictionaries may nest in a definition.
const MAX_DEPTH: usize = 3;

/// An `a{sv}` argument as it came.
pub(super) type Dictionary<'m> = HashMap<&'m str, Variant<'m>>;

/// Options whose keys are known.
pub(super) struct Options<'m>(Dictionary<'m>);

impl<'m> Options<'m> {
    /// Refuses keys that are not among `known`.
    pub(super) fn read(given: Dictionary<'m>, known: &[&str]) -> Result<Self, Fault> {
        match given.keys().find(|key| !known.contains(key)) {
            None => Ok(Self(given)),
            Some(unknown) => Err(Fault::invalid_args(unknown_key(unknown, known))),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Fault> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let text = <&str>::try_from(value).map_err(|_| wrong_type(key, "a string (s)"))?;
        Ok(Some(bounded(key, text)?))
    }

    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, Fault> {
        self.0.get(key).map_or(Ok(Vec::new()), |value| list_of(key, value))
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Fault> {
        match self.0.get(key) {
            None => Ok(false),
            Some(Variant::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong_type(key, "a boolean (b)")),
        }
    }

    pub(super) fn seconds(&self, key: &str) -> Result<Option<u32>, Fault> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Variant::U32(number)) => Ok(Some(*number)),
            Some(_) => Err(wrong_type(key, "a number of seconds (u)")),
        }
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<u64>, Fault> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Variant::U64(number)) => Ok(Some(*number)),
            Some(_) => Err(wrong_type(key, "a number (t)")),
        }
    }

    /// As it came, for the one that has a kind of its own.
    pub(super) fn value(&self, key: &str) -> Option<&Variant<'m>> {
        self.0.get(key)
    }

    /// The caller's patience.
    pub(super) fn timeout(&self) -> Result<Duration, Fault> {
        let seconds = self.seconds(key::token::TIMEOUT)?.unwrap_or(DEFAULT_TIMEOUT);
        if !(1..=MAX_TIMEOUT).contains(&seconds) {
            return Err(Fault::invalid_args(format!("`timeout` is 1 to {MAX_TIMEOUT} seconds, not {seconds}")));
        }
        Ok(Duration::from_secs(seconds.into()))
    }
}

/// The options of GetToken and SendToken.
pub(super) fn wanted(given: Dictionary<'_>) -> Result<Wanted, Fault> {
    if given.is_empty() {
        return Ok(Wanted {
            key: TokenKey::DEFAULT,
            min_validity: Duration::from_secs(DEFAULT_MIN_VALIDITY.into()),
            rejected: None,
            timeout: Duration::from_secs(DEFAULT_TIMEOUT.into()),
        });
    }
    use key::token::{AUDIENCE, KIND, MIN_VALIDITY, REJECTED, RESOURCE, SCOPES, TIMEOUT};
    let options = Options::read(given, &[AUDIENCE, KIND, MIN_VALIDITY, REJECTED, RESOURCE, SCOPES, TIMEOUT])?;
    let kind = match options.text(KIND)?.as_deref() {
        None | Some(word::ACCESS) => TokenKind::Access,
        Some(word::ID) => TokenKind::Id,
        Some(other) => return Err(Fault::invalid_args(format!("`kind` is `access` or `id`, not `{other}`"))),
    };
    let mut scopes = options.list(SCOPES)?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(Wanted {
        key: TokenKey { kind, audience: options.text(AUDIENCE)?, resource: options.text(RESOURCE)?, scopes },
        min_validity: Duration::from_secs(options.seconds(MIN_VALIDITY)?.unwrap_or(DEFAULT_MIN_VALIDITY).into()),
        rejected: options.count(REJECTED)?,
        timeout: options.timeout()?,
    })
}

/// The same options as lines at the door.
pub(super) fn wanted_in_lines(pairs: &[(&str, &str)]) -> Result<Wanted, Fault> {
    use key::token::{MIN_VALIDITY, REJECTED, SCOPES, TIMEOUT};
    let mut given = Dictionary::new();
    let mut scopes = Vec::new();
    for (key, text) in pairs.iter().copied() {
        let number = || text.parse::<u64>().map_err(|_| wrong_type(key, "a number"));
        let value = match key {
            SCOPES => {
                scopes.push(text);
                continue;
            }
            MIN_VALIDITY | TIMEOUT => Variant::from(u32::try_from(number()?).unwrap_or(u32::MAX)),
            REJECTED => Variant::from(number()?),
            _ => Variant::from(text),
        };
        given.insert(key, value);
    }
    if !scopes.is_empty() {
        given.insert(SCOPES, Variant::from(scopes));
    }
    wanted(given)
}

/// The options of Refresh.
pub(super) fn patience(given: Dictionary<'_>) -> Result<Duration, Fault> {
    Options::read(given, &[key::token::TIMEOUT])?.timeout()
}

/// The options of Login.
pub(super) fn login(given: Dictionary<'_>) -> Result<LoginOptions, Fault> {
    use key::login::{ACR_VALUES, ADOPT, FLOW, LOGIN_HINT, MAX_AGE, PROMPT, RETRY, SCOPES};
    let known = [ACR_VALUES, ADOPT, FLOW, LOGIN_HINT, MAX_AGE, PROMPT, RETRY, SCOPES];
    let options = Options::read(given, &known)?;
    let (flow, import) = match options.text(FLOW)?.as_deref() {
        None => (None, false),
        Some("auto") => (Some(Flow::Auto), false),
        Some("browser") => (Some(Flow::Browser), false),
        Some("device") => (Some(Flow::Device), false),
        Some("import") => (None, true),
        Some(other) => {
            let message = format!("`flow` is `auto`, `browser`, `device` or `import`, not `{other}`");
            return Err(Fault::invalid_args(message));
        }
    };
    Ok(LoginOptions {
        flow,
        import,
        scopes: options.list(SCOPES)?,
        login_hint: options.text(LOGIN_HINT)?,
        prompt: options.text(PROMPT)?,
        acr_values: options.text(ACR_VALUES)?,
        max_age: options.seconds(MAX_AGE)?,
        retry: options.flag(RETRY)?,
        adopt: options.flag(ADOPT)?,
    })
}

/// Refuses every option: for methods that have none yet.
pub(super) fn none(given: Dictionary<'_>) -> Result<(), Fault> {
    Options::read(given, &[]).map(drop)
}

/// A dictionary whose keys somebody else checks: a definition, or what a kind of slot needs.
pub(super) fn table(given: &Dictionary<'_>) -> Result<BTreeMap<String, Value>, Fault> {
    if given.len() > MAX_KEYS {
        return Err(too_much(format!("a dictionary has at most {MAX_KEYS} keys")));
    }
    given.iter().map(|(key, value)| Ok((bounded("key", key)?, value_of(key, value, 0)?))).collect()
}

fn value_of(key: &str, value: &Variant<'_>, depth: usize) -> Result<Value, Fault> {
    match value {
        Variant::Str(text) => Ok(Value::Text(bounded(key, text)?)),
        Variant::Bool(flag) => Ok(Value::Flag(*flag)),
        Variant::U16(number) => Ok(Value::Number(u64::from(*number))),
        Variant::U32(number) => Ok(Value::Number(u64::from(*number))),
        Variant::U64(number) => Ok(Value::Number(*number)),
        Variant::I32(number) => u64::try_from(*number).map(Value::Number).map_err(|_| negative(key)),
        Variant::I64(number) => u64::try_from(*number).map(Value::Number).map_err(|_| negative(key)),
        Variant::Array(_) if key == "authorization_details" => Ok(Value::Json(details::json(value)?)),
        Variant::Array(_) => Ok(Value::List(list_of(key, value)?)),
        Variant::Variant(inner) if depth < MAX_DEPTH => value_of(key, inner, depth + 1),
        Variant::Dict(inner) if depth < MAX_DEPTH => {
            if inner.iter().count() > MAX_KEYS {
                return Err(too_much(format!("`{key}` has at most {MAX_KEYS} keys")));
            }
            let pairs = inner.iter().map(|(name, value)| {
                let name = <&str>::try_from(name).map_err(|_| wrong_type(key, "a dictionary with string keys"))?;
                Ok((bounded(key, name)?, value_of(name, value, depth + 1)?))
            });
            Ok(Value::Table(pairs.collect::<Result<_, Fault>>()?))
        }
        _ => Err(wrong_type(key, "a string, a number, a boolean, a list of strings or a dictionary")),
    }
}

fn list_of(key: &str, value: &Variant<'_>) -> Result<Vec<String>, Fault> {
    let wrong = || wrong_type(key, "a list of strings (as)");
    let Variant::Array(array) = value else { return Err(wrong()) };
    if array.len() > MAX_LIST {
        return Err(too_much(format!("`{key}` has at most {MAX_LIST} elements")));
    }
    array.iter().map(|element| bounded(key, <&str>::try_from(element).map_err(|_| wrong())?)).collect()
}

pub(super) fn bounded(key: &str, text: &str) -> Result<String, Fault> {
    if text.len() <= MAX_TEXT {
        return Ok(text.to_owned());
    }
    Err(too_much(format!("`{key}` is longer than {MAX_TEXT} bytes")))
}

fn unknown_key(unknown: &str, known: &[&str]) -> String {
    let unknown: String = unknown.chars().take(80).collect();
    if known.is_empty() {
        return format!("unknown option `{unknown}`: this method has no options");
    }
    let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
    format!("unknown option `{unknown}`; known are {}", known.join(", "))
}

pub(super) fn wrong_type(key: &str, wanted: &str) -> Fault {
    Fault::invalid_args(format!("`{key}` must be {wanted}"))
}

fn negative(key: &str) -> Fault {
    Fault::invalid_args(format!("`{key}` must not be negative"))
}

pub(super) fn too_much(message: String) -> Fault {
    Fault::new(ErrorName::LimitsExceeded, message)
}

/// What the fuzz target calls: the bytes of an `a{sv}` as a caller may send them, for the method that the first one names.
/// Nothing else uses it.
///
/// # Panics
/// When something is taken that must not be.
pub fn fuzzed(data: &[u8]) {
    use zbus::wire::LE;
    use zbus::wire::serialized::{Context, Data};
    let Some((method, bytes)) = data.split_first() else { return };
    let message = Data::new(bytes, Context::new(LE, 0));
    let Ok((given, _)) = message.deserialize::<Dictionary<'_>>() else { return };
    match method % 5 {
        0 => {
            if let Ok(wanted) = wanted(given) {
                assert_bounded(&wanted);
            }
        }
        1 => {
            if let Ok(login) = login(given) {
                assert!(!(login.import && login.flow.is_some()) && login.scopes.len() <= MAX_LIST);
            }
        }
        2 => {
            if let Ok(patience) = patience(given) {
                assert!((1..=u64::from(MAX_TIMEOUT)).contains(&patience.as_secs()));
            }
        }
        3 => {
            let empty = given.is_empty();
            assert_eq!(none(given).is_ok(), empty);
        }
        _ => {
            if let Ok(table) = table(&given) {
                assert!(table.len() <= MAX_KEYS && table.keys().all(|key| key.len() <= MAX_TEXT));
            }
        }
    }
}

/// For the fuzz targets: whatever was said, what is taken is small.
pub(super) fn assert_bounded(wanted: &Wanted) {
    assert!((1..=u64::from(MAX_TIMEOUT)).contains(&wanted.timeout.as_secs()));
    assert!(wanted.key.scopes.is_sorted() && wanted.key.scopes.len() <= MAX_LIST);
    let texts = wanted.key.scopes.iter().chain(&wanted.key.audience).chain(&wanted.key.resource);
    assert!(texts.into_iter().all(|text| text.len() <= MAX_TEXT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key: &'static str, value: Variant<'static>) -> String {
        wanted(HashMap::from([(key, value)])).expect_err("refused").message().to_owned()
    }

    #[test]
    fn nothing_said_is_the_default() {
        let wanted = wanted(HashMap::new()).expect("nothing to refuse");
        assert_eq!(wanted.key, TokenKey::DEFAULT);
        assert_eq!(wanted.min_validity, Duration::from_secs(60));
        assert_eq!(wanted.timeout, Duration::from_secs(20));
    }

    #[test]
    fn everything_said_is_heard() {
        let given = HashMap::from([
            ("audience", Variant::from("api")),
            ("kind", Variant::from("id")),
            ("min_validity", Variant::from(600_u32)),
            ("rejected", Variant::from(7_u64)),
            ("scopes", Variant::from(vec!["b", "a", "b"])),
            ("timeout", Variant::from(120_u32)),
        ]);
        let wanted = wanted(given).expect("good options");
        assert_eq!(wanted.key.kind, TokenKind::Id);
        assert_eq!(wanted.key.audience.as_deref(), Some("api"));
        assert_eq!(wanted.key.scopes, ["a", "b"], "sorted, so that one set is one key");
        assert_eq!((wanted.rejected, wanted.min_validity.as_secs()), (Some(7), 600));
    }

    #[test]
    fn an_unknown_option_is_named_with_the_known_ones() {
        let message = refused("audiense", Variant::from("api"));
        assert!(message.contains("`audiense`") && message.contains("`audience`"), "{message}");
    }

    #[test]
    fn another_type_is_refused() {
        assert_eq!(refused("min_validity", Variant::from("600")), "`min_validity` must be a number of seconds (u)");
        assert_eq!(refused("scopes", Variant::from("a b")), "`scopes` must be a list of strings (as)");
        assert_eq!(refused("scopes", Variant::from(vec![1_u32])), "`scopes` must be a list of strings (as)");
        assert_eq!(refused("audience", Variant::from(1_u32)), "`audience` must be a string (s)");
        assert_eq!(refused("rejected", Variant::from(1_u32)), "`rejected` must be a number (t)");
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(refused("audience", Variant::from("x".repeat(5000))).contains("4096"));
        assert!(refused("scopes", Variant::from(vec!["x"; 1000])).contains("128"));
        for seconds in [0_u32, 121] {
            assert!(refused("timeout", Variant::from(seconds)).contains("120"));
        }
        assert!(refused(Box::leak("k".repeat(9000).into_boxed_str()), Variant::from(1_u32)).len() < 400);
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_known_ones() {
        assert!(refused("kind", Variant::from("refresh")).contains("`access` or `id`"));
        let flow = HashMap::from([("flow", Variant::from("magic"))]);
        assert!(login(flow).expect_err("refused").message().contains("`device`"));
    }

    #[test]
    fn a_definition_keeps_its_shape() {
        let inner: HashMap<&str, Variant<'_>> = HashMap::from([("x", Variant::from("y"))]);
        let given = HashMap::from([
            ("name", Variant::from("work")),
            ("scopes", Variant::from(vec!["a"])),
            ("lead", Variant::from(60_i32)),
            ("authorize_params", Variant::from(inner)),
        ]);
        let table = table(&given).expect("a good definition");
        assert_eq!(table["lead"], Value::Number(60));
        assert_eq!(table["scopes"], Value::List(vec!["a".into()]));
        let params = BTreeMap::from([("x".to_owned(), Value::Text("y".into()))]);
        assert_eq!(table["authorize_params"], Value::Table(params));
        let negative = HashMap::from([("lead", Variant::from(-1_i32))]);
        assert!(super::table(&negative).is_err());
    }
}
