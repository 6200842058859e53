//! The Lambda function: a run over one account. Every decision is made in [`hygiene`], the account is read by [`aws`].
//!
//! # Layout, in the order of a run
//!
//! - [`config`] reads the settings, [`clients`] are built, both once a process
//! - [`run`] is a run from end to end, [`budget`] shares out its time
//! - [`notify`] sends the one message
//! - [`summary`] is the answer, and a line of the [`log`]; [`metric`] counts the run
//! - [`permissions`] are what all that needs

pub mod budget;
pub mod clients;
pub mod config;
pub mod log;
pub mod metric;
pub mod notify;
pub mod permissions;
pub mod run;
pub mod summary;
