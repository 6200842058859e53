//! What of a credential report cannot be read, and about whom: a row, a cell that a check needs, or a column of the account's.

use crate::report::{ColumnError, Damage, Row};
use crate::source::Unavailable;
use crate::subject::Subject;
use crate::text::sentence;
use crate::verdict::{Fact, Verdict};

/// What of the report cannot be read about one subject.
#[derive(Debug)]
pub struct BlindSpots<'a> {
    /// The root user, an IAM user, or the account.
    pub subject: &'a Subject,
    /// What cannot be read, each once.
    pub spots: Vec<BlindSpot>,
    /// Why nothing more is known of the subject, where that is the account's blind spot: a column of which nothing can be read,
    /// or a row that is nobody's.
    pub of_account: Option<Unavailable>,
}

/// A row, a cell or a column that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BlindSpot {
    /// What is wrong with it, as a sentence.
    pub reason: String,
    /// What the report has there.
    pub fact: Option<Fact>,
}

impl<'a> BlindSpots<'a> {
    /// None so far.
    pub(crate) fn none(subject: &'a Subject) -> Self {
        Self { subject, spots: Vec::new(), of_account: None }
    }

    /// With what those verdicts could not rest on. A cell in an unreadable column is the account's, not the subject's.
    pub(crate) fn with_cells<'v>(
        mut self,
        row: &Row,
        verdicts: impl IntoIterator<Item = &'v Verdict>,
        unreadable: &[ColumnError],
    ) -> Self {
        for verdict in verdicts {
            let Verdict::Unknown(Unavailable::BlindSpot { reason, column: Some(column) }) = verdict else { continue };
            if let Some(error) = unreadable.iter().find(|error| error.column() == *column) {
                self.of_account = Some(error.into());
                continue;
            }
            let fact = row.cell(*column).map(|cell| Fact::of_report(column.name(), cell));
            let spot = BlindSpot { reason: reason.clone(), fact };
            if !self.spots.contains(&spot) {
                self.spots.push(spot);
            }
        }
        self
    }
}

impl From<&Damage> for BlindSpot {
    fn from(damage: &Damage) -> Self {
        Self { reason: damage.to_string(), fact: Some(Fact::of_report("line", damage.line.to_string())) }
    }
}

impl BlindSpot {
    /// The columns of which nothing can be read, those that are not there together.
    pub(crate) fn columns(errors: &[ColumnError]) -> Vec<Self> {
        let fact = |error: &ColumnError| match error {
            ColumnError::Missing { header, .. } => Fact::of_report("columns", header),
            ColumnError::Unreadable { column, cell, .. } => Fact::of_report(column.name(), cell),
        };
        let mut facts: Vec<Fact> = errors.iter().map(fact).collect();
        facts.sort_by_key(|fact| fact.name != "columns");
        facts.dedup();
        let reasons = ColumnError::described(errors).into_iter().map(|reason| sentence(&reason));
        reasons.zip(facts).map(|(reason, fact)| Self { reason, fact: Some(fact) }).collect()
    }
}
