//! The rules of credwarden, pure: no clock, no network, no environment. `Cargo.toml` guarantees it: no dependency of
//! this crate does I/O, so no check can.
//!
//! # Layout, in the order of the data flow
//!
//! - [`report`] parses the credential report; [`service_credential`] has the credentials that it does not show;
//!   [`account`] joins them with the other [`source`]s of the account
//! - `dialect`, `local_boolean` and `local_date` parse reports that a spreadsheet saved; [`saved`] checks reports that
//!   people changed
//! - a [`check`] is metadata and a rule; [`checks`] has one file for each check; [`evaluate`] applies them under a
//!   [`policy`]: each [`finding`] is a check, a [`subject`] and a [`verdict`]
//! - [`blind_spots`] are the parts of the report that checks could not read
//! - [`decide`] compares the findings with the [`memory`] of earlier runs (including [`twins`], two keys with the same
//!   creation second), adds the [`enrichment`], and returns the [`decision`]: the findings to import, report, mark and
//!   close
//! - [`outcome`] is the decision with the results of Security Hub; [`alert`] selects the findings to report, [`mail`]
//!   and [`chat`] render them; [`closed`] is the machine-readable list of closed findings
//! - [`remediation`] describes how to fix a finding: console steps or a script, as data that is rendered later
//! - [`by_subject`] groups findings by subject; [`scripts`] joins the remediation of a group's findings
//! - [`event`] parses CloudTrail events; [`readiness`] says which statements of a service control policy the account is
//!   ready for; [`trace`] says who uses an access key, and what to do about it, [`plan`] groups an
//!   account's keys by that
//! - [`organization`] selects the accounts in scope, and joins what was found in each with the list of them
//! - [`explain`] renders a check's documentation page; [`settings`] lists the settings
//!
//! Checks share `commands` (AWS CLI), [`requirements`] (compliance) and `root_keys`. Messages share [`text`]: dates,
//! ages, and escaping of untrusted names.

pub mod account;
pub mod alert;
pub mod blind_spots;
pub mod by_subject;
pub mod chat;
pub mod check;
pub mod checks;
pub mod closed;
mod commands;
pub mod decide;
pub mod decision;
mod dialect;
pub mod enrichment;
pub mod evaluate;
pub mod event;
pub mod explain;
pub mod finding;
mod local_boolean;
mod local_date;
pub mod mail;
pub mod memory;
pub mod organization;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod problems;
pub mod readiness;
pub mod remediation;
pub mod report;
pub mod requirements;
mod root_keys;
pub mod saved;
pub mod scripts;
pub mod service_credential;
pub mod settings;
pub mod source;
pub mod subject;
pub mod text;
pub mod time;
pub mod trace;
pub mod twins;
pub mod uses;
pub mod verdict;

#[cfg(test)]
mod testing;
