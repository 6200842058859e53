//! The contract's JSON, a finding a line. `functions/cli/findings.schema.json` describes it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use hygiene::evaluate::Counts;
use hygiene::finding::FindingJson;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::view::View;

/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// What is above the findings.
#[derive(Serialize)]
struct Head<'a> {
    account_id: Option<&'a str>,
    partition: &'a str,
    evaluated_at: DateTime<Utc>,
    report_generated_at: Option<DateTime<Utc>>,
    counts: Counts,
}

/// Writes the verdicts. The same input gives the same bytes.
pub fn write(view: &View<'_>, to: &mut dyn Write) -> io::Result<()> {
    let evaluation = view.evaluation;
    let head = Head {
        account_id: view.account(),
        partition: &evaluation.partition,
        evaluated_at: evaluation.evaluated_at,
        report_generated_at: evaluation.report_generated_at,
        counts: evaluation.counts(),
    };
    let head = serde_json::to_string(&head)?;
    write!(to, "{},\"findings\":[", head.strip_suffix('}').unwrap_or_default())?;
    let mut prepared: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
    let mut lines = Vec::with_capacity(2 * CHUNK);
    for (place, finding) in view.findings.iter().enumerate() {
        lines.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
        let requirements = match prepared.entry(finding.check.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(to_raw_value(finding.check.requirements)?),
        };
        let finding = FindingJson::new(finding, view.account()).with_requirements(&**requirements);
        serde_json::to_writer(&mut lines, &finding)?;
        if CHUNK <= lines.len() {
            to.write_all(&lines)?;
            lines.clear();
        }
    }
    lines.extend_from_slice(b"\n]}\n");
    to.write_all(&lines)
}
