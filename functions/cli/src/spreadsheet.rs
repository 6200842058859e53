//! CSV for spreadsheets. They take a cell that begins like a formula for one, and run it: such a cell gets an apostrophe.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use hygiene::finding::{Finding, Status, SubjectKind};
use hygiene::text::inert;

use crate::view::View;

const HEADER: [&str; 18] = [
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

/// Writes a row a verdict.
pub fn write(view: &View<'_>, to: impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(HEADER).map_err(io_error)?;
    for finding in &view.findings {
        let cells = cells(finding, view);
        writer.write_record(cells.iter().map(|cell| harmless(cell).into_owned())).map_err(io_error)?;
    }
    writer.flush()
}

/// The error itself, not one that only contains it: who reads from the pipe may have gone, which is none.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

fn cells(finding: &Finding, view: &View<'_>) -> [String; HEADER.len()] {
    let subject = &finding.subject;
    let evidence = finding.evidence.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    let kind = match subject.kind {
        SubjectKind::Root => "root",
        SubjectKind::Account => "account",
        SubjectKind::User => "user",
        SubjectKind::AccessKey => "access_key",
    };
    [
        finding.id(view.account()),
        view.account().unwrap_or_default().to_owned(),
        finding.check.id.to_owned(),
        finding.status.label().to_owned(),
        finding.severity.label().to_owned(),
        finding.check.title.to_owned(),
        finding.message.to_string(),
        kind.to_owned(),
        subject.user.clone().unwrap_or_default(),
        subject.arn.clone().unwrap_or_default(),
        subject.slot.map_or_else(String::new, |slot| slot.to_string()),
        subject.access_key_id.clone().unwrap_or_default(),
        subject.created.map_or_else(String::new, timestamp),
        evidence.join("; "),
        if finding.status == Status::Failed { finding.remediation() } else { String::new() },
        finding.check.requirements.join("; "),
        timestamp(view.evaluation.evaluated_at),
        view.evaluation.report_generated_at.map_or_else(String::new, timestamp),
    ]
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The text as a cell that no spreadsheet runs, and in which nothing acts but line breaks.
fn harmless(text: &str) -> Cow<'_, str> {
    let shown = match inert(text) {
        Cow::Owned(_) if text.contains('\n') => Cow::Owned(text.split('\n').map(inert).collect::<Vec<_>>().join("\n")),
        shown => shown,
    };
    // The wide forms count too where the locale is Japanese or Chinese.
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
            assert_eq!(harmless(text), cell);
        }
    }
}
