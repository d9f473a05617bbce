//! Proofs that programs ask for (RFC 9449 §7.1): the key signs here and never leaves.

use tokenkeeper_config::AccountName;

use super::errands::{Errander, Errands};
use super::message::{ProofWanted, Reply};
use super::random;
use super::task::Keeper;
use crate::account::Denied;
use crate::oauth::{Heard, Stamp, dpop};
use crate::secret::Secret;

impl Keeper {
    pub(super) fn sign_proof(&self, account: &AccountName, wanted: ProofWanted, reply: Reply<Secret>) {
        if let Err(denied) = self.admit(account) {
            return drop(reply.send(Err(denied)));
        }
        let (Some(entry), Some(who)) = (self.entries.get(account), self.errander(account)) else { return };
        let Some(thumbprint) = entry.proof_key() else {
            let why = format!(
                "the tokens of `{account}` are not bound to a key, so a request needs no proof; to bind them: \
                 dpop = \"on\", then: tokenkeeper login {account}"
            );
            return drop(reply.send(Err(Denied::NotSupported(why))));
        };
        let issuer = entry.issuer();
        self.errands.sign_proof(who, thumbprint.to_owned(), issuer, wanted, reply);
    }
}

impl Errands {
    fn sign_proof(
        &self,
        who: Errander,
        thumbprint: String,
        issuer: Option<url::Url>,
        wanted: ProofWanted,
        reply: Reply<Secret>,
    ) {
        let errands = self.clone();
        tokio::spawn(async move {
            let proof = errands.proof(&who, &thumbprint, issuer.as_ref(), wanted).await;
            let _ = reply.send(proof.map_err(Denied::Held));
        });
    }

    async fn proof(
        &self,
        who: &Errander,
        thumbprint: &str,
        issuer: Option<&url::Url>,
        wanted: ProofWanted,
    ) -> Result<Secret, String> {
        let ProofWanted { target, nonce, digest } = wanted;
        let key = self.proof_key(who, thumbprint).await?;
        let wall = self.clock.now().wall;
        if nonce.is_some() {
            self.servers.hear(target.address(), Heard { date: None, nonce }, wall);
        }
        let nonce = self.servers.nonce_at(target.address());
        // We hear of a resource server only what callers tell us; its clock is as good as its authorization server's.
        let at = self.servers.time_at(issuer, wall);
        let stamp = Stamp { at, id: random::id() };
        Ok(dpop::sign(&key, &target, dpop::Claims { token: Some(&digest), nonce: nonce.as_deref() }, &stamp))
    }
}
