//! The alert as a person reads it at seven in the morning: new findings with severity, subject and commands, then
//! resolved findings and failed sources. Plain text, the only format that SNS sends by mail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::alert::Alert;
use crate::by_subject::{self, Group, evidence, messages};
use crate::decision::{AlertStatus, CloseReason, Closing, Decision, Failing, Hub, Reason};
use crate::remediation::Remediation;
use crate::scripts::{parts, unused_keys};
use crate::subject::SubjectId;
use crate::text::{WIDTH, age, capitalized, counted, cut, escape, grouped, moment, paragraph};
use crate::verdict::Severity;

/// The maximum number of lines of a list. Only the new findings are limited by length instead.
const LIST: usize = 25;

/// The maximum length of a subject: SNS rejects 100 characters.
const SUBJECT: usize = 99;

/// The subject: ASCII, less than 100 characters, and without user names, since SNS does not encrypt it.
pub fn subject(alerts: &[Alert<'_>]) -> String {
    let room = SUBJECT.saturating_sub(headline(alerts, " ()").len());
    let name = match alerts {
        [alert] => alert.decision.account_name.as_deref().and_then(|name| ascii(name, room)),
        _ => None,
    };
    headline(alerts, &name.map_or_else(String::new, |name| format!(" ({name})")))
}

/// The account with `name` beside its number, and the counts.
pub(crate) fn headline(alerts: &[Alert<'_>], name: &str) -> String {
    let account = match alerts {
        [alert] => alert.decision.account_id.clone().unwrap_or_else(|| "unknown account".to_owned()),
        alerts => counted(alerts.len() as u64, "account"),
    };
    let mut parts = Vec::new();
    if let Some(worst) = alerts.iter().filter_map(Alert::max_severity).max() {
        parts.push(format!("{} new (worst: {worst})", sum(alerts, |alert| alert.new.len())));
    }
    let resolved = sum(alerts, |alert| alert.resolved.len());
    if resolved != 0 {
        parts.push(format!("{resolved} resolved"));
    }
    if parts.is_empty() {
        parts.push(match sum(alerts, |alert| alert.decision.open()) {
            0 => "nothing open".to_owned(),
            open => format!("{open} open, none new"),
        });
    }
    if alerts.iter().any(|alert| !alert.errors.is_empty()) {
        parts.push("run incomplete".to_owned());
    }
    format!("[credwarden] {account}{name}: {}", parts.join(", "))
}

/// Returns the name in printable ASCII, truncated to `room` characters; `None` if nothing readable remains.
fn ascii(name: &str, room: usize) -> Option<String> {
    const ELLIPSIS: &str = "...";
    let printable = |character: char| if (' '..='~').contains(&character) { character } else { '?' };
    let mut name: String = name.chars().map(printable).collect();
    if room < name.len() {
        name.truncate(room.saturating_sub(ELLIPSIS.len()));
        name.truncate(name.trim_end().len());
        name += ELLIPSIS;
    }
    (name.len() <= room && name.contains(|character: char| character.is_ascii_alphanumeric())).then_some(name)
}

fn sum(alerts: &[Alert<'_>], count: impl Fn(&Alert<'_>) -> usize) -> usize {
    alerts.iter().map(count).sum()
}

/// The first lines: a summary for a phone, and the start of the mail.
pub fn summary(alerts: &[Alert<'_>]) -> String {
    let mut text = String::new();
    if let [alert] = alerts {
        paragraph(&mut text, "", &format!("AWS {}, {}", called(alert), moment(alert.decision.evaluated_at)));
        text.push('\n');
    } else if let Some(last) = alerts.iter().map(|alert| alert.decision.evaluated_at).max() {
        let _ = writeln!(text, "{} AWS accounts, {}\n", grouped(alerts.len() as u64), moment(last));
    }
    counts(&mut text, alerts);
    text.push('\n');
    if let [alert] = alerts {
        paragraph(&mut text, "", &data_age(alert));
        if let Some(link) = console_link(alert) {
            let _ = write!(text, "\nIn Security Hub: {link}\n");
        }
    } else {
        accounts(&mut text, alerts);
    }
    text
}

/// `account 123456789012`, with its name, and with the partition if it is not `aws`.
fn called(alert: &Alert<'_>) -> String {
    format!("account {}", number_and_name(alert))
}

fn number_and_name(alert: &Alert<'_>) -> String {
    let Decision { account_id, account_name, partition, .. } = alert.decision;
    let account = account_id.as_deref().unwrap_or("unknown");
    let name = account_name.as_deref().map(|name| cut(&escape(name), 64).into_owned());
    let partition = Some(escape(partition).into_owned()).filter(|partition| partition != "aws");
    let beside: Vec<String> = name.into_iter().chain(partition).collect();
    if beside.is_empty() { account.to_owned() } else { format!("{account} ({})", beside.join(", ")) }
}

fn counts(text: &mut String, alerts: &[Alert<'_>]) {
    let number = |count: usize| grouped(count as u64);
    let new_count = sum(alerts, |alert| alert.new.len());
    let new = severities(alerts.iter().flat_map(|alert| &alert.new).map(|failing| failing.severity()));
    let _ = writeln!(text, "{:>6} new{new}", number(new_count));
    if let [alert] = alerts {
        worst_owners(text, alert);
    }
    let resolved_so = |is_so: fn(&CloseReason) -> bool| sum(alerts, |alert| resolved_by(alert, is_so).count());
    let parts = [(resolved_so(is_not_applicable), "no longer applies"), (resolved_so(is_in_use), "in use again")];
    let parts =
        parts.iter().filter(|(count, _)| *count != 0).map(|(count, what)| format!("; {} {what}", number(*count)));
    let resolved = sum(alerts, |alert| alert.resolved.len());
    let _ = writeln!(text, "{:>6} resolved{}", number(resolved), parts.collect::<String>());
    let still = sum(alerts, |alert| alert.decision.open()) - new_count;
    let open = severities(alerts.iter().flat_map(Alert::still_open).map(Failing::severity));
    let further = [
        (sum(alerts, |alert| alert.suppressed), "suppressed"),
        (sum(alerts, |alert| alert.decision.not_evaluated.len()), "not evaluated"),
    ];
    let _ = write!(text, "{:>6} still open{open}", number(still));
    for (count, what) in further.into_iter().filter(|(count, _)| *count != 0) {
        let _ = write!(text, "; {} {what}", number(count));
    }
    text.push('\n');
    let unknown = sum(alerts, |alert| alert.decision.unknown.len());
    if unknown != 0 {
        let _ = writeln!(text, "{:>6} could not be evaluated: see below", number(unknown));
    }
}

/// Lists the owners of new findings, in as many lines as a phone shows together with the counts.
fn worst_owners(text: &mut String, alert: &Alert<'_>) {
    const OWNERS: usize = 3;
    let groups = groups(alert);
    for group in groups.iter().take(OWNERS) {
        let _ = writeln!(text, "{:7}{} {}", "", group.worst, group.owner);
    }
    if let Some(rest) = groups.len().checked_sub(OWNERS).filter(|rest| *rest != 0) {
        let _ = writeln!(text, "{:7}and {}", "", counted(rest as u64, "more user"));
    }
}

/// Writes one line for each account with something to report, worst first.
fn accounts(text: &mut String, alerts: &[Alert<'_>]) {
    let mut due: Vec<&Alert<'_>> = alerts.iter().filter(|alert| alert.is_due()).collect();
    due.sort_by_key(|alert| std::cmp::Reverse((alert.max_severity(), alert.new.len())));
    for alert in due.iter().take(LIST) {
        let incomplete = if alert.errors.is_empty() { "" } else { ", run incomplete" };
        let worst = alert.max_severity().map_or_else(String::new, |worst| format!(" (worst: {worst})"));
        let (new, resolved, open) = (alert.new.len(), alert.resolved.len(), alert.decision.open());
        let line = format!("{}: {new} new{worst}, {resolved} resolved, {open} open{incomplete}", called(alert));
        paragraph(text, "* ", &line);
    }
    more(text, due.len());
}

/// The complete mail, limited to about `limit` bytes.
pub fn text(alerts: &[Alert<'_>], limit: usize) -> String {
    let mut text = summary(alerts);
    if let [alert] = alerts {
        details(&mut text, alert, limit);
        return text;
    }
    let due: Vec<&Alert<'_>> = alerts.iter().filter(|alert| alert.is_due()).collect();
    for (number, alert) in due.iter().enumerate() {
        let left = due.len() - number;
        let share = limit.saturating_sub(text.len()) / left;
        if share < SMALLEST {
            let _ = write!(text, "\n\nAnd {}.\n", counted(left as u64, "more account"));
            return text;
        }
        heading(&mut text, &format!("ACCOUNT {}", number_and_name(alert)));
        paragraph(&mut text, "", &data_age(alert));
        let mut one = String::new();
        details(&mut one, alert, share);
        text += &one;
    }
    text
}

/// The minimum number of bytes for an account; less would be of no use.
const SMALLEST: usize = 1000;

/// Writes the sections of an account that follow the first lines.
fn details(text: &mut String, alert: &Alert<'_>, limit: usize) {
    errors(text, alert);
    let after = {
        let mut after = String::new();
        unwritten(&mut after, alert);
        for (title, ended) in endings(alert) {
            closings(&mut after, title, &ended);
        }
        closings(&mut after, "NO LONGER CHECKED (not resolved: the check is disabled or gone)", &alert.unchecked);
        not_evaluated(&mut after, alert);
        still_open(&mut after, alert);
        after
    };
    new_findings(text, alert, limit.saturating_sub(after.len()));
    *text += &after;
}

fn data_age(alert: &Alert<'_>) -> String {
    let now = alert.decision.evaluated_at;
    match alert.decision.report_generated_at {
        Some(generated) => format!(
            "The credential report is from {}, {} before this run: what was fixed since shows in the next one.",
            moment(generated),
            age((now - generated).max(chrono::TimeDelta::zero()))
        ),
        None if alert.decision.report_was_read => "The time of the credential report is not known.".to_owned(),
        None => "No credential report was read in this run.".to_owned(),
    }
}

/// The link to the findings in the Security Hub console of the account's partition and region.
pub(crate) fn console_link(alert: &Alert<'_>) -> Option<String> {
    let Hub::Read { region } = &alert.decision.hub else { return None };
    let domain = match alert.decision.partition.as_str() {
        "aws" => "console.aws.amazon.com",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        "aws-cn" => "console.amazonaws.cn",
        _ => return None,
    };
    // The console's filter language is URL-encoded twice.
    let filter = |field: &str, comparison: &str, value: &str| {
        format!("{field}%3D%255Coperator%255C%253A{comparison}%255C%253A{value}")
    };
    let [ours, open] = [filter("GeneratorId", "PREFIX", "credwarden%252F"), filter("RecordState", "EQUALS", "ACTIVE")];
    Some(format!("https://{region}.{domain}/securityhub/home?region={region}#/findings?search={ours}%26{open}"))
}

fn heading(text: &mut String, title: &str) {
    let _ = write!(text, "\n\n{title}\n{}\n", "=".repeat(title.chars().count().min(WIDTH)));
}

fn errors(text: &mut String, alert: &Alert<'_>) {
    if alert.errors.is_empty() {
        return;
    }
    heading(text, "WHAT WENT WRONG IN THIS RUN");
    for error in alert.errors.iter().take(LIST) {
        paragraph(text, "* ", &cut(&escape(error), 1000));
    }
    more(text, alert.errors.len());
    if alert.decision.hub == Hub::Unread {
        paragraph(
            text,
            "",
            "Nothing was written to Security Hub. Without its memory everything that fails is listed as new, once more.",
        );
    }
}

/// Writes one paragraph for each user, root or the account.
fn new_findings(text: &mut String, alert: &Alert<'_>, limit: usize) {
    if alert.new.is_empty() {
        return;
    }
    heading(text, "NEW");
    if alert.new.iter().any(|failing| since(failing, alert).is_none()) {
        text.push_str(match alert.decision.hub {
            Hub::Read { .. } => "Seen for the first time, unless a line says otherwise.\n",
            Hub::Off | Hub::Unread => "Everything that fails in this run.\n",
        });
    }
    let groups = groups(alert);
    // Findings that were reported before count, too; what a person suppressed may stay unused.
    let open = alert.decision.failing.iter().filter(|failing| failing.alert != AlertStatus::Suppressed);
    let unused = unused_keys(open.map(|failing| &failing.finding));
    let mut shown = 0;
    for (number, group) in groups.iter().enumerate() {
        let mut one = String::new();
        new_group(&mut one, group, alert, &unused);
        if limit < text.len() + one.len() + 200 && number != 0 {
            let findings = counted((alert.new.len() - shown) as u64, "new finding");
            let subjects = counted((groups.len() - number) as u64, "more user");
            let _ = write!(text, "\nAnd {findings} on {subjects}.\n{}\n", where_the_rest_is(alert));
            return;
        }
        text.push_str(&one);
        shown += group.findings.len();
    }
}

fn groups<'a>(alert: &Alert<'a>) -> Vec<Group<'a, &'a Failing>> {
    by_subject::grouped(alert.new.iter().copied(), |failing| &failing.finding)
}

/// The number of failing findings that always fit into the response of a dry run, which Lambda limits to 6 MB.
const ANSWERED: usize = 2_000;

/// A mail never refers to the result of a scheduled run: Lambda discards it.
pub(crate) fn where_the_rest_is(alert: &Alert<'_>) -> &'static str {
    match alert.decision.hub {
        Hub::Read { .. } if alert.unwritten.is_empty() => "They are in Security Hub.",
        Hub::Read { .. } | Hub::Off | Hub::Unread if alert.new.len() <= ANSWERED => {
            "A dry run (`{\"dry_run\": true}`) lists all of them."
        }
        Hub::Read { .. } | Hub::Off | Hub::Unread => {
            "A dry run (`{\"dry_run\": true}`) lists as many of them as fit into its answer of 6 MB."
        }
    }
}

fn new_group(text: &mut String, group: &Group<'_, &Failing>, alert: &Alert<'_>, unused: &BTreeSet<SubjectId<'_>>) {
    let title = format!("{}: {}", capitalized(&group.owner.to_string()), group.worst);
    let _ = write!(text, "\n{title}\n{}\n", "-".repeat(title.chars().count().min(WIDTH)));
    let findings = || group.findings.iter().map(|failing| &failing.finding);
    for (failing, message) in group.findings.iter().zip(messages(findings())) {
        let since = since(failing, alert).map_or_else(String::new, |since| format!(" {since}."));
        let line = format!("{} {message}{since} ({})", failing.severity(), failing.finding.check.id);
        paragraph(text, "* ", &line);
    }
    let mut key_ids: Vec<String> = Vec::new();
    for failing in &group.findings {
        if let (Some(key), Some(id)) = (failing.finding.subject.access_key(), &failing.access_key_id) {
            let line = format!("Access key {}: {}", key.slot, escape(id));
            if !key_ids.contains(&line) {
                key_ids.push(line);
            }
        }
    }
    for line in &key_ids {
        paragraph(text, "  ", line);
    }
    for (subject, facts) in evidence(findings()) {
        let of = subject.map_or_else(String::new, |subject| format!(" of {}", subject.called()));
        let facts: Vec<_> =
            facts.iter().map(|fact| format!("{}={}", fact.name, cut(&escape(&fact.value), 80))).collect();
        paragraph(text, "  ", &format!("Evidence{of}: {}", facts.join(", ")));
    }
    let mut is_new_script = true;
    let with_key_ids = group.findings.iter().map(|failing| (&failing.finding, failing.access_key_id.as_deref()));
    for part in parts(with_key_ids, unused) {
        if is_new_script {
            text.push('\n');
        }
        is_new_script = !part.continues;
        paragraph(text, "  ", &part.heading());
        match &part.remediation {
            Remediation::Console { steps, note } => {
                for (number, step) in (1..).zip(*steps) {
                    paragraph(text, &format!("    {number}. "), step);
                }
                if let Some(note) = note {
                    paragraph(text, "    ", note);
                }
            }
            Remediation::Shell(_) => {
                for line in part.remediation.to_string().lines() {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
    }
}

/// How long the finding has been open and why it is reported now. `None` for a finding that is seen for the first time,
/// and without memory of earlier runs.
fn since(failing: &Failing, alert: &Alert<'_>) -> Option<String> {
    let AlertStatus::New(reason) = &failing.alert else {
        return Some(format!("Open since {}", moment(failing.first_observed_at)));
    };
    match (reason, &alert.decision.hub) {
        (_, Hub::Off | Hub::Unread) | (Reason::FirstSeen, Hub::Read { .. }) => None,
        (Reason::AnotherUser | Reason::AnotherKey, Hub::Read { .. }) => Some(format!("In this run {reason}")),
        (Reason::CheckedAgain, Hub::Read { .. }) => {
            Some(format!("Checked again: its check was disabled; first seen {}", moment(failing.created_at)))
        }
        (Reason::CameBack, Hub::Read { .. }) => {
            Some(format!("Back: it was resolved; first seen {}", moment(failing.created_at)))
        }
        (
            Reason::NotYetReported | Reason::NotResolved | Reason::NewEvidence(_) | Reason::NewWhileSuppressed(_),
            Hub::Read { .. },
        ) => Some(format!("Open since {}; reported because of this: {reason}", moment(failing.first_observed_at))),
    }
}

fn unwritten(text: &mut String, alert: &Alert<'_>) {
    if alert.unwritten.is_empty() {
        return;
    }
    heading(text, "NOT WRITTEN TO SECURITY HUB (the next run tries again)");
    for (failing, reason) in alert.unwritten.iter().take(LIST) {
        let finding = &failing.finding;
        let line =
            format!("{} {} on {}: {}", finding.severity(), finding.check.id, finding.subject.called(), escape(reason));
        paragraph(text, "* ", &cut(&line, 400));
    }
    more(text, alert.unwritten.len());
}

/// Resolved findings by the kind of resolution, since readers take "resolved" for "repaired".
pub(crate) fn endings<'a>(alert: &Alert<'a>) -> [(&'static str, Vec<&'a Closing>); 3] {
    let is_repaired = |reason: &CloseReason| !is_not_applicable(reason) && !is_in_use(reason);
    [
        ("RESOLVED", resolved_by(alert, is_repaired).collect()),
        ("NO LONGER APPLIES", resolved_by(alert, is_not_applicable).collect()),
        ("IN USE AGAIN (nobody repaired anything)", resolved_by(alert, is_in_use).collect()),
    ]
}

fn resolved_by<'a>(alert: &Alert<'a>, is_so: fn(&CloseReason) -> bool) -> impl Iterator<Item = &'a Closing> {
    alert.resolved.iter().copied().filter(move |closing| is_so(&closing.reason))
}

fn is_not_applicable(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::NotApplicable(_))
}

fn is_in_use(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::InUse(_))
}

fn closings(text: &mut String, title: &str, closings: &[&Closing]) {
    if closings.is_empty() {
        return;
    }
    heading(text, title);
    for closing @ Closing { stored, reason, .. } in closings.iter().take(LIST) {
        let why = if closing.is_resolved() { format!(" {reason}") } else { String::new() };
        let whose = whose(closing);
        let open_for = stored.open_since();
        let line = format!(
            "{} {} ({whose}).{why} It was open since {}. ({})",
            stored.severity,
            escape(&stored.title),
            moment(open_for),
            escape(&stored.check)
        );
        paragraph(text, "* ", &cut(&line, 600));
    }
    more(text, closings.len());
}

/// The subject of a closed finding.
pub(crate) fn whose(Closing { stored, .. }: &Closing) -> String {
    match stored.subject() {
        SubjectId::Root => "the root user".to_owned(),
        SubjectId::Account => "the account".to_owned(),
        SubjectId::User(name) | SubjectId::Other(name) => escape(&name).into_owned(),
        SubjectId::AccessKey { user, key } => match &stored.access_key_id {
            Some(id) => format!("{}, access key {}", escape(&user), escape(id)),
            None => format!("{}, access key of {key}", escape(&user)),
        },
        SubjectId::ServiceCredential { user, id } => format!("{}, credential {}", escape(&user), escape(&id)),
    }
}

/// Groups findings by reason: one unreadable source leaves many findings without a verdict, and one line reports it.
fn not_evaluated(text: &mut String, alert: &Alert<'_>) {
    let mut reasons: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<String>)> = BTreeMap::new();
    for finding in &alert.decision.unknown {
        let (checks, subjects) = reasons.entry(finding.message()).or_default();
        checks.insert(finding.check.id);
        subjects.insert(finding.subject.id().to_string());
    }
    if !reasons.is_empty() {
        heading(text, "COULD NOT BE EVALUATED");
        for (reason, (checks, subjects)) in reasons.iter().take(LIST) {
            paragraph(text, "* ", &cut(&escape(reason), 600));
            let named =
                subjects.iter().take(5).map(|subject| escape(subject).into_owned()).collect::<Vec<_>>().join(", ");
            let rest = if subjects.len() <= 5 {
                String::new()
            } else {
                format!(" and {} more", grouped(subjects.len() as u64 - 5))
            };
            let checks = checks.iter().copied().collect::<Vec<_>>().join(", ");
            paragraph(text, "  ", &format!("{checks}: {named}{rest}"));
        }
        more(text, reasons.len());
    }
    if !alert.decision.not_evaluated.is_empty() {
        let count = alert.decision.not_evaluated.len();
        let (open, stay) = (counted(count as u64, "open finding"), if count == 1 { "stays" } else { "stay" });
        let line = format!("\n{open} could not be evaluated again and {stay} open. Nothing is closed unseen.");
        paragraph(text, "", &line);
    }
}

fn still_open(text: &mut String, alert: &Alert<'_>) {
    let mut counts: BTreeMap<(std::cmp::Reverse<Severity>, &str), u64> = BTreeMap::new();
    for failing in alert.still_open() {
        *counts.entry((std::cmp::Reverse(failing.severity()), failing.finding.check.id)).or_default() += 1;
    }
    if counts.is_empty() {
        return;
    }
    heading(text, "STILL OPEN (reported before, or below the alert threshold)");
    for ((severity, check), count) in counts {
        let _ = writeln!(text, "{:>6} {:13} {check}", grouped(count), severity.0);
    }
}

fn severities(severities: impl Iterator<Item = Severity>) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, u64> = BTreeMap::new();
    for severity in severities {
        *counts.entry(std::cmp::Reverse(severity)).or_default() += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let list = counts.iter().map(|(severity, count)| format!("{} {}", grouped(*count), severity.0)).collect::<Vec<_>>();
    format!(": {}", list.join(", "))
}

fn more(text: &mut String, count: usize) {
    if count > LIST {
        let _ = writeln!(text, "And {} more.", grouped((count - LIST) as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::by_subject::Owner;
    use crate::decide::decide;
    use crate::decision::{AlertOn, AlertRules};
    use crate::enrichment::Enrichment;
    use crate::memory::{Memory, Stored, Workflow};
    use crate::outcome::{Outcome, Receipts};
    use crate::problems::Step;
    use crate::report::{CredentialReport, Origin};
    use crate::testing::{self, account, evaluated, unavailable};

    const ACCOUNT: &str = "
user           | password_enabled | mfa_active | password_last_used   | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date | access_key_1_last_used_region | access_key_1_last_used_service | access_key_2_active | access_key_2_last_rotated
<root_account> | true             | true       | 2020-01-02T03:04:05Z | true                | 2019-01-02T03:04:05Z      | 2026-11-19T06:00:00Z        | us-east-1                     | iam                            | false               | N/A
alice          | true             | false      | 2026-11-18T06:00:00Z | true                | 2021-06-20T05:16:50Z      | 2026-11-19T06:00:00Z        | eu-central-1                  | s3                             | false               | 2020-01-02T03:04:05Z
";

    const RULES: AlertRules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };

    fn outcome(account: &Account, stored: &BTreeMap<String, Stored>) -> Outcome {
        let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
        let decision = decide(evaluated(account), memory, &Enrichment::default(), RULES);
        Outcome { decision, receipts: Receipts::default() }
    }

    fn rendered<R>(
        account: &Account,
        stored: &BTreeMap<String, Stored>,
        errors: &[&str],
        with: impl Fn(&Alert<'_>) -> R,
    ) -> R {
        let mut outcome = outcome(account, stored);
        for error in errors {
            outcome.decision.problems.fail(Step::Collect, (*error).to_owned());
        }
        with(&Alert::of(&outcome))
    }

    fn subject_of(alert: &Alert<'_>) -> String {
        subject(std::slice::from_ref(alert))
    }

    fn text_of(alert: &Alert<'_>, limit: usize) -> String {
        text(std::slice::from_ref(alert), limit)
    }

    #[test]
    fn several_accounts_are_one_mail() {
        let mut second = account("user | password_enabled\n<root_account> | false\nbob | true");
        second.id = Some("210987654321".to_owned());
        let mut clean = account("user\n<root_account>");
        clean.id = Some("345678901234".to_owned());
        let outcomes = [account(ACCOUNT), second, clean].map(|account| outcome(&account, &BTreeMap::new()));
        let alerts: Vec<_> = outcomes.iter().map(Alert::of).collect();
        let (subject, summary, whole) = (subject(&alerts), summary(&alerts), text(&alerts, 100_000));
        insta::assert_snapshot!(format!("Subject: {subject}\n\n{summary}"), @"
        Subject: [credwarden] 3 accounts: 9 new (worst: CRITICAL)

        3 AWS accounts, 2026-11-20 06:00 UTC

             9 new: 2 CRITICAL, 4 HIGH, 2 MEDIUM, 1 LOW
             0 resolved
             3 still open: 3 INFORMATIONAL

        * account 123456789012: 7 new (worst: CRITICAL), 0 resolved, 9 open
        * account 210987654321: 2 new (worst: HIGH), 0 resolved, 3 open
        ");
        assert!(whole.starts_with(&summary));
        let [first, second] = ["ACCOUNT 123456789012", "ACCOUNT 210987654321"].map(|head| whole.find(head).unwrap());
        let [alice, bob] = ["\nUser alice: HIGH\n", "\nUser bob: HIGH\n"].map(|head| whole.find(head).unwrap());
        assert!(first < alice && alice < second && second < bob);
        assert!(!whole.contains("345678901234"), "there is nothing to report of it");
        let cut = text(&alerts, 3_000);
        assert!(cut.len() < 6_000 && cut.contains("And 1 more account."), "{cut}");
    }

    fn stored(id: &str, severity: Severity, workflow: Workflow) -> (String, Stored) {
        let check = crate::checks::find(id.split('/').nth(1).unwrap()).unwrap();
        let stored = Stored {
            title: check.title.to_owned(),
            workflow,
            severity,
            first_observed_at: None,
            ..testing::stored(id)
        };
        (id.to_owned(), stored)
    }

    #[test]
    fn a_first_mail() {
        let account = account(ACCOUNT);
        let (subject, text) =
            rendered(&account, &BTreeMap::new(), &[], |alert| (subject_of(alert), text_of(alert, 100_000)));
        insta::assert_snapshot!(format!("Subject: {subject}\n\n{text}"));
    }

    #[test]
    fn the_first_ten_lines_say_how_many_how_bad_and_on_whom() {
        let text = rendered(&crowd(60), &BTreeMap::new(), &["x"], |alert| text_of(alert, 100_000));
        insta::assert_snapshot!(text.lines().take(10).collect::<Vec<_>>().join("\n"), @"
        AWS account 123456789012, 2026-11-20 06:00 UTC

           120 new: 120 MEDIUM
               MEDIUM user u0000
               MEDIUM user u0001
               MEDIUM user u0002
               and 57 more users
             0 resolved
             0 still open
        ");
    }

    #[test]
    fn every_new_finding_is_in_the_paragraph_of_its_subject() {
        let text = rendered(&account(ACCOUNT), &BTreeMap::new(), &[], |alert| {
            (text_of(alert, 100_000), alert.new.iter().map(|failing| failing.finding.clone()).collect::<Vec<_>>())
        });
        let (text, findings) = text;
        for finding in &findings {
            let title = format!("\n{}: ", capitalized(&Owner::of(&finding.subject).to_string()));
            let paragraph = text.split_once(&title).unwrap().1;
            let paragraph = paragraph.split_once("\n\n\n").map_or(paragraph, |(paragraph, _)| paragraph);
            assert!(paragraph.contains(&format!("({})", finding.check.id)), "{title}{paragraph}");
            assert!(paragraph.contains(&format!("* {}", finding.severity())), "{title}{paragraph}");
        }
        let bullets = text.lines().filter(|line| line.starts_with("* ")).count();
        assert_eq!(bullets, findings.len(), "{text}");
    }

    #[test]
    fn a_mail_about_what_changed_and_what_could_not_be_seen() {
        let mut account = account(
            &ACCOUNT
                .replace("true                | 2019-01-02T03:04:05Z", "false               | N/A                 "),
        );
        account.virtual_mfa_users = unavailable("ListVirtualMFADevices failed: AccessDenied: not authorized");
        let prefix = "credwarden";
        let stored = [
            stored(
                &format!("{prefix}/root-access-key-active/123456789012/root"),
                Severity::Critical,
                Workflow::Notified,
            ),
            stored(
                &format!("{prefix}/user-without-credentials/123456789012/user/bob"),
                Severity::Low,
                Workflow::Notified,
            ),
            stored(
                &format!("{prefix}/root-hardware-mfa-missing/123456789012/root"),
                Severity::Medium,
                Workflow::Notified,
            ),
            stored(
                &format!("{prefix}/console-user-mfa-disabled/123456789012/user/alice"),
                Severity::High,
                Workflow::Notified,
            ),
            stored(
                &format!("{prefix}/console-user-with-access-keys/123456789012/user/alice"),
                Severity::Low,
                Workflow::Suppressed,
            ),
            stored(
                &format!("{prefix}/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z"),
                Severity::Medium,
                Workflow::Resolved,
            ),
        ];
        let errors = ["ListVirtualMFADevices failed: AccessDenied: not authorized"];
        let (subject, text) =
            rendered(&account, &stored.into(), &errors, |alert| (subject_of(alert), text_of(alert, 100_000)));
        insta::assert_snapshot!(format!("Subject: {subject}\n\n{text}"));
    }

    #[test]
    fn what_ended_says_how_and_is_not_all_repaired() {
        let of = |check: &str, subject: &str| {
            let stored = testing::stored(&format!("credwarden/{check}/123456789012/{subject}"));
            (stored.id.clone(), stored)
        };
        let stored = [
            of("access-key-unused", "user/alice/key/20210620T051650Z"),
            of("access-key-not-rotated", "user/alice/key/20200102T030405Z"),
            of("user-multiple-active-access-keys", "user/alice"),
        ];
        let text = rendered(&account(ACCOUNT), &stored.into(), &[], |alert| text_of(alert, 100_000));
        let count = text.lines().find(|line| line.contains(" resolved")).unwrap();
        insta::assert_snapshot!(format!("{count}\n{}", &text[text.find("\nRESOLVED").unwrap()..]), @"
             3 resolved; 1 no longer applies; 1 in use again

        RESOLVED
        ========
        * MEDIUM An active access key is old (alice). The report shows at most one
          active access key of the user. It was open since 2026-10-02 06:00 UTC.
          (user-multiple-active-access-keys)


        NO LONGER APPLIES
        =================
        * MEDIUM An active access key is old (alice, access key of 20200102T030405Z).
          The access key is not active. It was open since 2026-10-02 06:00 UTC.
          (access-key-not-rotated)


        IN USE AGAIN (nobody repaired anything)
        =======================================
        * MEDIUM An active access key is old (alice, access key of 20210620T051650Z).
          The report records a use of the access key on 2026-11-19 06:00 UTC, within
          the limit. Make sure that it is its owner who uses it again. It was open
          since 2026-10-02 06:00 UTC. (access-key-unused)


        STILL OPEN (reported before, or below the alert threshold)
        ==========================================================
             1 INFORMATIONAL access-key-inactive
             1 INFORMATIONAL console-user-not-federated
        ");
    }

    #[test]
    fn what_could_not_be_evaluated_again_agrees_in_number() {
        let mut account = account(ACCOUNT);
        account.report = unavailable("GetCredentialReport failed: AccessDenied.");
        let ids = ["alice", "bob"].map(|user| format!("credwarden/console-user-mfa-disabled/123456789012/user/{user}"));
        let last = |ids: &[String]| {
            let stored = ids.iter().map(|id| stored(id, Severity::High, Workflow::Notified)).collect();
            rendered(&account, &stored, &[], |alert| text_of(alert, 100_000)).replace('\n', " ")
        };
        let end = "Nothing is closed unseen.";
        let [one, both] = [&ids[..1], &ids].map(last);
        assert!(one.contains(&format!("1 open finding could not be evaluated again and stays open. {end}")), "{one}");
        assert!(both.contains(&format!("2 open findings could not be evaluated again and stay open. {end}")), "{both}");
    }

    #[test]
    fn a_report_without_its_time_is_not_a_missing_report() {
        let mut account = account(ACCOUNT);
        let age = |account: &Account| rendered(account, &BTreeMap::new(), &[], data_age);
        account.report.as_mut().unwrap().generated_time = None;
        assert_eq!(age(&account), "The time of the credential report is not known.");
        account.report = unavailable("GetCredentialReport failed: AccessDenied.");
        assert_eq!(age(&account), "No credential report was read in this run.");
    }

    /// 5,000 users with two findings each.
    fn crowd(users: usize) -> Account {
        let row = |number| format!("u{number:04} | true | 2021-06-20T05:16:50Z");
        let rows = (0..users).map(row).collect::<Vec<_>>().join("\n");
        let table =
            format!("user | access_key_1_active | access_key_1_last_rotated\n<root_account> | false | N/A\n{rows}");
        account(&table)
    }

    #[test]
    fn a_long_mail_is_cut_with_a_count_and_counts_everything() {
        let text = rendered(&crowd(5000), &BTreeMap::new(), &[], |alert| text_of(alert, 60_000));
        assert!(text.len() < 60_000, "{}", text.len());
        assert!(text.contains("10,000 new: 10,000 MEDIUM"), "{}", &text[..300]);
        let last = text.lines().rfind(|line| line.starts_with("And ")).unwrap();
        assert!(last.contains("more users"), "{last}");
    }

    #[test]
    fn a_cut_mail_says_where_the_other_findings_are() {
        let (all, most) = (
            "A dry run (`{\"dry_run\": true}`) lists all of them.",
            "A dry run (`{\"dry_run\": true}`) lists as many of them as fit into its answer of 6 MB.",
        );
        for (users, dry_run) in [(1000, all), (5000, most)] {
            let mut outcome = outcome(&crowd(users), &BTreeMap::new());
            let read = || Hub::Read { region: "eu-central-1".to_owned() };
            let nothing = BTreeMap::new();
            let last = outcome.decision.failing.last().unwrap().id.clone();
            let refused: BTreeMap<_, _> = [(last, "InvalidInput".to_owned())].into();
            let cases = [
                (read(), &nothing, "They are in Security Hub."),
                (Hub::Off, &nothing, dry_run),
                (Hub::Unread, &nothing, dry_run),
                (read(), &refused, dry_run),
            ];
            for (hub, refused, place) in cases {
                let case = format!("{users} users, {hub:?}, {} not written", refused.len());
                outcome.decision.hub = hub;
                outcome.receipts.refused = refused.clone();
                let text = text_of(&Alert::of(&outcome), 60_000);
                let (_, rest) = text.split_once(" more users.\n").unwrap();
                assert_eq!(rest.lines().next(), Some(place), "{case}");
            }
        }
    }

    #[test]
    fn hostile_names_cannot_act_or_lay_out_the_mail() {
        let table = "user | password_enabled\n<root_account> | false\neve\u{202e}\u{1b}[2J | true";
        let mut account = account(table);
        // IAM rejects such a name, so a live row with one is damaged. A report in a file can have one.
        account.report.as_mut().unwrap().credentials =
            CredentialReport::parse_from(testing::csv(table).as_bytes(), Origin::File).unwrap();
        let (subject, text) =
            rendered(&account, &BTreeMap::new(), &[], |alert| (subject_of(alert), text_of(alert, 100_000)));
        assert!(subject.is_ascii() && subject.len() < 100 && !subject.contains("eve"), "{subject}");
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
        assert!(!text.contains('\u{202e}'));
        assert!(text.contains(r"User eve\u{202e}\u{1b}[2J"));
    }

    #[test]
    fn a_user_named_root_is_not_the_root_user() {
        let table = "user | password_enabled | mfa_active | password_last_used\n\
            <root_account> | true | false | 2026-11-19T06:00:00Z\nroot | true | false | 2026-11-19T06:00:00Z";
        let account = account(table);
        let text = rendered(&account, &BTreeMap::new(), &[], |alert| text_of(alert, 100_000));
        let [root, user] = ["\nRoot user: HIGH\n", "\nUser root: HIGH\n"].map(|heading| text.find(heading).unwrap());
        let [used, mfa] =
            ["root-user-recently-used)", "console-user-mfa-disabled)"].map(|check| text.find(check).unwrap());
        assert!(root < used && used < user && user < mfa, "{text}");
    }

    #[test]
    fn the_subject_stays_short() {
        let rows = (0..5000).map(|number| format!("u{number} | true")).collect::<Vec<_>>().join("\n");
        let account = account(&format!("user | password_enabled\n<root_account> | true\n{rows}"));
        let subject = rendered(&account, &BTreeMap::new(), &["x"], subject_of);
        assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
    }

    #[test]
    fn the_name_of_the_account_is_beside_its_number() {
        let subject_and_first_line = |name: &str, errors: &[&str], users| {
            let mut outcome = outcome(&crowd(users), &BTreeMap::new());
            outcome.decision.account_name = Some(name.to_owned());
            for error in errors {
                outcome.decision.problems.fail(Step::Collect, (*error).to_owned());
            }
            let alert = Alert::of(&outcome);
            let subject = subject_of(&alert);
            assert!(subject.len() < 100 && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject:?}");
            let text = text_of(&alert, 10_000);
            assert!(
                text.lines().take_while(|line| !line.is_empty()).all(|line| line.chars().count() <= WIDTH),
                "{text}"
            );
            format!("{subject}\n{}", text.split_once("\n\n").unwrap().0)
        };
        let shown = [
            subject_and_first_line("payroll", &[], 1),
            subject_and_first_line("Zahlungen Köln", &[], 1),
            subject_and_first_line("経理", &[], 1),
            subject_and_first_line("a\r\nBcc: b\u{202e}\u{1b}[2J", &[], 1),
            subject_and_first_line(&"Department of long names ".repeat(3)[..64], &["x"], 5000),
        ];
        insta::assert_snapshot!(shown.join("\n"), @r#"
        [credwarden] 123456789012 (payroll): 2 new (worst: MEDIUM)
        AWS account 123456789012 (payroll), 2026-11-20 06:00 UTC
        [credwarden] 123456789012 (Zahlungen K?ln): 2 new (worst: MEDIUM)
        AWS account 123456789012 (Zahlungen Köln), 2026-11-20 06:00 UTC
        [credwarden] 123456789012: 2 new (worst: MEDIUM)
        AWS account 123456789012 (経理), 2026-11-20 06:00 UTC
        [credwarden] 123456789012 (a??Bcc: b??[2J): 2 new (worst: MEDIUM)
        AWS account 123456789012 (a\u{d}\u{a}Bcc: b\u{202e}\u{1b}[2J), 2026-11-20
        06:00 UTC
        [credwarden] 123456789012 (Department of long names...): 10000 new (worst: MEDIUM), run incomplete
        AWS account 123456789012 (Department of long names Department of long names
        Department of ), 2026-11-20 06:00 UTC
        "#);
    }

    #[test]
    fn the_console_is_the_partitions_own() {
        for (partition, domain) in
            [("aws", "aws.amazon.com"), ("aws-us-gov", "amazonaws-us-gov.com"), ("aws-cn", "amazonaws.cn")]
        {
            let mut account = account(ACCOUNT);
            account.partition = Some(partition.to_owned());
            let link = rendered(&account, &BTreeMap::new(), &[], console_link).unwrap();
            assert!(
                link.starts_with(&format!(
                    "https://eu-central-1.console.{domain}/securityhub/home?region=eu-central-1#"
                )),
                "{link}"
            );
        }
    }
}
