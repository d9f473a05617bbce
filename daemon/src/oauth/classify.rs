//! Finds the refusal in an answer, wherever servers put it, and judges it by its code and by what stands beside the
//! code. The caller adds what the status says.

use super::json::Json;
use super::meaning::Meaning;

/// An error as a server spelt it. Both texts are raw: to be quoted before anybody sees them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) code: String,
    pub(super) text: String,
}

/// The refusal in an answer's fields, if there is one. `error` and `ok: false` are refusals whatever else is there;
/// the vaguer members (`code`, `errors`, `status`, `message`) are so only where we know their value or no token came.
pub(super) fn refusal(fields: &Json) -> Option<Refusal> {
    let text = description(fields);
    let stated = match fields.get("error") {
        Some(Json::Bool(false)) | Some(Json::Text(_)) if fields.text("error").is_none() => None,
        Some(error) => Some(error_code(error)),
        None => None,
    };
    if let Some(code) = stated {
        return Some(judge(code, text, fields));
    }
    for code in vague_codes(fields) {
        let meaning = Meaning::of_code(&code);
        if meaning != Meaning::Unknown {
            return Some(Refusal { meaning, code, text });
        }
    }
    if let Some(refusal) = field_error(fields, &text) {
        return Some(refusal);
    }
    let says_no = ["ok", "success"].iter().any(|name| matches!(fields.get(name), Some(Json::Bool(false))));
    let code = vague_codes(fields).into_iter().next().unwrap_or_default();
    let explained = fields.text("access_token").is_none() && !(code.is_empty() && text.is_empty());
    (says_no || explained).then(|| judge(code, text, fields))
}

/// A refusal in a body that is plain text: a known code, or a sentence that leaves no doubt.
pub(super) fn plain(text: &str) -> Refusal {
    let meaning = match Meaning::of_code(text) {
        Meaning::Unknown => Meaning::of_text(text).unwrap_or(Meaning::Unknown),
        known => known,
    };
    Refusal { meaning, code: String::new(), text: text.to_owned() }
}

fn judge(code: String, text: String, fields: &Json) -> Refusal {
    let by_code = Meaning::of_code(&code);
    let meaning = if throttled(fields) { Meaning::NotProcessed } else { refine(by_code, &text, fields) };
    Refusal { meaning, code, text }
}

/// `error` is a text, or an object that holds one under some name.
fn error_code(error: &Json) -> String {
    if let Some(code) = error.as_text() {
        return code.to_owned();
    }
    // Facebook's dead token is a number (190 = "access token has expired or was revoked").
    if error.number("code") == Some(190.0) {
        return "token_expired".to_owned();
    }
    ["error", "code", "type", "status", "name"].iter().find_map(|name| error.text(name)).unwrap_or_default().to_owned()
}

/// The members that hold an error code at servers that do not say `error`.
fn vague_codes(fields: &Json) -> Vec<String> {
    let mut codes: Vec<String> = ["code", "errorCode", "error_code", "status"]
        .iter()
        .filter_map(|name| fields.text(name))
        .map(str::to_owned)
        .collect();
    if let Some(first) = first_error(fields) {
        codes.extend(first.as_text().map(str::to_owned));
        codes.extend(["errorType", "error", "code"].iter().filter_map(|name| first.text(name)).map(str::to_owned));
    }
    codes
}

fn first_error(fields: &Json) -> Option<&Json> {
    match fields.get("errors")? {
        Json::List(errors) => errors.first(),
        _ => None,
    }
}

/// Strava's dialect: `errors[0]` names the field that is invalid.
fn field_error(fields: &Json, text: &str) -> Option<Refusal> {
    let first = first_error(fields)?;
    if first.text("code") != Some("invalid") {
        return None;
    }
    let field = first.text("field")?;
    let meaning = match field {
        "refresh_token" | "code" => Meaning::Ended,
        "client_id" | "client_secret" => Meaning::Misconfigured,
        _ => return None,
    };
    let text = if text.is_empty() { "invalid" } else { text };
    Some(Refusal { meaning, code: format!("invalid {field}"), text: text.to_owned() })
}

fn description(fields: &Json) -> String {
    const NAMES: [&str; 7] =
        ["error_description", "errorSummary", "error_message", "message", "reason", "detail", "description"];
    let direct = NAMES.iter().find_map(|name| fields.text(name));
    let inner = || fields.get("error").and_then(|error| NAMES.iter().find_map(|name| error.text(name)));
    let listed = || first_error(fields).and_then(|first| NAMES.iter().find_map(|name| first.text(name)));
    direct.or_else(inner).or_else(listed).unwrap_or_default().to_owned()
}

/// Where a code alone would mislead: details that vendors put beside it.
fn refine(by_code: Meaning, text: &str, fields: &Json) -> Meaning {
    // Google's `error_subtype`, Entra's `suberror`.
    let detail = fields.text("error_subtype").or_else(|| fields.text("suberror"));
    let person = detail.is_some_and(Meaning::detail_wants_person);
    match by_code {
        Meaning::Ended | Meaning::Unknown if person => Meaning::Attention,
        // X and Atlassian say it of a dead token; the code alone would blame the configuration.
        Meaning::BadRequest | Meaning::Misconfigured | Meaning::AccessDenied | Meaning::Unknown => {
            Meaning::of_text(text).unwrap_or(by_code)
        }
        _ => by_code,
    }
}

/// Entra's loop detection (AADSTS50196) is a throttle, whatever code it comes with.
fn throttled(fields: &Json) -> bool {
    match fields.get("error_codes") {
        Some(Json::List(codes)) => codes.iter().any(|code| matches!(code, Json::Number(n) if *n == 50196.0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Refusal> {
        refusal(&Json::parse(text.as_bytes()).expect("JSON"))
    }

    fn meaning(text: &str) -> Meaning {
        read(text).unwrap_or_else(|| panic!("no refusal: {text}")).meaning
    }

    #[test]
    fn an_error_is_found_wherever_servers_put_it() {
        for (text, code, expected) in [
            (r#"{"error":{"code":"refresh_token_reused","message":"m"}}"#, "refresh_token_reused", Meaning::Ended),
            (r#"{"error":{"error":"invalid_grant"}}"#, "invalid_grant", Meaning::Ended),
            (r#"{"error":{"type":"invalid_client"}}"#, "invalid_client", Meaning::Misconfigured),
            (r#"{"error":{"code":190,"type":"OAuthException"}}"#, "token_expired", Meaning::Ended),
            (r#"{"error":{}}"#, "", Meaning::Unknown),
            (r#"{"error":true}"#, "", Meaning::Unknown),
            (r#"{"code":"refresh_token_reused"}"#, "refresh_token_reused", Meaning::Ended),
            (r#"{"errors":[{"errorType":"invalid_grant","message":"m"}]}"#, "invalid_grant", Meaning::Ended),
            (r#"{"errors":["invalid_client"]}"#, "invalid_client", Meaning::Misconfigured),
            (r#"{"status":"BAD_REFRESH_TOKEN"}"#, "BAD_REFRESH_TOKEN", Meaning::Ended),
            (r#"{"errorCode":"E0000047"}"#, "E0000047", Meaning::NotProcessed),
            (r#"{"ok":false,"error":"token_revoked"}"#, "token_revoked", Meaning::Ended),
            (r#"{"ok":false}"#, "", Meaning::Unknown),
            (r#"{"success":false,"access_token":"a"}"#, "", Meaning::Unknown),
            (r#"{"error":"invalid_grant","access_token":"a"}"#, "invalid_grant", Meaning::Ended),
            (r#"{"code":"invalid_grant","access_token":"a"}"#, "invalid_grant", Meaning::Ended),
            (r#"{"code":"X17"}"#, "X17", Meaning::Unknown),
        ] {
            let refusal = read(text).unwrap_or_else(|| panic!("no refusal: {text}"));
            assert_eq!((refusal.code.as_str(), refusal.meaning), (code, expected), "{text}");
        }
    }

    #[test]
    fn a_success_is_no_refusal() {
        for text in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","error":null}"#,
            r#"{"access_token":"a","error":""}"#,
            r#"{"access_token":"a","error":false}"#,
            r#"{"access_token":"a","ok":true,"code":"0","status":"success","message":"ok"}"#,
            r#"{"access_token":"a","errors":[]}"#,
            r#"{}"#,
            r#"{"status":400}"#,
            r#"[]"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn details_correct_a_code_that_would_mislead() {
        use Meaning::*;
        for (text, expected) in [
            (r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#, Attention),
            (r#"{"error":"invalid_grant","suberror":"basic_action"}"#, Attention),
            (r#"{"error":"invalid_grant","suberror":"consent_required"}"#, Attention),
            (r#"{"error":"invalid_grant","suberror":"bad_token"}"#, Ended),
            (r#"{"error":"brand_new","suberror":"consent_required"}"#, Attention),
            (r#"{"error":"invalid_grant","error_codes":[50196]}"#, NotProcessed),
            (r#"{"error":"invalid_grant","error_codes":[70000]}"#, Ended),
            (r#"{"error":"invalid_client","suberror":"basic_action"}"#, Misconfigured),
            (r#"{"error":"invalid_request","error_description":"Value passed for the token was invalid."}"#, Ended),
            (r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#, Ended),
            (r#"{"error":"invalid_request","error_description":"Missing or invalid refresh_token"}"#, BadRequest),
            (r#"{"error":"invalid_request","error_description":"refresh_token parameter is invalid"}"#, BadRequest),
            (
                r#"{"error":"unauthorized_client","error_description":"invalid grant_type refresh_token for client"}"#,
                Misconfigured,
            ),
            (r#"{"error":"invalid_request","error_description":"invalid client"}"#, BadRequest),
            (
                r#"{"error":"Access Denied","error_description":"You have made too many requests continuously"}"#,
                NotProcessed,
            ),
            (r#"{"status":400,"message":"Invalid refresh token"}"#, Ended),
            (
                r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
                Ended,
            ),
            (r#"{"errors":[{"field":"code","code":"invalid"}]}"#, Ended),
            (r#"{"errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}"#, Misconfigured),
            (r#"{"errors":[{"field":"client_secret","code":"invalid"}]}"#, Misconfigured),
            (r#"{"errors":[{"field":"name","code":"invalid"}]}"#, Unknown),
            (r#"{"errors":[{"field":"refresh_token","code":"missing"}]}"#, Unknown),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn every_name_of_a_description_is_read() {
        for text in [
            r#"{"error":"x","error_description":"why"}"#,
            r#"{"errorSummary":"why"}"#,
            r#"{"error_message":"why"}"#,
            r#"{"message":"why"}"#,
            r#"{"error":"x","reason":"why"}"#,
            r#"{"error":"x","detail":"why"}"#,
            r#"{"error":"x","description":"why"}"#,
            r#"{"error":{"message":"why"}}"#,
            r#"{"errors":[{"message":"why"}]}"#,
        ] {
            assert_eq!(read(text).map(|refusal| refusal.text).as_deref(), Some("why"), "{text}");
        }
    }

    #[test]
    fn plain_text_is_judged_by_the_same_words() {
        for (text, expected) in [
            ("invalid_grant", Meaning::Ended),
            ("Too many requests. Check the X-RateLimit-Limit headers.", Meaning::NotProcessed),
            ("The refresh token has expired", Meaning::Ended),
            ("No.", Meaning::Unknown),
        ] {
            assert_eq!(plain(text).meaning, expected, "{text}");
        }
    }
}
