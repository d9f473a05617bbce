//! The encrypted store: seals, opens, commits. It knows no policy: what to keep and when is decided in `account`.
