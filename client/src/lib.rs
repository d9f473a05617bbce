//! What programs link to get current access tokens from the keeper.
