//! All AWS I/O. Every decision is made in [`hygiene`].
//!
//! # Layout, in the order of a run
//!
//! - [`environment`] says which variables are set to nothing, [`config`] reads the settings, [`aws`] builds the clients, which
//!   share the HTTP client of [`tls`], both once a process; [`whole`] refuses answers without their end
//! - [`run`] is a run from end to end, [`budget`] shares out its time
//! - [`collect`] reads the account, [`recall`] what earlier runs stored in Security Hub, [`access_keys`] the ids of the keys
//! - [`publish`] carries a decision out in Security Hub, [`notify`] sends the one message
//! - [`summary`] is the answer, and a line of the [`log`]; [`metric`] counts the run
//!
//! [`security_hub`] are the calls with findings, [`asff`] is a finding as they have it, [`product`] says which are credwarden's.
//! [`permissions`] are what all that needs; [`patience`] is how long a call is tried, [`pace`] how often, [`cause`] why it failed.

pub mod access_keys;
pub mod asff;
pub mod aws;
pub mod budget;
pub mod cause;
pub mod collect;
pub mod config;
pub mod environment;
pub mod log;
pub mod metric;
pub mod notify;
pub mod pace;
pub mod patience;
pub mod permissions;
mod problems;
pub mod product;
pub mod publish;
pub mod recall;
pub mod run;
pub mod security_hub;
pub mod summary;
pub mod tls;
pub mod whole;
