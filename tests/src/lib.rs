//! Parts of the end-to-end tests: an authorization server that can be told to misbehave, and a world (bus, home,
//! keeper, person) that is made for one test and leaves nothing behind.

pub mod bus;
pub mod clock;
pub mod idp;
pub mod keeper;
pub mod keyring;
pub mod openid_client;
pub mod person;
pub mod programs;
pub mod provider;
pub mod sweep;
pub mod terminal;
pub mod world;
