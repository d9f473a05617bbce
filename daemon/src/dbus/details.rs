//! `authorization_details` (RFC 9396) as a caller sends it: a list of dictionaries, `aa{sv}` or `av`, as deep as the server
//! wants them. It becomes the JSON that it stands for; what may stand in it, the configuration knows.

use serde_json::{Map, Number, Value};
use zbus::Variant;

use super::fault::Fault;
use super::options::{bounded, too_much, wrong_type};

const KEY: &str = "authorization_details";
/// How deep, variants counted: the configuration takes less.
const MAX_DEPTH: usize = 24;
/// More would not fit into an address.
const MAX_VALUES: usize = 2048;

/// The list as JSON.
///
/// # Errors
/// What JSON has no word for, and more than anybody needs.
pub(super) fn json(list: &Variant<'_>) -> Result<Value, Fault> {
    let mut room = MAX_VALUES;
    value_of(list, 0, &mut room)
}

fn value_of(value: &Variant<'_>, depth: usize, room: &mut usize) -> Result<Value, Fault> {
    let left = room.checked_sub(1).filter(|_| depth <= MAX_DEPTH);
    *room = left.ok_or_else(|| too_much(format!("`{KEY}` is too deep or too long")))?;
    match value {
        Variant::Str(text) => Ok(Value::from(bounded(KEY, text)?)),
        Variant::Bool(flag) => Ok(Value::from(*flag)),
        Variant::U8(number) => Ok(Value::from(*number)),
        Variant::I16(number) => Ok(Value::from(*number)),
        Variant::U16(number) => Ok(Value::from(*number)),
        Variant::I32(number) => Ok(Value::from(*number)),
        Variant::U32(number) => Ok(Value::from(*number)),
        Variant::I64(number) => Ok(Value::from(*number)),
        // TOML's numbers end there.
        Variant::U64(number) => i64::try_from(*number).map(Value::from).map_err(|_| no_number()),
        Variant::F64(number) => Number::from_f64(*number).map(Value::Number).ok_or_else(no_number),
        Variant::Variant(inner) => value_of(inner, depth + 1, room),
        Variant::Array(items) => {
            items.iter().map(|item| value_of(item, depth + 1, room)).collect::<Result<_, _>>().map(Value::Array)
        }
        Variant::Dict(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| {
                let name =
                    <&str>::try_from(name).map_err(|_| wrong_type(KEY, "a list of dictionaries with string keys"))?;
                Ok((bounded(KEY, name)?, value_of(value, depth + 1, room)?))
            });
            pairs.collect::<Result<Map<_, _>, Fault>>().map(Value::Object)
        }
        _ => Err(wrong_type(
            KEY,
            "a list of dictionaries (aa{sv}) of strings, numbers, booleans, lists and dictionaries",
        )),
    }
}

fn no_number() -> Fault {
    Fault::invalid_args(format!("`{KEY}` has a number that cannot be written down; write a whole or decimal number"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn dictionaries_become_what_they_stand_for() {
        let by = HashMap::from([("card", Variant::from(true))]);
        let entry = HashMap::from([
            ("type", Variant::from("payment")),
            ("amount", Variant::from(-7_i32)),
            ("rate", Variant::from(0.5)),
            ("to", Variant::from(vec![Variant::from("ada"), Variant::from(7_u64)])),
            ("by", Variant::from(by)),
        ]);
        let wanted = serde_json::json!([{ "type": "payment", "amount": -7, "rate": 0.5, "to": ["ada", 7], "by": { "card": true } }]);
        assert_eq!(json(&Variant::from(vec![entry])).expect("good"), wanted);
    }

    #[test]
    fn what_has_no_words_or_no_end_is_refused() {
        let mut deep = Variant::from("x");
        for _ in 0..=MAX_DEPTH {
            deep = Variant::from(vec![deep]);
        }
        for (bad, why) in [
            (Variant::from(vec![f64::NAN]), "a number"),
            (Variant::from(vec![u64::MAX]), "a number"),
            (Variant::from(vec![(1_u32, 2_u32)]), "a list of dictionaries"),
            (Variant::from(vec![HashMap::from([(1_u32, "x")])]), "string keys"),
            (Variant::from(vec![1_u32; MAX_VALUES]), "too deep or too long"),
            (deep, "too deep or too long"),
        ] {
            let fault = json(&bad).expect_err(why);
            assert!(fault.message().contains(why), "{}", fault.message());
        }
    }
}
