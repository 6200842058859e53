//! What needs more than one crate or the SDK, in one binary, so that the SDKs are linked once.
//!
//! - [`account`] and [`clients`] are what the tests share
//! - one module for each of the checker's modules, against the SDK's mocks; [`whole`]: answers whose end is missing
//! - [`asff`]: the bytes that go to Security Hub, against the format's limits
//! - [`converge`]: histories of an account in which everything goes wrong, in the [`world`]
//! - [`hub_table`]: requests to Security Hub and its answers, for the [`world`] and for the emulator; [`hub_shapes`]: the
//!   product makes no others
//! - [`upgrade`]: what earlier versions stored is known
//! - [`documents`]: parts of the documentation are rendered from code; [`template`]: the template and the code agree

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; the lint exempts test functions, not what they share"
)]

mod access_keys;
mod account;
mod asff;
mod clients;
mod collect;
mod converge;
mod corpus;
mod documents;
mod hostile;
mod hub_shapes;
mod hub_table;
mod inputs;
mod notify;
mod pace;
mod partitions;
mod publish;
mod recall;
mod retry;
mod template;
mod twins;
mod upgrade;
mod whole;
mod world;
