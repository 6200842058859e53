//! The rules of credwarden, pure: no clock, no network, no environment. `Cargo.toml` is the guard: nothing this crate can
//! reach does I/O, so a check cannot either.
//!
//! # Layout, in the order the data flows
//!
//! - [`report`] reads the credential report, [`snapshot`] holds it beside the account summary and the MFA devices
//! - `dialect` and `local_date` are what spreadsheets do to a saved report, [`saved`] is what people do to it
//! - [`checks`] are the rules, one file each; [`evaluate`] applies them under a [`policy`] and gives [`finding`]s
//! - [`reconcile`] compares the findings with what Security Hub knows and plans what to write and whom to tell
//! - [`alert`] chooses what of that is told, and [`mail`] words it
//! - [`explain`] is a check's page of the documentation
//!
//! What checks share is in `commands` (AWS CLI), [`requirements`] (compliance) and `root_keys`; what the wording shares (dates,
//! ages, quoting of hostile names) in [`text`].

pub mod alert;
pub mod checks;
mod commands;
mod dialect;
pub mod evaluate;
pub mod explain;
pub mod finding;
mod local_boolean;
mod local_date;
pub mod mail;
pub mod policy;
pub mod reconcile;
pub mod report;
pub mod requirements;
mod root_keys;
pub mod saved;
pub mod snapshot;
pub mod text;

#[cfg(test)]
mod testing;
