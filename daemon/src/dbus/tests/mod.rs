//! The whole face, over a private bus, with a keeper that is a fake.

mod contract;
mod requests;
mod signals;
mod tokens;
mod world;
