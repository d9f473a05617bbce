//! One token, for a program that ends when it has it.
//!
//! ```no_run
//! # fn main() -> Result<(), tokenkeeper::Error> {
//! let token = tokenkeeper::once::token("work", tokenkeeper::TokenOptions::new())?;
//! println!("Authorization: Bearer {}", token.as_str());
//! # Ok(())
//! # }
//! ```

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::account::GRACE;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::options::TokenOptions;
use crate::token::Token;
use crate::wire::door::{self, Lines};
use crate::wire::{ErrorName, MAX_TOKEN, key};

/// A current token of an account, by the shortest way there is: at the keeper's own socket; where there is none, or it
/// does not let this program in, on the session bus, which also starts a keeper that does not run.
///
/// Blocks; not to be called from inside an asynchronous runtime. A program that needs tokens again and again connects
/// once with [`Keeper::connect`] and asks its [`Account`](crate::Account), which has a cache.
///
/// # Errors
/// As [`Account::token`](crate::Account::token).
pub fn token(account: &str, options: TokenOptions) -> Result<Token, Error> {
    if let Some(answer) = at_the_door(account, &options) {
        return answer;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::BadInput(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async { Keeper::connect().await?.account(account)?.token(options).await })
}

/// The door's answer; `None` when it has none for us and the bus is to be asked.
fn at_the_door(account: &str, options: &TokenOptions) -> Option<Result<Token, Error>> {
    let question = question(account, options)?;
    let path = door::path(|name| std::env::var_os(name), geteuid().as_raw());
    let mut stream = UnixStream::connect(path).ok()?;
    // The directory is the user's own; somebody else's keeper would be a trap.
    if socket_peercred(&stream).ok()?.uid != geteuid() {
        return None;
    }
    let limit = Duration::from_secs(options.timeout.into()) + GRACE;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.write_all(question.as_bytes()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    // Room for all but the largest tokens, so that growth leaves no copies behind.
    let mut answer = Zeroizing::new(Vec::with_capacity(16 << 10));
    match stream.take((door::MOST + MAX_TOKEN) as u64).read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(Err(Error::TimedOut(limit))),
        Err(_) => None,
        Ok(_) => read(&answer),
    }
}

fn question(account: &str, options: &TokenOptions) -> Option<String> {
    let mut lines = Lines::new(door::GREETING);
    lines.add(door::ACCOUNT, account)?;
    options.to_lines(&mut lines)?;
    Some(lines.into_text())
}

/// The answer as the bus would have given it; nothing at all, or half of one, is none.
fn read(answer: &[u8]) -> Option<Result<Token, Error>> {
    let end = answer.windows(2).position(|pair| pair == b"\n\n")?;
    let (first, pairs) = Lines::read(std::str::from_utf8(&answer[..end]).ok()?)?;
    let value = |wanted| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
    let number = |wanted| value(wanted)?.parse::<u64>().ok();
    if first == door::REFUSED {
        let message = value(door::MESSAGE)?.to_owned();
        return Some(Err(match ErrorName::from_bus(value(door::NAME)?) {
            Some(name) => Error::refused(name, message),
            None => Error::BadAnswer { call: "SendToken", why: message },
        }));
    }
    let bytes = &answer[end + 2..];
    if first != door::GRANTED || number(door::LENGTH) != Some(bytes.len() as u64) {
        return None;
    }
    let scopes = pairs.iter().filter(|(key, _)| *key == key::info::SCOPES).map(|(_, scope)| (*scope).to_owned());
    let text = Zeroizing::new(Box::from(std::str::from_utf8(bytes).ok()?));
    Some(Ok(Token::new(
        text,
        value(key::info::TOKEN_TYPE)?.to_owned(),
        number(key::info::EXPIRES_AT)?,
        scopes.collect(),
        number(key::info::GENERATION)?,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_differs_from_the_default() {
        let plain = question("work", &TokenOptions::new());
        assert_eq!(plain.as_deref(), Some("tokenkeeper 1\naccount=work\n"));
        let options = TokenOptions::new().scope("b").scope("a").rejected(7).min_validity(Duration::from_secs(5));
        let asked = "tokenkeeper 1\naccount=work\nmin_validity=5\nrejected=7\nscopes=a\nscopes=b\n";
        assert_eq!(question("work", &options).as_deref(), Some(asked));
        assert_eq!(question("work\naccount=other", &TokenOptions::new()), None);
    }

    #[test]
    fn an_answer_is_a_token_or_a_refusal() {
        let granted = b"granted\ntoken_type=Bearer\nexpires_at=9\nscopes=a\nscopes=b\ngeneration=3\nlength=4\n\nat-1";
        let token = read(granted).expect("whole").expect("granted");
        assert_eq!((token.as_str(), token.token_type(), token.expires_at()), ("at-1", "Bearer", 9));
        assert_eq!((token.scopes(), token.generation()), (&["a".to_owned(), "b".to_owned()][..], 3));
        let refused = b"refused\nname=org.tokenkeeper.Keeper1.Error.Locked\nmessage=the vault is locked\n\n";
        let error = read(refused).expect("whole").expect_err("refused");
        assert_eq!((error.name(), error.to_string().as_str()), (Some(ErrorName::Locked), "the vault is locked"));
    }

    #[test]
    fn half_an_answer_is_none() {
        let whole = b"granted\ntoken_type=Bearer\nexpires_at=9\ngeneration=3\nlength=4\n\nat-1";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_none(), "{end} bytes");
        }
        assert!(read(b"hello\n\n").is_none());
    }
}
