//! CSV for spreadsheets. A spreadsheet runs a cell that begins like a formula, so such a cell gets an apostrophe.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::finding::Finding;
use hygiene::text::escape;
use hygiene::time::to_last_digit;

use crate::view::View;

pub(crate) const HEADER: [&str; 18] = [
    "id",
    "account_id",
    "check",
    "status",
    "severity",
    "title",
    "message",
    "subject",
    "user",
    "arn",
    "slot",
    "access_key_id",
    "created",
    "evidence",
    "remediation",
    "requirements",
    "evaluated_at",
    "report_generated_at",
];

/// Writes one row per finding.
pub fn write(view: &View<'_>, to: impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(HEADER).map_err(io_error)?;
    let Evaluation { evaluated_at, report_generated_at, .. } = *view.evaluation;
    let judged =
        Judged { account_id: view.account_id(), enrichment: view.enrichment, evaluated_at, report_generated_at };
    for finding in &view.findings {
        write_row(&mut writer, &cells(finding, &judged))?;
    }
    writer.flush()
}

/// Writes a row that is safe for spreadsheets.
pub(crate) fn write_row(writer: &mut csv::Writer<impl Write>, cells: &[String]) -> io::Result<()> {
    writer.write_record(cells.iter().map(|cell| safe_cell(cell).into_owned())).map_err(io_error)
}

/// The account of a finding, and when it was judged.
pub(crate) struct Judged<'a> {
    pub(crate) account_id: Option<&'a str>,
    pub(crate) enrichment: &'a Enrichment,
    pub(crate) evaluated_at: DateTime<Utc>,
    pub(crate) report_generated_at: Option<DateTime<Utc>>,
}

/// Returns the I/O error itself, not an error that wraps it: the caller recognizes a closed pipe by its kind.
pub(crate) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

pub(crate) fn cells(finding: &Finding, judged: &Judged<'_>) -> [String; HEADER.len()] {
    let subject = &finding.subject;
    let evidence: Vec<_> = finding.evidence().iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
    let key = subject.access_key();
    let access_key_id = judged.enrichment.access_key_id(finding);
    [
        finding.id(judged.account_id).to_string(),
        judged.account_id.unwrap_or_default().to_owned(),
        finding.check.id.to_owned(),
        finding.status().label().to_owned(),
        finding.severity().label().to_owned(),
        finding.check.title.to_owned(),
        finding.message().to_owned(),
        subject.kind().to_owned(),
        subject.owner().map_or_else(String::new, |user| user.name.clone()),
        subject.arn().unwrap_or_default().to_owned(),
        key.map_or_else(String::new, |key| key.slot.to_string()),
        access_key_id.unwrap_or_default().to_owned(),
        subject.created().map_or_else(String::new, to_last_digit),
        evidence.join("; "),
        finding.failure().map_or_else(String::new, |_| finding.remediation(access_key_id).to_string()),
        finding.check.requirements.join("; "),
        to_last_digit(judged.evaluated_at),
        judged.report_generated_at.map_or_else(String::new, to_last_digit),
    ]
}

/// Renders text safe for CSV: no formula, and escaped except for line breaks.
fn safe_cell(text: &str) -> Cow<'_, str> {
    let shown = match escape(text) {
        Cow::Owned(_) if text.contains('\n') => Cow::Owned(text.split('\n').map(escape).collect::<Vec<_>>().join("\n")),
        shown => shown,
    };
    // The full-width forms also begin a formula in Japanese and Chinese locales.
    let begins_a_formula = |text: &str| text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if shown.split('\n').any(begins_a_formula) { Cow::Owned(format!("'{shown}")) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let cells = [
            ("alice", "alice"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("\t=1+1", r"\u{9}=1+1"),
            ("＝1", "'＝1"),
            ("aws iam x\naws iam y", "aws iam x\naws iam y"),
            ("a\n=1", "'a\n=1"),
            ("a\rb", r"a\u{d}b"),
            ("2026-11-20T06:00:00Z", "2026-11-20T06:00:00Z"),
        ];
        for (text, cell) in cells {
            assert_eq!(safe_cell(text), cell);
        }
    }
}
