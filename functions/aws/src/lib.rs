//! The calls of the function and of the command line to AWS. Every decision is made in [`hygiene`].
//!
//! - [`environment`] says which variables are set to nothing; [`clients`] are built once a process, and share the HTTP client of
//!   [`tls`]; [`whole`] refuses answers without their end
//! - [`collect`] reads the account, [`access_keys`] the ids of its keys; each states the IAM actions that it needs, as
//!   [`permission`]s
//! - [`error`] is why a call failed, [`retry`] how often it is tried; [`problems`] are logged
//! - [`asff`] is a finding as Security Hub has it, [`product`] says which are credwarden's; `hub` reads and writes them there,
//!   with the feature of that name: the command line has no use for it; `rate` keeps the rates of calls
//! - with the feature `command-line`, since the function has no use for them: `trail`, `regions`, `organization` and `ssh_keys` read
//!   what readiness needs; `key_events`, `networks`, `last_used` and `last_accessed` read who uses a key; `history` is one page of
//!   CloudTrail's event history; `accounts` lists an organization's accounts, `member` assumes the role in one, `stack_set` says why it may
//!   not be there; `query` calls services without their SDK

pub mod access_keys;
#[cfg(feature = "command-line")]
pub mod accounts;
pub mod asff;
pub mod clients;
pub mod collect;
pub mod environment;
pub mod error;
#[cfg(feature = "command-line")]
mod history;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "command-line")]
pub mod key_events;
#[cfg(feature = "command-line")]
pub mod last_accessed;
#[cfg(feature = "command-line")]
pub mod last_used;
#[cfg(feature = "command-line")]
pub mod member;
#[cfg(feature = "command-line")]
pub mod networks;
#[cfg(feature = "command-line")]
pub mod organization;
pub mod permission;
pub mod problems;
pub mod product;
#[cfg(feature = "command-line")]
mod query;
#[cfg(any(feature = "hub", feature = "command-line"))]
pub mod rate;
#[cfg(feature = "command-line")]
pub mod regions;
pub mod retry;
#[cfg(feature = "command-line")]
pub mod ssh_keys;
#[cfg(feature = "command-line")]
pub mod stack_set;
pub mod tls;
#[cfg(feature = "command-line")]
pub mod trail;
pub mod whole;
