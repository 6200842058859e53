//! The table of an organization: coverage, then the accounts, then the findings of each with the commands that fix them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use hygiene::finding::Finding;
use hygiene::organization::{Audit, Member, Organization, Outcome, select_account};
use hygiene::scripts::unused_keys;
use hygiene::text::{age, counted, escape, grouped, moment};
use textwrap::core::display_width;

use crate::table::{BOLD, DIM, Screen, colour, columns, findings, short};

const INDENT: usize = 2;
/// The maximum width of a name.
const NAME: usize = 32;

/// Writes the table.
pub(crate) fn write(organization: &Organization, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let mut table = Table { screen, to };
    table.coverage(organization)?;
    let audited = organization.worst_first();
    let (noted, clean): (Vec<_>, Vec<_>) = audited.into_iter().partition(|(_, audit)| has_something(audit));
    table.accounts(&noted, clean.len())?;
    for (member, audit) in &noted {
        table.account(member, audit, organization.common_time().is_none())?;
    }
    Ok(())
}

/// Whether the account is worth a row: something fails, is not known, or could not be read.
fn has_something(audit: &Audit) -> bool {
    audit.counts.failed + audit.counts.unknown != 0 || audit.is_incomplete || !audit.notes.is_empty()
}

/// The account's number, with its name.
fn called(member: &Member) -> String {
    let id = &member.listed.id;
    let name = member.listed.name.as_deref();
    name.map_or_else(|| id.clone(), |name| format!("{id} ({})", short(Some(name), NAME)))
}

struct Table<'t> {
    screen: Screen,
    to: &'t mut dyn Write,
}

impl Table<'_> {
    fn coverage(&mut self, organization: &Organization) -> io::Result<()> {
        let coverage = organization.coverage();
        let number = |count: usize| grouped(count as u64);
        let what = organization.id.as_ref().map_or_else(|| "Saved files".to_owned(), |id| format!("Organization {id}"));
        let title = format!(
            "{what}: {}. {} audited, {} not audited, {} out of scope.",
            counted(organization.members.len() as u64, "account"),
            number(coverage.audited),
            number(coverage.not_audited),
            number(coverage.out_of_scope)
        );
        self.screen.prose(&title, BOLD, self.to)?;
        if organization.partial {
            let red = AnsiColor::Red.on_default().bold();
            self.screen.prose("PARTIAL: the run was interrupted.", red, self.to)?;
        }
        self.screen.prose(&organization.as_of(), DIM, self.to)?;
        let reasons = |reason: fn(&Outcome) -> Option<&str>| {
            let mut reasons: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
            for member in &organization.members {
                if let Some(reason) = reason(&member.outcome) {
                    reasons.entry(reason).or_default().push(member);
                }
            }
            reasons
        };
        self.reasons(
            "NOT AUDITED",
            AnsiColor::Red.on_default().bold(),
            coverage.not_audited,
            &reasons(Outcome::not_audited),
        )?;
        self.reasons("OUT OF SCOPE", DIM, coverage.out_of_scope, &reasons(Outcome::out_of_scope))
    }

    fn reasons(
        &mut self,
        title: &str,
        style: Style,
        count: usize,
        reasons: &BTreeMap<&str, Vec<&Member>>,
    ) -> io::Result<()> {
        if reasons.is_empty() {
            return Ok(());
        }
        let title = self.screen.paint(style, title);
        writeln!(self.to, "\n{title} {}", self.screen.paint(DIM, &grouped(count as u64)))?;
        for (reason, members) in reasons {
            let accounts: Vec<_> = members.iter().map(|member| called(member)).collect();
            let text = format!("{}: {}", accounts.join(", "), escape(reason));
            for (number, line) in self.screen.lines(&text, 2 * INDENT).iter().enumerate() {
                let indent = if number == 0 { INDENT } else { 2 * INDENT };
                writeln!(self.to, "{:indent$}{line}", "")?;
            }
        }
        Ok(())
    }

    /// A row for each account, worst first.
    fn accounts(&mut self, noted: &[(&Member, &Audit)], clean: usize) -> io::Result<()> {
        if !noted.is_empty() {
            writeln!(self.to, "\n{}", self.screen.paint(BOLD, "Accounts, worst first:"))?;
        }
        let cells = |member: &Member| {
            let Member { listed, organizational_unit, .. } = member;
            [listed.id.clone(), short(listed.name.as_deref(), NAME), short(organizational_unit.as_deref(), NAME)]
        };
        let mut widths = [0; 3];
        for (member, _) in noted {
            for (width, cell) in widths.iter_mut().zip(&cells(member)) {
                *width = display_width(cell).max(*width);
            }
        }
        for (member, audit) in noted {
            let cells = cells(member);
            let line = columns(cells.iter().map(String::as_str), &widths);
            let worst = audit.worst().map_or("", |worst| worst.label());
            let text = format!("{line}{worst:13}  {}", described(audit));
            for (number, line) in self.screen.lines(&text, 3 * INDENT).iter().enumerate() {
                let indent = if number == 0 { INDENT } else { 3 * INDENT };
                let painted = audit.worst().map_or_else(
                    || line.clone(),
                    |worst| line.replacen(worst.label(), &self.screen.paint(colour(worst), worst.label()), 1),
                );
                writeln!(self.to, "{:indent$}{}", "", if number == 0 { &painted } else { line })?;
            }
        }
        if clean != 0 {
            let other = if noted.is_empty() { "" } else { "other " };
            let accounts = if clean == 1 { "account" } else { "accounts" };
            let rest = format!("Nothing fails in {} {other}{accounts}.", grouped(clean as u64));
            writeln!(self.to)?;
            self.screen.prose(&rest, AnsiColor::Green.on_default(), self.to)?;
        }
        Ok(())
    }

    /// The findings of an account.
    fn account(&mut self, member: &Member, audit: &Audit, has_own_time: bool) -> io::Result<()> {
        writeln!(self.to)?;
        let unit = member.organizational_unit.as_deref().map(|unit| format!(", {}", short(Some(unit), NAME)));
        let title = format!("AWS account {}{}", called(member), unit.unwrap_or_default());
        self.screen.prose(&title, BOLD, self.to)?;
        if has_own_time {
            self.screen.prose(&format!("Judged as of {}.", moment(audit.evaluated_at)), DIM, self.to)?;
        }
        for line in audit.errors.iter().chain(&audit.notes) {
            self.screen.prose(&escape(line), AnsiColor::Magenta.on_default(), self.to)?;
        }
        if audit.counts.failed != 0 {
            self.screen.prose("The commands for its users are for a profile of that account:", DIM, self.to)?;
            for line in select_account(&member.listed.id).lines() {
                writeln!(self.to, "{:INDENT$}{line}", "")?;
            }
        }
        let shown: Vec<&Finding> = audit.findings.iter().collect();
        findings(&shown, &audit.enrichment, &unused_keys(audit.failing()), self.screen, self.to)
    }
}

/// `12 failed, 1 unknown; root: access keys, no MFA; oldest key 5.4 years old`
fn described(audit: &Audit) -> String {
    let number = |count: usize| grouped(count as u64);
    let mut parts = vec![format!("{} failed, {} unknown", number(audit.counts.failed), number(audit.counts.unknown))];
    parts.push(format!("root: {}", audit.root));
    if let Some(created) = audit.oldest_key {
        parts.push(format!("oldest key: {}", age(audit.evaluated_at - created)));
    }
    parts.join("; ")
}
