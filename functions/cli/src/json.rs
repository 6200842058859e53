//! The contract's JSON, one finding per line. `functions/cli/findings.schema.json` describes it.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use hygiene::evaluate::Counts;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use crate::view::View;

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<&'a str>,
    partition: &'a str,
    evaluated_at: DateTime<Utc>,
    report_generated_at: Option<DateTime<Utc>>,
    counts: Counts,
    findings: Each<'a>,
}

/// Writes the value, a member on each line.
pub(crate) fn pretty(value: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Writes the findings. The same input gives the same bytes.
pub fn write(view: &View<'_>, to: &mut dyn Write) -> io::Result<()> {
    let evaluation = view.evaluation;
    let document = Document {
        account_id: view.account_id(),
        account_name: view.account_name,
        partition: &evaluation.partition,
        evaluated_at: evaluation.evaluated_at,
        report_generated_at: evaluation.report_generated_at,
        counts: evaluation.counts(),
        findings: Each(view),
    };
    write_lines(&document, to)
}

/// Writes compact JSON, with each item of the outermost lists in its own line.
pub(crate) fn write_lines(document: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    let mut to = io::BufWriter::with_capacity(64 * 1024, to);
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut to, Lines::default()))?;
    to.write_all(b"\n")?;
    to.flush()
}

/// Serializes the findings one at a time: a list of all of them would be the largest object in memory.
struct Each<'a>(&'a View<'a>);

impl Serialize for Each<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(view) = self;
        serializer.collect_seq(view.findings.iter().map(|finding| view.json(finding)))
    }
}

/// Compact JSON, except that each item of the outermost list has its own line.
#[derive(Default)]
struct Lines {
    depth: usize,
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth += 1;
        CompactFormatter.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth == 0 {
            to.write_all(b"\n")?;
        }
        CompactFormatter.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        CompactFormatter.begin_array_value(to, first)?;
        if self.depth == 1 { to.write_all(b"\n") } else { Ok(()) }
    }
}
