//! The rules of credwarden, pure: no clock, no network, no environment. `Cargo.toml` is the guard: nothing this crate can
//! reach does I/O, so a check cannot either.
//!
//! # Layout, in the order the data flows
//!
//! - [`report`] reads the credential report, [`service_credential`] is what it does not show; [`account`] joins them with the
//!   account's other [`source`]s
//! - `dialect` and `local_date` are what spreadsheets do to a saved report, [`saved`] is what people do to it
//! - a [`check`] is metadata and a rule; [`checks`] has them all, one file each; [`evaluate`] applies them under a [`policy`]: each [`finding`] is a check, a
//!   [`subject`] and a [`verdict`]
//! - [`blind_spots`] is what of the report they could not read
//! - [`decide`] compares the findings with the [`memory`] of earlier runs (of [`twins`] that are gone too), adds the [`enrichment`], and gives the
//!   [`decision`]: all that will be written, reported, marked and closed
//! - [`outcome`] is the decision with what Security Hub took of it; [`alert`] chooses what is reported, [`mail`] renders it;
//!   [`closed`] is the machine-readable list of what ended
//! - [`remediation`] is how to fix a finding: console steps or a script, as data until it is rendered
//! - [`explain`] is a check's page of the documentation, [`settings`] are what people can set
//!
//! What checks share is in `commands` (AWS CLI), [`requirements`] (compliance) and `root_keys`; what the wording shares (dates,
//! ages, quoting of hostile names) in [`text`].

pub mod account;
pub mod alert;
pub mod blind_spots;
pub mod check;
pub mod checks;
pub mod closed;
mod commands;
pub mod decide;
pub mod decision;
mod dialect;
pub mod enrichment;
pub mod evaluate;
pub mod explain;
pub mod finding;
mod local_boolean;
mod local_date;
pub mod mail;
pub mod memory;
pub mod outcome;
pub mod policy;
pub mod problems;
pub mod remediation;
pub mod report;
pub mod requirements;
mod root_keys;
pub mod saved;
pub mod service_credential;
pub mod settings;
pub mod source;
pub mod subject;
pub mod text;
pub mod time;
pub mod twins;
pub mod uses;
pub mod verdict;

#[cfg(test)]
mod testing;
