//! What was just added or unlocked can be used at once: nobody is told "locked" while the vault is being read.

use std::time::Duration;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Definition, TokenOptions};
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::world::World;
use zbus::Variant;

#[tokio::test]
async fn an_account_that_was_just_added_wants_a_login() {
    let world = World::new().await;
    let keeper = world.client().await;
    for count in 0..20 {
        let name = format!("work-{count}");
        let words = [("name", name.as_str()), ("issuer", "http://127.0.0.1:9"), ("client_id", "desktop")];
        let definition: Definition =
            words.into_iter().map(|(key, word)| (key.to_owned(), Variant::from(word.to_owned()))).collect();
        let account = keeper.add(&definition).await.expect("a definition");
        let denied = account.token(TokenOptions::new()).await.expect_err("nobody is signed in");
        assert_eq!(denied.name(), Some(ErrorName::LoginRequired), "{denied}");
    }
}

#[tokio::test]
async fn an_account_serves_as_soon_as_the_vault_is_unlocked() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let keeper = world.client().await;
    let account = keeper.account("work").expect("a name");
    for _ in 0..20 {
        keeper.vault().lock().await.expect("locked");
        let request = keeper.vault().unlock().await.expect("it begins");
        request.wait().await.expect("the key file opens it");
        let options = TokenOptions::new().min_validity(Duration::ZERO);
        account.token(options).await.unwrap_or_else(|why| panic!("{why}\n{}", world.keeper().log()));
    }
}
