//! Having the server register a client, so that nobody has to fetch one from a page. The keeper does it: a client's secret
//! never passes here.

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, Error, Keeper, Registered};

use super::draft::Draft;
use super::refused;
use crate::ask;
use crate::fault::{self, Fault};
use crate::{say, span};

/// Asks for a client. `None` = the server registers none by itself, and a person is there who may have one.
///
/// # Errors
/// What the keeper refused, or that a client ID is needed after all. `wanted`: nothing else will do.
pub(super) async fn ask(keeper: &Keeper, draft: &Draft, wanted: bool) -> Result<Option<Account>, Fault> {
    let name = draft.name()?.to_owned();
    say::note("No client ID was given: the server is asked to register a client.");
    match keeper.register(&draft.definition()).await {
        Ok((account, registered)) => {
            tell(&name, &registered);
            Ok(Some(account))
        }
        Err(Error::Refused { name: ErrorName::NotSupported, message }) => {
            if !wanted && ask::person() && draft.names_a_server() {
                say::note(format_args!("{message}."));
                return Ok(None);
            }
            let hint = match draft.names_a_server() {
                true => "register a client there, a native or public one, and say --client-id ID".to_owned(),
                false => "register a client at that server, and say --issuer URL --client-id ID too".to_owned(),
            };
            Err(Fault::usage(format!("{name}: {message}")).hint(hint))
        }
        Err(error) => Err(without_client(&name, error)),
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
