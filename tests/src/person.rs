//! A person at a browser, without the browser: opens an address, is sent along, reads the page they end on.

use std::time::Duration;

use reqwest::redirect::Policy;

/// What the person sees at the end.
#[derive(Debug)]
pub struct Page {
    /// HTTP status of the last page.
    pub status: u16,
    /// Its address.
    pub address: String,
    /// Its text.
    pub body: String,
}

/// Opens an address as a browser does, following redirects.
///
/// # Errors
/// If any server on the way cannot be reached.
pub async fn open(address: &str) -> Result<Page, reqwest::Error> {
    let answer = browser(Policy::limited(10)).get(address).send().await?;
    let (status, address) = (answer.status().as_u16(), answer.url().to_string());
    Ok(Page { status, address, body: answer.text().await? })
}

/// Opens an address and says where it sends the browser, without going there.
///
/// # Errors
/// If the server cannot be reached.
pub async fn sent_to(address: &str) -> Result<Option<String>, reqwest::Error> {
    let answer = browser(Policy::none()).get(address).send().await?;
    Ok(answer.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned))
}

fn browser(policy: Policy) -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(policy)
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("the client is made of constants")
}
