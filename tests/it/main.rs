//! Tests that need more than one crate or the SDK, in one binary, so that the SDKs are linked once.
//!
//! - [`account`] and [`clients`] are shared by the tests
//! - one module for each of the checker's modules, with the SDK's mocks; [`whole`]: truncated responses
//! - [`asff`]: the bytes that go to Security Hub, against the format's limits
//! - [`converge`]: histories of an account with every failure, in the [`world`]
//! - [`hub_table`]: requests to Security Hub and its responses, for the [`world`] and for the emulator; [`hub_shapes`]:
//!   the product makes no other requests
//! - [`plans`]: plans of Terraform that the rules in `infra/rules` deny
//! - [`upgrade`]: findings stored by earlier versions are known
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
mod key_events;
mod key_sources;
mod notify;
mod partitions;
mod plans;
mod publish;
mod rate_limit;
mod recall;
mod retry;
mod template;
mod twins;
mod upgrade;
mod whole;
mod world;
