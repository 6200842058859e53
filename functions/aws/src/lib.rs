//! The calls of the function and of the command line to AWS. Every decision is made in [`hygiene`].
//!
//! - [`environment`] says which variables are set to nothing; [`clients`] are built once a process, and share the HTTP client of
//!   [`tls`]; [`whole`] refuses answers without their end
//! - [`collect`] reads the account, [`access_keys`] the ids of its keys; each states the IAM actions that it needs, as
//!   [`permission`]s
//! - [`error`] is why a call failed, [`retry`] how often it is tried; [`problems`] are logged
//! - [`asff`] is a finding as Security Hub has it, [`product`] says which are credwarden's; `hub` reads and writes them there,
//!   with the feature of that name: the command line has no use for it; `rate` keeps the rates of calls
//! - `trail`, `regions`, `organization` and `ssh_keys` read what readiness needs, with the feature `trail`: the function has no use
//!   for it

pub mod access_keys;
pub mod asff;
pub mod clients;
pub mod collect;
pub mod environment;
pub mod error;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "trail")]
pub mod organization;
pub mod permission;
pub mod problems;
pub mod product;
#[cfg(any(feature = "hub", feature = "trail"))]
pub mod rate;
#[cfg(feature = "trail")]
pub mod regions;
pub mod retry;
#[cfg(feature = "trail")]
pub mod ssh_keys;
pub mod tls;
#[cfg(feature = "trail")]
pub mod trail;
pub mod whole;
