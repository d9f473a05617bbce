//! `systemd-creds`: the key is a credential that systemd seals for this user on this machine, with the machine's own key
//! and, where there is one, its TPM2. The sealed form lies in the slot's parameters. systemd 256 or newer does that for
//! a user, over a socket; nothing is executed.

#[cfg(test)]
mod testing;
mod varlink;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Of, Opener, Slot};
use crate::secret::Secret;
use crate::vault::error::SlotError;
use crate::vault::seal::Key;
use varlink::CallError;

/// The slot.
pub(super) struct SystemdCreds {
    socket: &'static str,
}

/// A TPM2 takes a second or two; systemd starts a process for each call.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept in the slot: the credential as systemd sealed it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    blob: String,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    name: &'a str,
    data: &'a str,
    scope: &'static str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    name: &'a str,
    blob: &'a str,
    scope: &'static str,
}

#[derive(Deserialize)]
struct Encrypted {
    blob: String,
}

#[derive(Deserialize)]
struct Decrypted {
    data: String,
}

/// Sealed for the user who asks, whom systemd knows from the socket.
const SCOPE: &str = "user";

impl SystemdCreds {
    pub(super) const OWN: Self = Self { socket: "/run/systemd/io.systemd.Credentials" };

    async fn decrypt(&self, of: &Of<'_>, blob: &str) -> Result<Secret, SlotError> {
        let name = name(of);
        let found: Decrypted = self.call("Decrypt", Decrypt { name: &name, blob, scope: SCOPE }).await?;
        let data = Zeroizing::new(found.data);
        let key = STANDARD.decode(data.as_bytes()).map(Zeroizing::new);
        key.map(|key| Secret::locked_copy_of(&key))
            .map_err(|_| SlotError::Permanent("systemd's credential holds no key".into()))
    }

    async fn call<A: DeserializeOwned>(&self, method: &str, parameters: impl Serialize) -> Result<A, SlotError> {
        let method = format!("io.systemd.Credentials.{method}");
        varlink::call(Path::new(self.socket), &method, parameters, PATIENCE).await.map_err(refused)
    }
}

impl Slot for SystemdCreds {
    fn enrol<'a>(&'a self, of: Of<'a>, _: &'a Opener) -> BoxFuture<'a, Result<String, SlotError>> {
        Box::pin(async move {
            let key = Key::random();
            let data = Zeroizing::new(STANDARD.encode(key.reveal()));
            let name = name(&of);
            let sealed: Encrypted = self.call("Encrypt", Encrypt { name: &name, data: &data, scope: SCOPE }).await?;
            // The trial: what was put in must come out again before anything depends on it.
            if !self.decrypt(&of, &sealed.blob).await?.same_as(key.reveal()) {
                return Err(SlotError::Permanent("systemd does not give back the credential that it sealed".into()));
            }
            Ok(serde_json::to_string(&Params { blob: sealed.blob }).expect("text has a JSON form"))
        })
    }

    fn secret<'a>(&'a self, of: Of<'a>, _: &'a Opener) -> BoxFuture<'a, Result<Secret, SlotError>> {
        Box::pin(async move {
            let params: Params = serde_json::from_str(of.params)
                .map_err(|_| SlotError::Permanent("the systemd-creds slot's parameters are damaged".into()))?;
            self.decrypt(&of, &params.blob).await
        })
    }

    /// Nothing lies elsewhere: the sealed form goes with the slot.
    fn forget<'a>(&'a self, _: Of<'a>, _: &'a Opener) -> BoxFuture<'a, Result<(), SlotError>> {
        Box::pin(async { Ok(()) })
    }
}

/// systemd seals the name along: a credential of another vault does not pass for this one's.
fn name(of: &Of<'_>) -> String {
    format!("tokenkeeper.{}", of.vault)
}

fn refused(error: CallError) -> SlotError {
    let why = match error {
        CallError::NoService(_) => {
            return SlotError::NotSupported(
                "systemd does not seal credentials for users here: that needs systemd 256 or newer".into(),
            );
        }
        CallError::Broken(why) => return SlotError::Temporary(format!("systemd's credentials: {why}")),
        CallError::Refused(why) => why,
    };
    match why.as_str() {
        "org.varlink.service.MethodNotFound" | "org.varlink.service.InterfaceNotFound" => {
            SlotError::NotSupported(format!("systemd does not seal credentials for users here ({why})"))
        }
        // A system error carries an errno that is as often a busy TPM2 as a missing one.
        "io.systemd.System" => SlotError::Temporary("systemd could not use the key of this machine or its TPM2".into()),
        "io.systemd.Credentials.BadFormat"
        | "io.systemd.Credentials.NameMismatch"
        | "io.systemd.Credentials.BadScope"
        | "io.systemd.Credentials.NoSuchUser" => SlotError::Permanent(format!(
            "systemd does not open the credential ({why}): it was sealed for another user or on another machine"
        )),
        _ => SlotError::Permanent(format!("systemd refused the credential ({why})")),
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Service, answering, sealing};
    use super::*;

    const VAULT: &str = "00112233445566778899aabbccddeeff";

    fn of<'a>(vault: &'a str, params: &'a str) -> Of<'a> {
        Of { vault, dir: Path::new("/nowhere"), salt: &[], params }
    }

    /// The slot as it would be with this service as the system's.
    fn slot(service: &Service) -> SystemdCreds {
        let socket = service.socket().to_str().expect("UTF-8").to_owned();
        SystemdCreds { socket: Box::leak(socket.into_boxed_str()) }
    }

    #[tokio::test]
    async fn what_systemd_sealed_opens_again_under_the_name_of_its_vault_only() {
        let service = sealing();
        let slot = slot(&service);
        let opener = Opener::default();
        let params = slot.enrol(of(VAULT, ""), &opener).await.expect("enrolled");
        let secret = slot.secret(of(VAULT, &params), &opener).await.expect("opened");
        assert_eq!(secret.len(), 32);
        assert!(!params.contains(&STANDARD.encode(secret.reveal())), "the key does not lie in the parameters");
        let another = slot.secret(of("another", &params), &opener).await;
        assert!(matches!(another, Err(SlotError::Permanent(_))), "a credential of another vault is refused");
    }

    #[tokio::test]
    async fn a_service_that_gives_back_something_else_is_not_enrolled() {
        let service = answering(|call| match call["method"].as_str() {
            Some("io.systemd.Credentials.Encrypt") => b"{\"parameters\":{\"blob\":\"x\"}}\0".to_vec(),
            _ => b"{\"parameters\":{\"data\":\"AAAA\"}}\0".to_vec(),
        });
        let failed = slot(&service).enrol(of(VAULT, ""), &Opener::default()).await.expect_err("refused");
        assert_eq!(failed.to_string(), "systemd does not give back the credential that it sealed");
    }

    #[tokio::test]
    async fn an_older_systemd_is_named_as_the_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("none").to_str().expect("UTF-8").to_owned();
        let slot = SystemdCreds { socket: Box::leak(socket.into_boxed_str()) };
        let failed = slot.enrol(of(VAULT, ""), &Opener::default()).await.expect_err("refused");
        assert!(matches!(&failed, SlotError::NotSupported(why) if why.contains("systemd 256 or newer")), "{failed}");
    }

    #[tokio::test]
    async fn a_failing_tpm_is_tried_again_and_another_machine_is_not() {
        for (error, temporary) in [("io.systemd.System", true), ("io.systemd.Credentials.BadFormat", false)] {
            let service = answering(move |_| format!("{{\"error\":\"{error}\",\"parameters\":{{}}}}\0").into_bytes());
            let failed = slot(&service).secret(of(VAULT, "{\"blob\":\"x\"}"), &Opener::default()).await;
            let failed = failed.err().expect("refused");
            assert_eq!(matches!(failed, SlotError::Temporary(_)), temporary, "{failed}");
        }
    }
}
