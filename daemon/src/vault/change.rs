//! From a change to rows: reads what is stored, seals what is new, writes nothing. Here the generation is compared, so
//! that a commit replaces exactly the grant it was made for.

use super::db::Row;
use super::record::GrantBody;
use super::seal::{Binding, Kind};
use super::sealer::Sealer;
use crate::account::{Change, NewGrant, NewToken, RefreshToken, Revocation, Unrevoked};
use crate::secret::Sealed;

/// The longest token that is kept (bytes); a longer one is served from memory only.
const LONGEST_TOKEN: usize = 32 * 1024;

/// The rows of one account, all of which are written or none.
pub(super) struct Rows {
    /// What is written; `None` = the record is deleted.
    pub(super) rows: Vec<(Kind, Option<Row>)>,
    /// The refresh token as it is sealed now.
    pub(super) token: Option<Sealed>,
}

/// At most so many logins of one account wait to be revoked; the oldest gives way.
const MOST_UNREVOKED: usize = 16;

/// What is stored of an account now.
pub(super) struct Present {
    pub(super) grant: Option<Row>,
    pub(super) tokens: Option<Row>,
    pub(super) proof_key: Option<Row>,
    /// Read only where a login is forgotten.
    pub(super) parting: Option<Parting>,
}

/// What a revocation is made of, beside the grant.
pub(super) struct Parting {
    pub(super) revocations: Option<Row>,
    pub(super) client_secret: Option<Row>,
}

/// Whose records, under which binding.
pub(super) struct Owner<'a> {
    pub(super) account: &'a str,
    pub(super) binding: &'a Binding,
}

/// The rows that carry `change` out, or a sentence for people.
pub(super) fn prepare(sealer: &Sealer, owner: &Owner<'_>, present: &Present, change: &Change) -> Result<Rows, String> {
    match change {
        Change::Adopt => Ok(Rows { rows: Vec::new(), token: None }),
        Change::Intent { generation, intent } => {
            let mut body = stored_body(sealer, owner, present, *generation)?;
            body.intent.clone_from(intent);
            rewrite(sealer, owner, *generation, &body)
        }
        Change::Facts { generation, facts } => {
            let mut body = stored_body(sealer, owner, present, *generation)?;
            body.facts = Some(facts.clone());
            body.intent = None;
            rewrite(sealer, owner, *generation, &body)
        }
        Change::Tokens { generation, tokens } => {
            agree(owner, stored_generation(present), *generation)?;
            let tokens = tokens_row(sealer, owner, *generation, tokens);
            Ok(Rows { rows: vec![(Kind::Tokens, tokens)], token: None })
        }
        Change::Forget { generation, revocation } => {
            agree(owner, stored_generation(present), *generation)?;
            let mut rows = rewrite(sealer, owner, *generation, &GrantBody::default())?;
            rows.rows.push((Kind::Tokens, None));
            if let Some(row) = revocation.as_ref().and_then(|new| revocations_row(sealer, owner, present, new)) {
                rows.rows.push((Kind::Revocations, Some(row)));
            }
            rows.rows.extend(present.proof_key.iter().map(|_| (Kind::ProofKey, None)));
            Ok(rows)
        }
        Change::Grant { replaces, grant, tokens } => {
            let stored = stored_generation(present);
            if stored == replaces.saturating_add(1) && is_already_there(sealer, owner, present, grant) {
                return Ok(Rows { rows: Vec::new(), token: stored_token(sealer, owner, present) });
            }
            agree(owner, stored, *replaces)?;
            new_grant(sealer, owner, present, *replaces, grant, tokens)
        }
    }
}

fn new_grant(
    sealer: &Sealer,
    owner: &Owner<'_>,
    present: &Present,
    replaces: u64,
    grant: &NewGrant,
    tokens: &[NewToken],
) -> Result<Rows, String> {
    let generation = replaces.saturating_add(1);
    let old = open_under(sealer, owner, present).unwrap_or_default();
    let token = match &grant.token {
        Some(RefreshToken::Fresh(token)) => Some(sealer.seal_token(owner.account, generation, owner.binding, token)),
        Some(RefreshToken::Kept(kept)) => {
            let kept = sealer.keep_token(owner.account, owner.binding, kept);
            Some(kept.map_err(|_| format!("the refresh token of `{}` to be kept does not open", owner.account))?)
        }
        None => None,
    };
    let previous = if grant.keep_previous { old.token } else { None };
    let mut body = GrantBody { facts: Some(grant.facts.clone()), intent: None, token: token.clone(), previous };
    let row = sealer.seal_grant(owner.account, generation, owner.binding, &body).or_else(|_| {
        // Two tokens of the largest kind do not fit into one record; the new one is what counts.
        body.previous = None;
        sealer.seal_grant(owner.account, generation, owner.binding, &body)
    });
    let row = row.map_err(|_| too_large(owner))?;

    let tokens = tokens_row(sealer, owner, generation, tokens);
    let mut rows = vec![(Kind::Grant, Some(row)), (Kind::Tokens, tokens)];
    match (&grant.facts.proof_key, &grant.new_key, &present.proof_key) {
        (Some(_), Some(key), _) => {
            let row = sealer.seal_proof_key(owner.account, generation, owner.binding, key);
            rows.push((Kind::ProofKey, Some(row.map_err(|_| too_large(owner))?)));
        }
        // Nothing is bound to it any more.
        (None, _, Some(_)) => rows.push((Kind::ProofKey, None)),
        (Some(_), None, _) | (None, _, None) => {}
    }
    Ok(Rows { rows, token })
}

/// The default tokens. Where the two do not fit into one record, the access token is what counts.
fn tokens_row(sealer: &Sealer, owner: &Owner<'_>, generation: u64, tokens: &[NewToken]) -> Option<Row> {
    let mut kept: Vec<_> = tokens.iter().filter(|new| new.is_default() && new.token.len() <= LONGEST_TOKEN).collect();
    kept.sort_by_key(|token| token.key.kind);
    while !kept.is_empty() {
        if let Ok(row) = sealer.seal_tokens(owner.account, generation, owner.binding, &kept) {
            return Some(row);
        }
        kept.pop();
    }
    None
}

/// The token that is being forgotten, put to those that still wait. `None` = there is none, or it was put there before.
fn revocations_row(sealer: &Sealer, owner: &Owner<'_>, present: &Present, new: &Revocation) -> Option<Row> {
    let parting = present.parting.as_ref()?;
    let token = open_under(sealer, owner, present)?.token?;
    let token = sealer.open_token(owner.account, owner.binding, &token).ok()?;
    let secret = parting.client_secret.as_ref().and_then(|row| sealer.open_client_secret(owner.account, row).ok());
    let waiting = parting.revocations.as_ref().and_then(|row| sealer.open_revocations(owner.account, row).ok());
    let mut waiting = waiting.unwrap_or_default();
    waiting.push(Unrevoked { revocation: new.clone(), token, client_secret: secret });
    seal_unrevoked(sealer, owner.account, waiting)
}

/// As many of them, the latest, as may wait and fit into one record.
pub(super) fn seal_unrevoked(sealer: &Sealer, account: &str, mut waiting: Vec<Unrevoked>) -> Option<Row> {
    waiting.drain(..waiting.len().saturating_sub(MOST_UNREVOKED));
    while !waiting.is_empty() {
        if let Ok(row) = sealer.seal_revocations(account, &waiting) {
            return Some(row);
        }
        waiting.remove(0);
    }
    None
}

fn rewrite(sealer: &Sealer, owner: &Owner<'_>, generation: u64, body: &GrantBody) -> Result<Rows, String> {
    let row = sealer.seal_grant(owner.account, generation, owner.binding, body).map_err(|_| too_large(owner))?;
    Ok(Rows { rows: vec![(Kind::Grant, Some(row))], token: None })
}

/// The stored grant, if it has the expected generation and opens.
fn stored_body(sealer: &Sealer, owner: &Owner<'_>, present: &Present, generation: u64) -> Result<GrantBody, String> {
    agree(owner, stored_generation(present), generation)?;
    open_under(sealer, owner, present)
        .ok_or_else(|| format!("the stored login of `{}` does not open under its present definition", owner.account))
}

/// An earlier attempt that seemed to fail has reached the disk after all.
fn is_already_there(sealer: &Sealer, owner: &Owner<'_>, present: &Present, grant: &NewGrant) -> bool {
    let Some(stored) = open_under(sealer, owner, present) else { return false };
    let open = |sealed| sealer.open_token(owner.account, owner.binding, sealed).ok();
    match (&grant.token, &stored.token) {
        (Some(RefreshToken::Fresh(token)), Some(stored)) => {
            open(stored).is_some_and(|stored| token.same_as(stored.reveal()))
        }
        (Some(RefreshToken::Kept(kept)), Some(stored)) => {
            open(kept).zip(open(stored)).is_some_and(|(kept, stored)| kept.same_as(stored.reveal()))
        }
        (None, None) => stored.facts.as_ref() == Some(&grant.facts),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn stored_token(sealer: &Sealer, owner: &Owner<'_>, present: &Present) -> Option<Sealed> {
    open_under(sealer, owner, present)?.token
}

fn open_under(sealer: &Sealer, owner: &Owner<'_>, present: &Present) -> Option<GrantBody> {
    let row = present.grant.as_ref().filter(|row| row.binding == *owner.binding)?;
    sealer.open_grant(owner.account, row).ok()
}

fn stored_generation(present: &Present) -> u64 {
    present.grant.as_ref().map_or(0, |row| row.generation)
}

fn agree(owner: &Owner<'_>, stored: u64, expected: u64) -> Result<(), String> {
    if stored == expected {
        return Ok(());
    }
    Err(format!("the vault holds generation {stored} of `{}`, the change is for {expected}", owner.account))
}

fn too_large(owner: &Owner<'_>) -> String {
    format!("the login of `{}` is over 32 KiB, more than a record holds", owner.account)
}
