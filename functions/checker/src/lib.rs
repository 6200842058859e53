//! credwarden's hands: everything that touches AWS. What is decided is decided in [`hygiene`].
//!
//! # Layout, in the order of a run
//!
//! - [`environment`] says which variables are set to nothing, [`config`] reads the settings, [`aws`] builds the clients, which share the HTTP client of [`tls`], both once a process
//! - [`run`] is a run from end to end
//! - [`collect`] reads the account, [`recall`] what Security Hub has of ours, [`access_keys`] the ids of the keys
//! - [`publish`] writes findings, as [`asff`] words them, and marks them; [`notify`] sends the one message
//! - [`summary`] is the answer, and a line of the [`log`]; [`metric`] counts the run
//!
//! [`permissions`] are what all that needs; [`patience`] is how long a call is tried, [`pace`] how often, [`cause`] why it failed.

pub mod access_keys;
pub mod asff;
pub mod aws;
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
pub mod publish;
pub mod recall;
pub mod run;
pub mod summary;
pub mod tls;
