//! `WWW-Authenticate` (RFC 9110 §11.6.1): what a resource wants to see, and where it says more. Servers write commas,
//! quotes and spaces as they like; whatever cannot be read ends the reading and nothing else.

/// One challenge: a scheme and its parameters, names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `dpop`: in lower case.
    pub scheme: String,
    /// In the order of the header.
    pub params: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// No header of a resource is longer, and none has more parts.
const MAX_HEADER: usize = 8 * 1024;
const MAX_PARTS: usize = 64;

/// The challenges of one header.
pub fn read(header: &[u8]) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let Some(mut rest) = header.get(..header.len().min(MAX_HEADER)) else { return challenges };
    for _ in 0..MAX_PARTS {
        rest = skip(rest, |byte| byte.is_ascii_whitespace() || byte == b',');
        let (word, after) = token(rest);
        if word.is_empty() {
            break;
        }
        match value(after) {
            Some((value, after)) => {
                let Some(challenge) = challenges.last_mut() else { break };
                challenge.params.push((word, value));
                rest = after;
            }
            None => {
                challenges.push(Challenge { scheme: word, params: Vec::new() });
                rest = after;
            }
        }
    }
    challenges
}

/// What follows `=`: a token, or a quoted string with its escapes undone. `None` = there is no `=`, or only padding as in
/// a token68.
fn value(rest: &[u8]) -> Option<(String, &[u8])> {
    let rest = skip(rest, |byte| byte == b' ' || byte == b'\t').strip_prefix(b"=")?;
    let rest = skip(rest, |byte| byte == b' ' || byte == b'\t');
    let Some(mut inside) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|byte| matches!(byte, b',' | b' ' | b'\t')).unwrap_or(rest.len());
        return Some((String::from_utf8_lossy(&rest[..end]).into_owned(), &rest[end..]));
    };
    let mut text = Vec::new();
    loop {
        match inside {
            // A string that never ends is cut: nothing behind it can be told apart.
            [] => return Some((String::new(), inside)),
            [b'"', after @ ..] => return Some((String::from_utf8_lossy(&text).into_owned(), after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                text.push(*byte);
                inside = after;
            }
        }
    }
}

fn token(rest: &[u8]) -> (String, &[u8]) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    (String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase(), &rest[end..])
}

fn skip(rest: &[u8], skipped: impl Fn(u8) -> bool) -> &[u8] {
    let begin = rest.iter().position(|byte| !skipped(*byte)).unwrap_or(rest.len());
    &rest[begin..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(challenge: &Challenge) -> Vec<(&str, &str)> {
        challenge.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn one_header_may_hold_several_challenges() {
        let header = br#"Basic realm="a, \"b\"", Bearer error=invalid_token ,resource_metadata="https://r.example/m" DPoP algs="ES256""#;
        let [basic, bearer, dpop] = &read(header)[..] else { panic!("three") };
        assert_eq!((basic.scheme.as_str(), params(basic)), ("basic", vec![("realm", "a, \"b\"")]));
        assert_eq!(bearer.scheme, "bearer");
        assert_eq!(params(bearer), [("error", "invalid_token"), ("resource_metadata", "https://r.example/m")]);
        assert_eq!((dpop.scheme.as_str(), params(dpop)), ("dpop", vec![("algs", "ES256")]));
    }

    #[test]
    fn what_cannot_be_read_ends_the_reading() {
        for (header, schemes) in [
            (&b""[..], &[][..]),
            (b", ,", &[]),
            (b"realm=\"x\"", &[]),
            (b"Bearer", &["bearer"]),
            (b"Bearer resource_metadata=\"https://r.example", &["bearer"]),
            (b"Bearer \xff\xff", &["bearer"]),
            (b"BEARER  a = b", &["bearer"]),
        ] {
            let read = read(header);
            let found: Vec<&str> = read.iter().map(|challenge| challenge.scheme.as_str()).collect();
            assert_eq!(found, schemes, "{}", header.escape_ascii());
            assert!(read.iter().all(|challenge| challenge.get("resource_metadata").is_none()));
        }
        assert_eq!(read(&b"Bearer a=b,".repeat(1000)).iter().map(|one| one.params.len() + 1).sum::<usize>(), MAX_PARTS);
    }
}
