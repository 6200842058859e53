//! credwarden's command line: the function's checks and AWS I/O, for a saved report or the live account.
//!
//! # Layout
//!
//! - [`arguments`] parses the command line, [`input`] reads files ([`wrong_output`] detects wrong ones), [`live`] reads
//!   the account, with the settings of [`configuration`] and the [`credentials`] that they lead to
//! - [`check`] evaluates and returns the exit status; [`view`] has the data to show
//! - [`readiness`] is the command of that name; [`trail`] reads its files
//! - [`trace`] says who uses access keys, and what to do about them
//! - [`organization`] checks the accounts of an organization
//! - [`output`] writes the result
//! - one module per format: [`table`], [`json`], [`spreadsheet`], [`asff`], [`page`]

pub mod arguments;
pub mod asff;
pub mod check;
pub mod configuration;
pub mod credentials;
pub mod input;
mod interrupt;
pub mod json;
pub mod live;
pub mod organization;
pub mod output;
pub mod page;
pub mod readiness;
pub mod spreadsheet;
pub mod table;
pub mod trace;
pub mod trail;
pub mod view;
pub mod wrong_output;
