//! The unreadable parts of a credential report by subject: a row, a cell that a check needs, or a column (of the
//! account).

use crate::report::{ColumnError, Damage, Row};
use crate::source::Unavailable;
use crate::subject::Subject;
use crate::text::sentence;
use crate::verdict::{Fact, Verdict};

/// The unreadable parts of the report about one subject.
#[derive(Debug)]
pub struct BlindSpots<'a> {
    /// The root user, an IAM user, or the account.
    pub subject: &'a Subject,
    /// The unreadable parts, without duplicates.
    pub spots: Vec<BlindSpot>,
    /// The reason if data about the subject is unreadable because of a blind spot of the account: an unreadable column,
    /// or a row without a known user.
    pub of_account: Option<Unavailable>,
}

/// A row, a cell or a column that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BlindSpot {
    /// The reason why it is unreadable, as a sentence.
    pub reason: String,
    /// The text in the report.
    pub fact: Option<Fact>,
}

impl<'a> BlindSpots<'a> {
    /// No blind spots.
    pub(crate) fn none(subject: &'a Subject) -> Self {
        Self { subject, spots: Vec::new(), of_account: None }
    }

    /// Adds the cells that made verdicts UNKNOWN. A cell in an unreadable column is a blind spot of the account, not of
    /// the subject.
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
    /// The blind spots of unreadable columns; all missing columns are one blind spot.
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
