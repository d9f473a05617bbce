//! JSON whose strings are wiped when dropped. Answers are read into this and not into `serde_json::Value`, which would
//! leave every token behind in freed memory.
//!
//! What serde_json copies into its scratch buffer to undo escapes is not wiped here; tokens rarely have escapes, and
//! the process wipes what it frees anyway where it can.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A JSON value. Numbers are kept as doubles: no number we read needs more than 53 bits.
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(Zeroizing<String>),
    List(Vec<Json>),
    /// In the order of the text; where a name repeats, the last one counts.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value; `None` where the text is no JSON.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// A member of an object, unless it is null.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        let (_, value) = members.iter().rev().find(|(member, _)| member == name)?;
        (!matches!(value, Self::Null)).then_some(value)
    }

    /// A member at a dotted path.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, name| value.get(name))
    }

    /// A text member that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// A text that is not empty.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A number, or a text that is one. Never NaN or infinite.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let number = match self.get(name)? {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// The texts of a list, or the one text, as a list; what is no text is left out.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Self::List(items)) => items.iter().filter_map(Self::as_text).map(str::to_owned).collect(),
            Some(Self::Text(text)) if !text.is_empty() => vec![text.to_string()],
            _ => Vec::new(),
        }
    }
}

impl Json {
    /// As text again, for values that are no secret; whole numbers are written as such.
    pub(super) fn to_text(&self) -> Option<String> {
        serde_json::to_string(&Plain(self)).ok()
    }
}

/// A value on its way out.
struct Plain<'j>(&'j Json);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(flag) => serializer.serialize_bool(*flag),
            Json::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                serializer.serialize_i64(*number as i64)
            }
            Json::Number(number) => serializer.serialize_f64(*number),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(items) => serializer.collect_seq(items.iter().map(Plain)),
            Json::Map(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name.as_str(), Plain(value))))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(Json::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn the_last_of_a_repeated_name_counts_and_null_is_absent() {
        assert_eq!(json(r#"{"a":"1","a":"2"}"#).text("a"), Some("2"));
        assert!(json(r#"{"a":null}"#).get("a").is_none());
        assert!(json(r#"{"a":""}"#).text("a").is_none());
        assert!(json("[1]").get("a").is_none());
    }

    #[test]
    fn numbers_come_as_numbers_and_as_texts() {
        for (text, number) in [
            (r#"{"n":3600}"#, Some(3600.0)),
            (r#"{"n":"3600"}"#, Some(3600.0)),
            (r#"{"n":" 3599.5 "}"#, Some(3599.5)),
            (r#"{"n":-1}"#, Some(-1.0)),
            (r#"{"n":18446744073709551616}"#, Some(18446744073709551616.0)),
            (r#"{"n":"NaN"}"#, None),
            (r#"{"n":"inf"}"#, None),
            (r#"{"n":"soon"}"#, None),
            (r#"{"n":[1]}"#, None),
            (r#"{"n":true}"#, None),
        ] {
            assert_eq!(json(text).number("n"), number, "{text}");
        }
    }

    #[test]
    fn one_text_is_a_list_of_one() {
        for (text, expected) in [
            (r#"{"a":"x"}"#, &["x"][..]),
            (r#"{"a":["x",7,"","y"]}"#, &["x", "y"]),
            (r#"{"a":""}"#, &[]),
            (r#"{"a":7}"#, &[]),
            ("{}", &[]),
        ] {
            assert_eq!(json(text).texts("a"), expected, "{text}");
        }
    }

    #[test]
    fn paths_dig_into_objects() {
        let value = json(r#"{"a":{"b":{"c":"x"}}}"#);
        assert_eq!(value.at("a.b").and_then(|b| b.text("c")), Some("x"));
        assert!(value.at("a.x.c").is_none());
    }

    #[test]
    fn depth_is_bounded() {
        assert!(Json::parse("[".repeat(100_000).as_bytes()).is_none());
    }
}
