//! Having the server register a client, so that nobody has to fetch one from a page. The keeper does it: a client's secret
//! never passes here.

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, Error, Keeper, Registered};

use super::draft::Draft;
use super::refused;
use crate::ask::{self, Hidden};
use crate::fault::{self, Fault};
use crate::{say, span};

/// By this the keeper's advice says that a token may be what is missing.
const TOKEN_OPTION: &str = "--initial-access-token-file";

/// Asks for a client. `None` = the server registers none by itself, and a person is there who may have one.
///
/// # Errors
/// What the keeper refused, or that a client ID is needed after all.
pub(super) async fn ask(keeper: &Keeper, draft: &Draft, mut token: Option<Hidden>) -> Result<Option<Account>, Fault> {
    let name = draft.name()?.to_owned();
    say::note("No client ID was given: the server is asked to register a client.");
    loop {
        let answer = match &token {
            Some(token) => keeper.register_with_token(&draft.definition(), token).await,
            None => keeper.register(&draft.definition()).await,
        };
        match answer {
            Ok((account, registered)) => {
                tell(&name, &registered);
                return Ok(Some(account));
            }
            Err(Error::Refused { name: ErrorName::NotSupported, message }) => {
                let (message, advice) = fault::advised(&message);
                let wants_token = token.is_none() && advice.is_some_and(|advice| advice.contains(TOKEN_OPTION));
                let may_go_on = !draft.must_register() && draft.names_a_server();
                if ask::person() && (wants_token || may_go_on) {
                    say::note(format_args!("{message}."));
                }
                if ask::person() && wants_token {
                    token = ask::optional_secret("Initial access token (Enter if you have none): ")?;
                    if token.is_some() {
                        continue;
                    }
                }
                if ask::person() && may_go_on {
                    return Ok(None);
                }
                return Err(Fault::usage(format!("{name}: {message}")).hint(needs_client(draft, advice)));
            }
            Err(error) => return Err(without_client(&name, error)),
        }
    }
}

/// What to do where the server registers nobody, or not us.
fn needs_client(draft: &Draft, advice: Option<&str>) -> String {
    let client = match draft.names_a_server() {
        true => "register a client there, a native or public one, and say --client-id ID",
        false => "register a client at that server, and say --issuer URL --client-id ID too",
    };
    match advice {
        Some(advice) => format!("{advice}; else {client}"),
        None => client.to_owned(),
    }
}

/// What the keeper refused. There is no account yet: what usually helps one does not help here.
fn without_client(name: &str, error: Error) -> Fault {
    let hint = match error.name() {
        Some(ErrorName::Unavailable) => "nothing was added; try again when the server can be reached",
        Some(ErrorName::Misconfigured) => "nothing was added; compare the address with what the server's operator says",
        _ => return refused(name, error),
    };
    let has_advice = matches!(&error, Error::Refused { message, .. } if fault::advised(message).1.is_some());
    let fault = Fault::about(name)(error);
    if has_advice { fault } else { fault.hint(hint) }
}

fn tell(name: &str, registered: &Registered) {
    let Registered { client_id, issuer, .. } = registered;
    say::note(format_args!("Registered a client at {issuer}: {client_id}"));
    for note in &registered.notes {
        say::note(note);
    }
    if let Some(at) = registered.client_secret_expires_at {
        let when = span::when(at, span::now());
        say::note(format_args!(
            "Its secret ends {when}: then run `tokenkeeper add {name} --issuer {issuer} --register`."
        ));
    }
}
