//! What the world may know of the vault: the values behind the properties of `org.tokenkeeper.Keeper1.Vault`.

/// `ready`, `locked` or `no-vault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the bus")]
pub enum VaultState {
    Ready,
    Locked,
    NoVault,
}

/// One way to open the vault, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the keys of the Slots property")]
pub struct SlotView {
    pub id: String,
    pub kind: String,
    /// Unix seconds.
    pub created: u64,
    pub opened: bool,
    /// Why it did not open; empty = it was not tried or it did.
    pub error: String,
}

impl VaultState {
    /// The word on the bus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Locked => "locked",
            Self::NoVault => "no-vault",
        }
    }
}
