//! What the function and the command line ask of AWS. Every decision is made in [`hygiene`].
//!
//! - [`environment`] says which variables are set to nothing; [`clients`] are built once a process, and share the HTTP client of
//!   [`tls`]; [`whole`] refuses answers without their end
//! - [`collect`] reads the account, [`access_keys`] the ids of its keys; each states the IAM actions that it needs, as
//!   [`permission`]s
//! - [`error`] is why a call failed, [`retry`] how often it is tried
//! - [`asff`] is a finding as Security Hub has it, [`product`] says which are credwarden's

pub mod access_keys;
pub mod asff;
pub mod clients;
pub mod collect;
pub mod environment;
pub mod error;
pub mod permission;
pub mod product;
pub mod retry;
pub mod tls;
pub mod whole;
