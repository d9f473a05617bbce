//! `token`, `header` and `refresh`. The first two go the shortest way there is: no runtime, one question, one write.

use tokenkeeper::{ProofOptions, TokenKind, TokenOptions};
use tokenkeeper_config::AccountName;
use zeroize::Zeroizing;

use crate::args::{Header, KindWord, Refresh, Token, Wanted};
use crate::fault::Fault;
use crate::{ask, link, say, span};

/// Prints a token.
///
/// # Errors
/// What the keeper refused.
pub(crate) fn print(args: Token) -> Result<(), Fault> {
    // Read before anything else: a missing file is found without a keeper.
    let rejected = args.rejected.as_deref().map(ask::secret_file).transpose()?;
    let token = match rejected {
        Some(rejected) => another(&args.name, &args.wanted, &rejected)?,
        None => current(&args.name, options(&args.wanted))?,
    };
    if args.json {
        return say::json(&in_json(&token));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(token.as_str().len() + 1));
    line.extend_from_slice(token.as_str().as_bytes());
    line.push(b'\n');
    say::answer(&line)
}

/// Prints `Authorization: Bearer …`; of a token that is bound to a key, `Authorization: DPoP …` and the proof.
///
/// # Errors
/// What the keeper refused; a token that is useless without a proof, where none was asked for.
pub(crate) fn header(args: Header) -> Result<(), Fault> {
    let token = current(&args.name, options(&args.wanted))?;
    let scheme = scheme(token.token_type());
    let mut lines = Zeroizing::new(format!("Authorization: {scheme} {}\n", token.as_str()));
    if scheme == "DPoP" {
        let Some([method, address]) = args.dpop.as_deref() else {
            let name = &args.name;
            return Err(Fault::usage(format!("{name}: the token is bound to a key, so each request needs a proof"))
                .hint(format!("tokenkeeper header {name} --dpop METHOD URL")));
        };
        let options = ProofOptions::new().token(&token);
        let options = args.nonce.into_iter().fold(options, |options, nonce| options.nonce(nonce));
        let proof = link::wait(async {
            let account = link::keeper().await?.account(args.name.as_str())?;
            account.sign_proof(method, address, options).await.map_err(Fault::about(&args.name))
        })?;
        lines.push_str(&format!("DPoP: {proof}\n"));
    }
    say::answer(lines.as_bytes())
}

/// Refreshes now and says until when the new token lasts.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn refresh(args: Refresh) -> Result<(), Fault> {
    let account = link::keeper().await?.account(args.name.as_str())?;
    let expires_at = account.refresh().await.map_err(Fault::about(&args.name))?;
    let now = span::now();
    match expires_at {
        0 => say::note(format_args!("{}: refreshed; the server does not say until when", args.name)),
        at => say::note(format_args!("{}: refreshed, expires {} ({})", args.name, span::when(at, now), span::utc(at))),
    }
    Ok(())
}

/// The options of the bus for what was asked for.
pub(crate) fn options(wanted: &Wanted) -> TokenOptions {
    let mut options = TokenOptions::new();
    if wanted.kind == KindWord::Id {
        options = options.kind(TokenKind::Id);
    }
    if let Some(span) = wanted.min_validity {
        options = options.min_validity(span);
    }
    if let Some(span) = wanted.timeout {
        options = options.timeout(span);
    }
    if let Some(audience) = &wanted.audience {
        options = options.audience(audience);
    }
    if let Some(resource) = &wanted.resource {
        options = options.resource(resource);
    }
    wanted.scopes.iter().fold(options, |options, scope| options.scope(scope))
}

/// Another token than the rejected one. A keeper that holds another already is asked for nothing more, so all who
/// were refused with one token cost one refresh.
fn another(name: &AccountName, wanted: &Wanted, rejected: &[u8]) -> Result<tokenkeeper::Token, Fault> {
    let token = current(name, options(wanted))?;
    if token.as_str().as_bytes() != rejected {
        return Ok(token);
    }
    current(name, options(wanted).rejected(token.generation()))
}

/// One token, by the shortest way.
fn current(name: &AccountName, options: TokenOptions) -> Result<tokenkeeper::Token, Fault> {
    tokenkeeper::once::token(name.as_str(), options).map_err(Fault::about(name))
}

/// The authentication scheme for a token type (RFC 6750 §2.1, RFC 9449 §7.1); servers answer `bearer` in any case.
fn scheme(token_type: &str) -> &str {
    match token_type {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("dpop") => "DPoP",
        other => other,
    }
}

/// The fields of `token --json`.
#[derive(serde::Serialize)]
struct TokenJson<'t> {
    schema: u32,
    token: &'t str,
    token_type: &'t str,
    expires_at: u64,
    scopes: &'t [String],
    generation: u64,
}

fn in_json(token: &tokenkeeper::Token) -> TokenJson<'_> {
    TokenJson {
        schema: 1,
        token: token.as_str(),
        token_type: token.token_type(),
        expires_at: token.expires_at(),
        scopes: token.scopes(),
        generation: token.generation(),
    }
}

#[cfg(test)]
mod tests {
    use super::scheme;

    #[test]
    fn servers_spell_bearer_as_they_like() {
        assert_eq!(scheme("bearer"), "Bearer");
        assert_eq!(scheme("BEARER"), "Bearer");
        assert_eq!(scheme(""), "Bearer");
        assert_eq!(scheme("dpop"), "DPoP");
    }
}
