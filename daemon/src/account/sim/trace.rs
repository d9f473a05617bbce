//! Inputs as a line of the trace.

use super::super::testing;
use super::super::*;
use crate::oauth::Outcome;

pub(super) fn named(input: &Input) -> String {
    match input {
        Input::Defined(_) => "Defined".into(),
        Input::Unlocked(stored) => format!("Unlocked generation {}", stored.generation),
        Input::Locked => "Locked".into(),
        Input::TokenWanted { waiter, ask } => format!(
            "TokenWanted w{}{} min {:?} rejected {:?}",
            waiter.0,
            testing::keyed(&ask.key),
            ask.min_validity,
            ask.rejected
        ),
        Input::RefreshWanted { waiter, .. } => format!("RefreshWanted w{}", waiter.0),
        Input::WaiterLeft { waiter } => format!("WaiterLeft w{}", waiter.0),
        Input::LoginWanted { request, options, .. } => format!("LoginWanted r{} retry {}", request.0, options.retry),
        Input::RefreshTokenGiven { .. } => "RefreshTokenGiven".into(),
        Input::LoginCancelled { request } => format!("LoginCancelled r{}", request.0),
        Input::Listening { request, .. } => format!("Listening r{}", request.0),
        Input::ListenFailed { request, .. } => format!("ListenFailed r{}", request.0),
        Input::Redirected { request, .. } => format!("Redirected r{}", request.0),
        Input::KeyMade { .. } => "KeyMade".into(),
        Input::Discovered { result, .. } => format!("Discovered {}", result.is_ok()),
        Input::Answered { answer, .. } => {
            let token = answer.refresh_token.as_ref().map(testing::shown);
            format!("Answered {} {token:?}", outcome(&answer.outcome))
        }
        Input::Authorized { authorization, .. } => format!("Authorized {}", testing::shown(&authorization.device_code)),
        Input::Pushed { pushed, .. } => format!("Pushed {}", pushed.request_uri),
        Input::Undecided { interval, quiet, .. } => format!("Undecided {interval:?} quiet {quiet:?}"),
        Input::Introspected { left, .. } => format!("Introspected {left:?}"),
        Input::Saved { .. } => "Saved".into(),
        Input::SaveFailed { .. } => "SaveFailed".into(),
        Input::Unopenable { .. } => "Unopenable".into(),
        Input::LogoutWanted { waiter } => format!("LogoutWanted w{}", waiter.0),
        Input::Adopted => "Adopted".into(),
        Input::NetworkUp => "NetworkUp".into(),
        Input::Sleeping => "Sleeping".into(),
        Input::Woke => "Woke".into(),
        Input::Due => "Due".into(),
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Granted(_) => "Granted",
        Outcome::NotSent { .. } => "NotSent",
        Outcome::NotProcessed { .. } => "NotProcessed",
        Outcome::Ambiguous { .. } => "Ambiguous",
        Outcome::Portal { .. } => "Portal",
        Outcome::Ended { .. } => "Ended",
        Outcome::Attention { .. } => "Attention",
        Outcome::AccessDenied { .. } => "AccessDenied",
        Outcome::Misconfigured { .. } => "Misconfigured",
        Outcome::BadRequest { .. } => "BadRequest",
        Outcome::BadTarget { .. } => "BadTarget",
        Outcome::Unexplained { .. } => "Unexplained",
        Outcome::AnotherProof { .. } => "AnotherProof",
        Outcome::Drift { .. } => "Drift",
    }
}
