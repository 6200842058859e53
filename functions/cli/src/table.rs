//! For people at a terminal: failing findings by subject, root first, then worst first, with the commands that fix
//! them, as wide as the terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use hygiene::by_subject::{self, Group, messages};
use hygiene::enrichment::Enrichment;
use hygiene::finding::Finding;
use hygiene::remediation::Remediation;
use hygiene::scripts::{Part, parts};
use hygiene::subject::SubjectId;
use hygiene::text::{capitalized, counted, cut, escape, grouped, moment};
use hygiene::verdict::{Severity, Status};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

use crate::view::{View, ordered};

/// The range of widths: narrower text has no room for the layout, and longer lines are hard to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=140;
const INDENT: usize = 2;
/// The space between the subject of a finding and its text.
const GAP: usize = 2;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// The output device of the table.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Its width; `None` for a file or a pipe, with one line per finding.
    pub width: Option<usize>,
    /// Whether it supports colours, and they are not disabled.
    pub colour: bool,
}

impl Screen {
    /// A file.
    pub const NONE: Self = Self { width: None, colour: false };

    /// The file, or standard output if there is no file.
    pub(crate) fn of(file: Option<&Path>) -> Self {
        if file.is_some() { Self::NONE } else { Self::of_standard_output() }
    }

    /// Standard output. `NO_COLOR` and similar variables are respected.
    pub fn of_standard_output() -> Self {
        let stdout = io::stdout();
        let width = stdout.is_terminal().then(|| textwrap::termwidth().clamp(*WIDTHS.start(), *WIDTHS.end()));
        Self { width, colour: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never }
    }

    /// The text in this style, if the device has colours.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The lines of a text that starts in this column.
    pub(crate) fn lines(self, text: &str, column: usize) -> Vec<String> {
        self.width.map_or_else(|| vec![text.to_owned()], |width| wrapped(text, width.saturating_sub(column)))
    }

    /// Writes prose, with the following lines indented further.
    pub(crate) fn indented(self, indent: usize, text: &str, style: Style, to: &mut dyn Write) -> io::Result<()> {
        for (number, line) in self.lines(text, indent + 2).iter().enumerate() {
            let indent = if number == 0 || indent == 0 { indent } else { indent + 2 };
            writeln!(to, "{:indent$}{}", "", self.paint(style, line))?;
        }
        Ok(())
    }

    /// Writes a paragraph.
    pub(crate) fn prose(self, text: &str, style: Style, to: &mut dyn Write) -> io::Result<()> {
        self.lines(text, 0).iter().try_for_each(|line| writeln!(to, "{}", self.paint(style, line)))
    }
}

/// Writes the table.
pub fn write(view: &View<'_>, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    screen.prose(&view.name(), BOLD, to)?;
    let judged = format!("Judged as of {}. {}", moment(view.evaluation.evaluated_at), view.sources().join(" "));
    screen.prose(&judged, DIM, to)?;
    findings(&view.findings, view.enrichment, &view.unused_keys(), screen, to)?;
    foot(view, screen, to)
}

/// Writes failing findings by subject, with the commands that fix them, and then the others by status.
pub(crate) fn findings(
    findings: &[&Finding],
    enrichment: &Enrichment,
    unused: &BTreeSet<SubjectId<'_>>,
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let (failing, others): (Vec<&Finding>, Vec<&Finding>) =
        ordered(findings).into_iter().partition(|finding| finding.status() == Status::Failed);
    let groups = others.chunk_by(|one, other| View::group(one) == View::group(other));
    let groups: Vec<(&[&Finding], Vec<Entry>)> = groups.map(|findings| (findings, entries(findings))).collect();
    let entries = groups.iter().flat_map(|(_, entries)| entries);
    let widest = entries.map(|entry| display_width(&entry.subject)).max().unwrap_or_default();
    let column = widest.min(screen.width.map_or(28, |width| width / 4));
    let mut table = Table { screen, column, enrichment, unused, to };
    for group in by_subject::grouped(failing, |finding| finding) {
        table.paragraph(&group)?;
    }
    groups.iter().try_for_each(|(findings, entries)| table.group(findings, entries))
}

/// A line of the table, before it is wrapped.
struct Entry {
    subject: String,
    text: String,
    checks: String,
}

/// An entry for each finding that does not fail. UNKNOWN findings have one entry for each reason.
fn entries(findings: &[&Finding]) -> Vec<Entry> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reasons: Vec<Vec<&Finding>> = Vec::new();
    for &finding in findings {
        let new = reasons.len();
        let place = match finding.status() {
            Status::Unknown => *places.entry(finding.message()).or_insert(new),
            Status::Failed | Status::Passed | Status::NotApplicable => new,
        };
        match reasons.get_mut(place) {
            Some(findings) => findings.push(finding),
            None => reasons.push(vec![finding]),
        }
    }
    reasons.iter().filter_map(|findings| entry(findings)).collect()
}

fn entry(findings: &[&Finding]) -> Option<Entry> {
    let first = *findings.first()?;
    let subjects: BTreeSet<_> = findings.iter().map(|finding| finding.subject.id()).collect();
    let subject = match subjects.len() {
        1 => View::subject(first),
        count => format!("{} and {} more", View::subject(first), grouped(count as u64 - 1)),
    };
    let mut seen = BTreeSet::new();
    let checks = findings.iter().map(|finding| finding.check.id).filter(|id| seen.insert(*id));
    let checks = format!("({})", checks.collect::<Vec<_>>().join(", "));
    Some(Entry { subject, text: escape(first.message()).into_owned(), checks })
}

struct Table<'t> {
    screen: Screen,
    column: usize,
    enrichment: &'t Enrichment,
    unused: &'t BTreeSet<SubjectId<'t>>,
    to: &'t mut dyn Write,
}

impl Table<'_> {
    /// The failing findings on one user, root or the account.
    fn paragraph(&mut self, group: &Group<'_, &Finding>) -> io::Result<()> {
        writeln!(self.to)?;
        let owner = self.screen.paint(BOLD, &format!("{}:", capitalized(&group.owner.to_string())));
        writeln!(self.to, "{owner} {}", self.screen.paint(colour(group.worst), group.worst.label()))?;
        for (finding, message) in group.findings.iter().zip(messages(group.findings.iter().copied())) {
            let severity = finding.severity();
            let access_key_id = self.enrichment.access_key_id(finding);
            let access_key_id = access_key_id.map_or_else(String::new, |id| format!(" {}", escape(id)));
            let checks = format!("({})", finding.check.id);
            let text = format!("{severity} {}{access_key_id} {checks}", escape(&message));
            for (number, line) in self.screen.lines(&text, 2 * INDENT).iter().enumerate() {
                let line = line.replace(&checks, &self.screen.paint(DIM, &checks));
                let label = severity.label();
                match line.strip_prefix(label) {
                    Some(rest) if number == 0 => {
                        writeln!(self.to, "{:INDENT$}{}{rest}", "", self.screen.paint(colour(severity), label))?;
                    }
                    Some(_) | None => writeln!(self.to, "{:INDENT$}{:INDENT$}{line}", "", "")?,
                }
            }
        }
        let with_key_ids = group.findings.iter().map(|finding| (*finding, self.enrichment.access_key_id(finding)));
        parts(with_key_ids, self.unused).iter().try_for_each(|part| self.part(part))
    }

    /// A part of the remediation. Commands are not wrapped, so that they can be copied.
    fn part(&mut self, part: &Part) -> io::Result<()> {
        for line in self.screen.lines(&part.heading(), 2 * INDENT) {
            writeln!(self.to, "{:INDENT$}{}", "", self.screen.paint(DIM, &line))?;
        }
        let is_prose = matches!(part.remediation, Remediation::Console { .. });
        for line in part.remediation.to_string().lines() {
            let lines = if is_prose { self.screen.lines(line, 2 * INDENT) } else { vec![line.to_owned()] };
            lines.iter().try_for_each(|line| writeln!(self.to, "{:INDENT$}{:INDENT$}{line}", "", ""))?;
        }
        Ok(())
    }

    fn group(&mut self, findings: &[&Finding], entries: &[Entry]) -> io::Result<()> {
        let Some(first) = findings.first() else { return Ok(()) };
        let (title, style) = match first.status() {
            Status::Failed => ("FAILED", BOLD),
            Status::Unknown => ("UNKNOWN", AnsiColor::Magenta.on_default().bold()),
            Status::Passed => ("PASSED", AnsiColor::Green.on_default().bold()),
            Status::NotApplicable => ("NOT APPLICABLE", DIM),
        };
        let (title, count) = (self.screen.paint(style, title), self.screen.paint(DIM, &grouped(findings.len() as u64)));
        writeln!(self.to, "\n{title} {count}")?;
        entries.iter().try_for_each(|entry| self.entry(entry))
    }

    fn entry(&mut self, Entry { subject, text, checks }: &Entry) -> io::Result<()> {
        let text = format!("{text} {checks}");
        let start = INDENT + self.column + GAP;
        let lines = self.screen.lines(&text, start);
        let gap = self.column.saturating_sub(display_width(subject)) + GAP;
        write!(self.to, "{:INDENT$}{}", "", self.screen.paint(BOLD, subject))?;
        if self.column < display_width(subject) && self.screen.width.is_some() {
            write!(self.to, "\n{:start$}", "")?;
        } else {
            write!(self.to, "{:gap$}", "")?;
        }
        for (number, line) in lines.iter().enumerate() {
            if number != 0 {
                write!(self.to, "{:start$}", "")?;
            }
            writeln!(self.to, "{}", line.replace(checks, &self.screen.paint(DIM, checks)))?;
        }
        Ok(())
    }
}

fn foot(view: &View<'_>, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let counts = view.evaluation.counts();
    let number = |count: usize| grouped(count as u64);
    let failing: Vec<String> =
        view.failing().iter().map(|(severity, count)| format!("{} {severity}", number(*count))).collect();
    let failing = if failing.is_empty() { String::new() } else { format!(" ({})", failing.join(", ")) };
    let rest = format!(
        "{} passed, {} not applicable, {} unknown.",
        number(counts.passed),
        number(counts.not_applicable),
        number(counts.unknown)
    );
    writeln!(to)?;
    let failed = counted(counts.failed as u64, "finding");
    screen.prose(&format!("{failed} failed{failing}; {rest}"), BOLD, to)?;
    if counts.failed != 0 {
        let hint = "`credwarden explain CHECK` says why it matters; `--format html` has the evidence.";
        screen.prose(hint, DIM, to)?;
    }
    Ok(())
}

pub(crate) fn colour(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::White.on(AnsiColor::Red).bold(),
        Severity::High => AnsiColor::Red.on_default().bold(),
        Severity::Medium => AnsiColor::Yellow.on_default().bold(),
        Severity::Low => AnsiColor::Cyan.on_default().bold(),
        Severity::Informational => AnsiColor::Blue.on_default().bold(),
    }
}

/// The text, escaped, and cut to a width of a column.
pub(crate) fn short(text: Option<&str>, width: usize) -> String {
    cut(&escape(text.unwrap_or_default()), width).into_owned()
}

/// The cells in columns of these widths. A column without width is left out.
pub(crate) fn columns<'a>(cells: impl IntoIterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.into_iter().zip(widths).filter(|(_, width)| **width != 0) {
        line += cell;
        line += &" ".repeat(width.saturating_sub(display_width(cell)) + GAP);
    }
    line
}

/// Breaks lines only between words, so that ids and ARNs can be copied. A numbered step keeps its lines indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let is_step = text.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    let options = Options::new(width)
        .subsequent_indent(if is_step { "   " } else { "" })
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}
