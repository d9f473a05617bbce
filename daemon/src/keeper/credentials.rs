//! What a client proves itself with: its secret or its key, read for each request anew, so that a file that was replaced is
//! the one that counts.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tokenkeeper_config::Definition;
use zeroize::Zeroizing;

use crate::oauth::{Client, Metadata, Prover, Signer, SigningKey, Stamp};
use crate::secret::Secret;

/// A file with a secret or a key is small.
const LIMIT: u64 = 64 * 1024;

/// For one errand.
pub(super) struct Credentials {
    pub(super) secret: Option<Secret>,
    pub(super) key: Option<SigningKey>,
    /// What the tokens are bound to, and the server's nonce for the next proof.
    pub(super) proof: Option<(SigningKey, Option<String>)>,
    pub(super) stamp: Box<dyn Fn() -> Stamp + Send + Sync>,
}

impl Credentials {
    pub(super) fn client<'a>(&'a self, definition: &'a Definition, metadata: &'a Metadata) -> Client<'a> {
        let key = self.key.as_ref().map(|key| Signer { key, stamp: &*self.stamp });
        let prover = |(key, nonce): &'a (SigningKey, Option<String>)| Prover {
            signer: Signer { key, stamp: &*self.stamp },
            nonce: nonce.as_deref(),
        };
        let proof = self.proof.as_ref().map(prover);
        Client { definition, metadata, secret: self.secret.as_ref(), key, proof }
    }
}

/// Reads a client secret, without the newline that editors add.
pub(super) async fn read_secret(path: &Path) -> Result<Secret, String> {
    let (bytes, _) = read(path).await?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("{} is over 64 KiB: that is no client secret", path.display()));
    }
    Ok(Secret::locked_copy_of(bytes.trim_ascii_end()))
}

/// Reads a private key. One that others can read may be known to them already.
pub(super) async fn read_key(path: &Path) -> Result<SigningKey, String> {
    let said = path.display();
    let (bytes, meta) = read(path).await?;
    // systemd gives its user a credential by an access list, which shows in the place of root's group.
    let harmless = if meta.uid() == 0 && meta.gid() == 0 { 0o040 } else { 0 };
    if meta.mode() & 0o077 & !harmless != 0 {
        let mode = meta.mode() & 0o7777;
        return Err(format!(
            "the private key {said} can be read by others (mode {mode:04o}): chmod 0600 it, or make a new one"
        ));
    }
    let text = Secret::locked_copy_of(&bytes);
    SigningKey::from_pem(&text).map_err(|why| format!("`private_key_file` {said} {why}"))
}

async fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, std::fs::Metadata), String> {
    let said = path.display().to_string();
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let file = std::fs::File::open(path)?;
        let meta = file.metadata()?;
        file.take(LIMIT + 1).read_to_end(&mut bytes)?;
        std::io::Result::Ok((bytes, meta))
    });
    read.await.map_err(|e| e.to_string())?.map_err(|e| format!("could not read {said}: {e}"))
}
