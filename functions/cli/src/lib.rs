//! credwarden's command line: the same rules and the same hands as the function, on a saved report or on the live account.
//!
//! # Layout
//!
//! - [`arguments`] is what can be said, [`input`] reads files ([`wrong_output`] names one that is something else), [`live`]
//!   reads the account, with the settings of [`configuration`] and the [`credentials`] that they lead to
//! - [`check`] judges and says how it ends; [`view`] is what there is to show
//! - [`output`] is where it is written
//! - one module a format: [`table`], [`json`], [`spreadsheet`], [`asff`], [`page`]

pub mod arguments;
pub mod asff;
pub mod check;
pub mod configuration;
pub mod credentials;
pub mod input;
mod interrupt;
pub mod json;
pub mod live;
pub mod output;
pub mod page;
pub mod spreadsheet;
pub mod table;
pub mod view;
pub mod wrong_output;
