//! One HTML page for people: it loads nothing from elsewhere, and all data from the report is escaped.

mod chart;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hygiene::by_subject::{Owner, grouped as by_owner};
use hygiene::check::Check;
use hygiene::checks::CHECKS;
use hygiene::evaluate::Counts;
use hygiene::explain::mappings;
use hygiene::finding::Finding;
use hygiene::remediation::Remediation;
use hygiene::scripts::{Part, parts};
use hygiene::text::{capitalized, escape, grouped, moment};
use hygiene::verdict::{Severity, Status};
use sha2::{Digest as _, Sha256};

use crate::view::View;
use chart::Chart;

const STYLE: &str = include_str!("../templates/page.css");
const SCRIPT: &str = concat!(
    include_str!("../templates/element.js"),
    include_str!("../templates/copy.js"),
    include_str!("../templates/print.js"),
    include_str!("../templates/page.js")
);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The columns of findings: sort key and heading.
const COLUMNS: [(&str, &str); 4] =
    [("severity", "Severity"), ("subject", "On"), ("title", "Finding"), ("check", "Check")];

/// Writes the page. The same input gives the same bytes.
pub fn write(view: &View<'_>, to: &mut dyn Write) -> io::Result<()> {
    Page::new(view).write_into(to)
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    view: &'a View<'a>,
    style_hash: String,
    script_hash: String,
    moment: String,
    sources: Vec<String>,
    counts: Counts,
    severities: Vec<Tile>,
    charts: Vec<Chart>,
    findings: Vec<&'a Finding>,
    owners: Vec<Card>,
    places: BTreeMap<Owner<'a>, usize>,
    statuses: Vec<Status>,
    checks: Vec<&'static Check>,
}

/// The number of failing findings of a severity.
struct Tile {
    label: &'static str,
    count: usize,
    shown_count: String,
}

/// The data of a user, root or the account in the view by subject, without the findings.
struct Card {
    name: String,
    /// The joined remediation; empty if at most one finding fails, since the finding has it.
    parts: Vec<Part>,
}

impl<'a> Page<'a> {
    fn new(view: &'a View<'a>) -> Self {
        let failing = view.failing();
        let tile = |severity: Severity| {
            let count = failing.iter().find(|(known, _)| *known == severity).map_or(0, |(_, count)| *count);
            Tile { label: severity.label(), count, shown_count: grouped(count as u64) }
        };
        let shown: BTreeSet<&str> = view.findings.iter().map(|finding| finding.check.id).collect();
        let statuses: BTreeSet<Status> = view.findings.iter().map(|finding| finding.status()).collect();
        let findings = view.ordered();
        let mut groups = by_owner(findings.iter().copied(), |finding| finding);
        // UNKNOWN findings rank below all failing ones.
        let worst = |findings: &[&Finding]| findings.iter().map(|finding| View::group(finding)).min();
        groups.sort_by_key(|group| (group.owner != Owner::Root, worst(&group.findings)));
        let unused = view.unused_keys();
        let card = |owner: &Owner<'_>, findings: &[&'a Finding]| {
            let failing: Vec<_> = findings.iter().filter(|finding| finding.status() == Status::Failed).collect();
            let with_key_ids = failing.iter().map(|finding| (**finding, view.enrichment.access_key_id(finding)));
            let parts = if failing.len() > 1 { parts(with_key_ids, &unused) } else { Vec::new() };
            Card { name: capitalized(&owner.to_string()), parts }
        };
        Self {
            view,
            owners: groups.iter().map(|group| card(&group.owner, &group.findings)).collect(),
            places: groups.iter().enumerate().map(|(place, group)| (group.owner, place)).collect(),
            style_hash: hash(STYLE),
            script_hash: hash(SCRIPT),
            moment: moment(view.evaluation.evaluated_at),
            sources: view.sources(),
            counts: view.evaluation.counts(),
            severities: Severity::ALL.into_iter().rev().map(tile).collect(),
            charts: chart::all(view),
            findings,
            statuses: statuses.into_iter().collect(),
            checks: CHECKS.iter().copied().filter(|check| shown.contains(check.id)).collect(),
        }
    }

    fn name(&self) -> String {
        self.view.name()
    }

    /// The number of findings in the page.
    fn total(&self) -> String {
        grouped(self.findings.len() as u64)
    }

    /// The badge of the finding: its severity if it fails, otherwise its status.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn badge(&self, finding: &Finding) -> &'static str {
        if finding.status() == Status::Failed { finding.severity().label() } else { finding.status().label() }
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn fails(&self, finding: &Finding) -> bool {
        finding.status() == Status::Failed
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn subject(&self, finding: &Finding) -> String {
        View::subject(finding)
    }

    /// The index of the owner's card.
    fn owner(&self, finding: &Finding) -> usize {
        self.places.get(&Owner::of(&finding.subject)).copied().unwrap_or_default()
    }

    /// The heading: the problem if the finding fails, otherwise a text that cannot be mistaken for one.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn heading(&self, finding: &Finding) -> String {
        let title = finding.check.title;
        match finding.status() {
            Status::Failed => title.to_owned(),
            Status::Unknown => format!("Could not be judged: “{title}”"),
            Status::Passed => format!("Passed: “{title}”"),
            Status::NotApplicable => format!("Not applicable: “{title}”"),
        }
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn marked<'t>(&self, text: &'t str) -> Vec<(&'t str, bool)> {
        marked(text)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn mappings(&self, check: &Check) -> Vec<String> {
        mappings(check)
    }

    fn access_key_id(&self, finding: &'a Finding) -> Option<&'a str> {
        self.view.enrichment.access_key_id(finding)
    }

    fn remediation(&self, finding: &'a Finding) -> Remediation {
        finding.remediation(self.access_key_id(finding))
    }

    fn id(&self, finding: &Finding) -> String {
        escape(&finding.id(self.view.account_id()).to_string()).into_owned()
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn escape<'t>(&self, text: &'t str) -> Cow<'t, str> {
        escape(text)
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "the template calls it, with a reference"
    )]
    fn number(&self, count: &usize) -> String {
        grouped(*count as u64)
    }
}

/// Splits a text of the registry into parts, each with whether it is code.
pub(crate) fn marked(text: &str) -> Vec<(&str, bool)> {
    text.split('`').enumerate().map(|(place, part)| (part, place % 2 == 1)).collect()
}

/// A hash source for the content security policy, which allows exactly this text.
pub(crate) fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
