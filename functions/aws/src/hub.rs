//! Security Hub: what earlier runs stored there, and what a run writes.
//!
//! [`calls`] are the calls with findings, [`recall`] reads, [`publish`] carries a decision out.

pub mod calls;
pub mod publish;
pub mod recall;
mod refusal;

/// When the template grants what Security Hub needs.
const WITH_HUB: &str = "`SecurityHub` is `true`";
