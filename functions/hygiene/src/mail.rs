//! The alert as a person reads it at seven in the morning: what is new and how bad, what to type, what is no longer wrong,
//! what nobody could look at. Plain text, as SNS sends no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::alert::{Alert, Hub};
use crate::finding::{Severity, Status, SubjectKind};
use crate::reconcile::{Because, Closing, Failing, Reason, Standing, kind_of, user_of};
use crate::text::{WIDTH, age, counted, cut, grouped, inert, moment, paragraph};

/// How many lines a list has at the most, but for the new findings, which are cut by length.
const LIST: usize = 25;

/// The subject: ASCII, under 100 characters, and no names, since SNS does not encrypt it.
pub fn subject(alert: &Alert<'_>) -> String {
    let account = alert.evaluation.account_id.as_deref().unwrap_or("unknown account");
    let mut parts = Vec::new();
    if let Some(worst) = alert.max_severity() {
        parts.push(format!("{} new (worst: {worst})", alert.new.len()));
    }
    if !alert.resolved.is_empty() {
        parts.push(format!("{} resolved", alert.resolved.len()));
    }
    if parts.is_empty() {
        parts.push(match alert.plan.open() {
            0 => "nothing open".to_owned(),
            open => format!("{open} open, none new"),
        });
    }
    if !alert.errors.is_empty() {
        parts.push("run incomplete".to_owned());
    }
    format!("[credwarden] {account}: {}", parts.join(", "))
}

/// The first lines: enough for a phone, and the start of the mail.
pub fn summary(alert: &Alert<'_>) -> String {
    let evaluation = alert.evaluation;
    let account = evaluation.account_id.as_deref().unwrap_or("unknown");
    let partition = if evaluation.partition == "aws" { String::new() } else { format!(" ({})", evaluation.partition) };
    let mut text = format!("AWS account {account}{partition}, {}\n\n", moment(evaluation.evaluated_at));

    let new = severities(alert.new.iter().map(|failing| failing.finding.severity));
    let _ = writeln!(text, "{:>6} new{new}", grouped(alert.new.len() as u64));
    let _ = writeln!(text, "{:>6} resolved", grouped(alert.resolved.len() as u64));
    let still = alert.plan.open() - alert.new.len();
    let open = severities(alert.still_open().map(|failing| failing.finding.severity));
    let suppressed = alert.plan.failing.iter().filter(|failing| failing.standing == Standing::Suppressed).count();
    let suppressed =
        if suppressed == 0 { String::new() } else { format!("; {} suppressed", grouped(suppressed as u64)) };
    let unjudged = alert.plan.unjudged.len();
    let unjudged = if unjudged == 0 { String::new() } else { format!("; {} not evaluated", grouped(unjudged as u64)) };
    let _ = writeln!(text, "{:>6} still open{open}{suppressed}{unjudged}", grouped(still as u64));
    let unknown = evaluation.counts().unknown;
    if unknown != 0 {
        let _ = writeln!(text, "{:>6} could not be evaluated: see below", grouped(unknown as u64));
    }
    text.push('\n');
    paragraph(&mut text, "", &data_age(alert));
    if let Some(link) = console_link(alert) {
        let _ = write!(text, "\nIn Security Hub: {link}\n");
    }
    text
}

/// The whole mail, in at most about `limit` bytes.
pub fn text(alert: &Alert<'_>, limit: usize) -> String {
    let mut text = summary(alert);
    errors(&mut text, alert);
    let after = {
        let mut after = String::new();
        unwritten(&mut after, alert);
        closings(&mut after, "RESOLVED", &alert.resolved);
        closings(&mut after, "NO LONGER CHECKED (not resolved: the check is disabled or gone)", &alert.unchecked);
        not_evaluated(&mut after, alert);
        still_open(&mut after, alert);
        after
    };
    new_findings(&mut text, alert, limit.saturating_sub(after.len()));
    text += &after;
    text
}

fn data_age(alert: &Alert<'_>) -> String {
    let now = alert.evaluation.evaluated_at;
    match alert.evaluation.report_generated_at {
        Some(generated) => format!(
            "The credential report is from {}, {} before this run: what was fixed since shows in the next one.",
            moment(generated),
            age((now - generated).max(chrono::TimeDelta::zero()))
        ),
        None => "There is no credential report for this run.".to_owned(),
    }
}

/// The findings in the Security Hub console of the right partition and region.
fn console_link(alert: &Alert<'_>) -> Option<String> {
    let Hub::Read { region } = &alert.hub else { return None };
    let domain = match alert.evaluation.partition.as_str() {
        "aws" => "console.aws.amazon.com",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        "aws-cn" => "console.amazonaws.cn",
        _ => return None,
    };
    // The console encodes its own filter language twice.
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
        paragraph(text, "* ", &cut(&inert(error), 1000));
    }
    more(text, alert.errors.len());
    if alert.hub == Hub::Unread {
        paragraph(
            text,
            "",
            "Nothing was written to Security Hub. Without its memory everything that fails is listed as new, once more.",
        );
    }
}

/// One subject's findings together; a user's keys with the user.
fn new_findings(text: &mut String, alert: &Alert<'_>, limit: usize) {
    if alert.new.is_empty() {
        return;
    }
    heading(text, "NEW");
    let mut groups: Vec<Vec<&Failing<'_>>> = Vec::new();
    let mut places: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for failing in &alert.new {
        let subject = &failing.finding.subject;
        let owner = (subject.kind == SubjectKind::Root, user_of(&subject.path));
        let place = *places.entry(owner).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(failing);
    }
    // The worst finding of a subject comes first in the list, so the groups are in the order of their worst.
    let is_root = |group: &Vec<&Failing<'_>>| group[0].finding.subject.kind == SubjectKind::Root;
    groups.sort_by_key(|group| !is_root(group));
    let mut told = 0;
    for (number, group) in groups.iter().enumerate() {
        let mut one = String::new();
        subject_findings(&mut one, group, alert);
        if limit < text.len() + one.len() + 200 && number != 0 {
            let findings = counted((alert.new.len() - told) as u64, "new finding");
            let subjects = counted((groups.len() - number) as u64, "more user");
            let _ = write!(text, "\nAnd {findings} on {subjects}.\n{}\n", where_the_rest_is(alert));
            return;
        }
        text.push_str(&one);
        told += group.len();
    }
}

/// As many failing findings fit into a dry run's answer, which Lambda limits to 6 MB, whatever is in them.
const ANSWERED: usize = 2_000;

/// A scheduled run returns its result to nobody, so a mail never refers to that.
fn where_the_rest_is(alert: &Alert<'_>) -> &'static str {
    match alert.hub {
        Hub::Read { .. } if alert.unwritten.is_empty() => "They are in Security Hub.",
        Hub::Read { .. } | Hub::Off | Hub::Unread if alert.new.len() <= ANSWERED => {
            "A dry run (`{\"dry_run\": true}`) lists all of them."
        }
        Hub::Read { .. } | Hub::Off | Hub::Unread => {
            "A dry run (`{\"dry_run\": true}`) lists as many of them as fit into its answer of 6 MB."
        }
    }
}

fn subject_findings(text: &mut String, group: &[&Failing<'_>], alert: &Alert<'_>) {
    let subject = &group[0].finding.subject;
    let name = match subject.kind {
        SubjectKind::Root => "The root user".to_owned(),
        SubjectKind::Account => "The account".to_owned(),
        SubjectKind::User | SubjectKind::AccessKey => format!("User {}", subject.shown_user()),
    };
    let _ = write!(text, "\n{name}\n{}\n", "-".repeat(name.chars().count().min(WIDTH)));
    for failing in group {
        let finding = failing.finding;
        let _ = write!(text, "\n{:<9} {}\n", finding.severity, finding.check.title);
        paragraph(text, "  ", &finding.message);
        if let Some(id) = &finding.subject.access_key_id {
            paragraph(text, "  ", &format!("Access key id: {}", inert(id)));
        }
        // The report's time is at the top of the mail.
        let shown = finding.evidence.iter().filter(|(name, _)| *name != "GeneratedTime");
        let evidence: Vec<_> = shown.map(|(name, value)| format!("{name}={}", cut(&inert(value), 80))).collect();
        if !evidence.is_empty() {
            paragraph(text, "  ", &format!("Evidence: {}", evidence.join(", ")));
        }
        paragraph(text, "  ", &format!("{} ({})", since(failing, alert), finding.check.id));
    }
    let mut remedies: Vec<(String, Vec<&str>)> = Vec::new();
    for failing in group {
        let remedy = failing.finding.remediation();
        match remedies.iter_mut().find(|(known, _)| *known == remedy) {
            Some((_, checks)) if checks.contains(&failing.finding.check.id) => {}
            Some((_, checks)) => checks.push(failing.finding.check.id),
            None => remedies.push((remedy, vec![failing.finding.check.id])),
        }
    }
    for (remedy, checks) in remedies {
        text.push('\n');
        paragraph(text, "  ", &format!("To fix {}:", checks.join(", ")));
        let prose = subject.kind == SubjectKind::Root;
        for line in remedy.lines() {
            if prose {
                paragraph(text, "    ", line);
            } else {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
}

fn since(failing: &Failing<'_>, alert: &Alert<'_>) -> String {
    let Standing::New(reason) = &failing.standing else {
        return format!("Open since {}", moment(failing.first_observed_at));
    };
    match (reason, &alert.hub) {
        (_, Hub::Off | Hub::Unread) => "Failing in this run".to_owned(),
        (Reason::FirstSeen, Hub::Read { .. }) => "First seen in this run".to_owned(),
        (Reason::CameBack, Hub::Read { .. }) => {
            format!("Back: it was resolved; first seen {}", moment(failing.created_at))
        }
        (Reason::NotYetTold | Reason::NotResolved | Reason::NewEvidence(_), Hub::Read { .. }) => {
            format!("Open since {}; told because of this: {reason}", moment(failing.first_observed_at))
        }
    }
}

fn unwritten(text: &mut String, alert: &Alert<'_>) {
    if alert.unwritten.is_empty() {
        return;
    }
    heading(text, "NOT WRITTEN TO SECURITY HUB (the next run tries again)");
    for (failing, reason) in alert.unwritten.iter().take(LIST) {
        let finding = failing.finding;
        let line =
            format!("{} {} on {}: {}", finding.severity, finding.check.id, finding.subject.called(), inert(reason));
        paragraph(text, "* ", &cut(&line, 400));
    }
    more(text, alert.unwritten.len());
}

fn closings(text: &mut String, title: &str, closings: &[&Closing<'_>]) {
    if closings.is_empty() {
        return;
    }
    heading(text, title);
    for Closing { stored, because, .. } in closings.iter().take(LIST) {
        let subject = crate::reconcile::subject_of(&stored.id);
        let user = inert(user_of(subject));
        let whose = match kind_of(subject) {
            SubjectKind::Root => "the root user".to_owned(),
            SubjectKind::Account => "the account".to_owned(),
            SubjectKind::User => user.into_owned(),
            SubjectKind::AccessKey => match &stored.access_key_id {
                Some(id) => format!("{user}, access key {}", inert(id)),
                None => format!("{user}, access key of {}", inert(subject.rsplit('/').next().unwrap_or_default())),
            },
        };
        let why = match because {
            Because::Passed(_) | Because::Gone => format!(" {because}"),
            Because::NotChecked => String::new(),
        };
        let open_for = stored.first_observed_at.unwrap_or(stored.created_at);
        let line = format!(
            "{} {} ({whose}).{why} It was open since {}. ({})",
            stored.severity,
            inert(&stored.title),
            moment(open_for),
            inert(&stored.check)
        );
        paragraph(text, "* ", &cut(&line, 600));
    }
    more(text, closings.len());
}

/// By reason: one unreadable source leaves many verdicts open, and one line says so.
fn not_evaluated(text: &mut String, alert: &Alert<'_>) {
    let mut reasons: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for finding in alert.evaluation.findings.iter().filter(|finding| finding.status == Status::Unknown) {
        let (checks, subjects) = reasons.entry(&finding.message).or_default();
        checks.insert(finding.check.id);
        subjects.insert(&finding.subject.path);
    }
    if !reasons.is_empty() {
        heading(text, "COULD NOT BE EVALUATED");
        for (reason, (checks, subjects)) in reasons.iter().take(LIST) {
            paragraph(text, "* ", &cut(&inert(reason), 600));
            let named =
                subjects.iter().take(5).map(|subject| inert(subject).into_owned()).collect::<Vec<_>>().join(", ");
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
    if !alert.plan.unjudged.is_empty() {
        let open = counted(alert.plan.unjudged.len() as u64, "open finding");
        paragraph(
            text,
            "",
            &format!("\n{open} could not be evaluated again and stays open. Nothing is closed unseen."),
        );
    }
}

fn still_open(text: &mut String, alert: &Alert<'_>) {
    let mut counts: BTreeMap<(std::cmp::Reverse<Severity>, &str), u64> = BTreeMap::new();
    for failing in alert.still_open() {
        *counts.entry((std::cmp::Reverse(failing.finding.severity), failing.finding.check.id)).or_default() += 1;
    }
    if counts.is_empty() {
        return;
    }
    heading(text, "STILL OPEN (told before, or below the alert threshold)");
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
    if LIST < count {
        let _ = writeln!(text, "And {} more.", grouped((count - LIST) as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertOn, AlertRules};
    use crate::evaluate::Evaluation;
    use crate::finding::Novelties;
    use crate::reconcile::{Plan, Stored, Workflow, reconcile};
    use crate::testing::{account, evaluated, time, unavailable};

    const ACCOUNT: &str = "
user           | password_enabled | mfa_active | password_last_used   | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date | access_key_1_last_used_region | access_key_1_last_used_service | access_key_2_active | access_key_2_last_rotated
<root_account> | true             | true       | 2020-01-02T03:04:05Z | true                | 2019-01-02T03:04:05Z      | 2026-11-19T06:00:00Z        | us-east-1                     | iam                            | false               | N/A
alice          | true             | false      | 2026-11-18T06:00:00Z | true                | 2021-06-20T05:16:50Z      | 2026-11-19T06:00:00Z        | eu-central-1                  | s3                             | false               | 2020-01-02T03:04:05Z
";

    fn told<R>(
        evaluation: &Evaluation,
        stored: &BTreeMap<String, Stored>,
        errors: &[&str],
        with: impl Fn(&Alert<'_>) -> R,
    ) -> R {
        let plan: Plan<'_> = reconcile(evaluation, stored, &[]);
        let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
        let hub = Hub::Read { region: "eu-central-1".to_owned() };
        let errors: Vec<String> = errors.iter().map(|error| (*error).to_owned()).collect();
        let failed = !errors.is_empty();
        with(&Alert::new(evaluation, &plan, rules, hub, &BTreeMap::new(), errors, failed))
    }

    fn stored(id: &str, severity: Severity, workflow: Workflow) -> (String, Stored) {
        let check = crate::checks::find(id.split('/').nth(1).unwrap()).unwrap();
        let stored = Stored {
            id: id.to_owned(),
            check: check.id.to_owned(),
            title: check.title.to_owned(),
            active: true,
            workflow,
            severity,
            created_at: time("2026-10-01T06:00:00Z"),
            first_observed_at: None,
            updated_at: time("2026-11-19T06:00:00Z"),
            arn: None,
            access_key_id: None,
            novelties: Novelties::default(),
        };
        (id.to_owned(), stored)
    }

    #[test]
    fn a_first_mail() {
        let evaluation = evaluated(&account(ACCOUNT));
        let (subject, text) = told(&evaluation, &BTreeMap::new(), &[], |alert| (subject(alert), text(alert, 100_000)));
        insta::assert_snapshot!(format!("Subject: {subject}\n\n{text}"));
    }

    #[test]
    fn a_mail_about_what_changed_and_what_could_not_be_seen() {
        let mut snapshot = account(
            &ACCOUNT
                .replace("true                | 2019-01-02T03:04:05Z", "false               | N/A                 "),
        );
        snapshot.virtual_mfa_users = unavailable("ListVirtualMFADevices failed: AccessDenied: not authorized");
        let evaluation = evaluated(&snapshot);
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
            told(&evaluation, &stored.into(), &errors, |alert| (subject(alert), text(alert, 100_000)));
        insta::assert_snapshot!(format!("Subject: {subject}\n\n{text}"));
    }

    /// 5,000 users with two findings each.
    fn crowd(users: usize) -> Evaluation {
        let row = |number| format!("u{number:04} | true | 2021-06-20T05:16:50Z");
        let rows = (0..users).map(row).collect::<Vec<_>>().join("\n");
        let table =
            format!("user | access_key_1_active | access_key_1_last_rotated\n<root_account> | false | N/A\n{rows}");
        evaluated(&account(&table))
    }

    #[test]
    fn a_long_mail_is_cut_with_a_count_and_counts_everything() {
        let text = told(&crowd(5000), &BTreeMap::new(), &[], |alert| text(alert, 60_000));
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
            let evaluation = crowd(users);
            let nothing_stored = BTreeMap::new();
            let plan = reconcile(&evaluation, &nothing_stored, &[]);
            let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
            let read = || Hub::Read { region: "eu-central-1".to_owned() };
            let nothing = BTreeMap::new();
            let last = plan.failing.last().unwrap().id.clone();
            let unwritten: BTreeMap<_, _> = [(last, "InvalidInput".to_owned())].into();
            let cases = [
                (read(), &nothing, "They are in Security Hub."),
                (Hub::Off, &nothing, dry_run),
                (Hub::Unread, &nothing, dry_run),
                (read(), &unwritten, dry_run),
            ];
            for (hub, unwritten, place) in cases {
                let case = format!("{users} users, {hub:?}, {} not written", unwritten.len());
                let alert = Alert::new(&evaluation, &plan, rules, hub, unwritten, Vec::new(), false);
                let text = text(&alert, 60_000);
                let (_, rest) = text.split_once(" more users.\n").unwrap();
                assert_eq!(rest.lines().next(), Some(place), "{case}");
            }
        }
    }

    #[test]
    fn hostile_names_cannot_act_or_lay_out_the_mail() {
        let table = "user | password_enabled\n<root_account> | false\neve\u{202e}\u{1b}[2J | true";
        let evaluation = evaluated(&account(table));
        let (subject, text) = told(&evaluation, &BTreeMap::new(), &[], |alert| (subject(alert), text(alert, 100_000)));
        assert!(subject.is_ascii() && subject.len() < 100 && !subject.contains("eve"), "{subject}");
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
        assert!(!text.contains('\u{202e}'));
        assert!(text.contains(r"User eve\u{202e}\u{1b}[2J"));
    }

    #[test]
    fn a_user_named_root_is_not_the_root_user() {
        let table = "user | password_enabled | mfa_active | password_last_used\n\
            <root_account> | true | false | 2026-11-19T06:00:00Z\nroot | true | false | 2026-11-19T06:00:00Z";
        let evaluation = evaluated(&account(table));
        let text = told(&evaluation, &BTreeMap::new(), &[], |alert| text(alert, 100_000));
        let [root, user] = ["\nThe root user\n", "\nUser root\n"].map(|heading| text.find(heading).unwrap());
        let [used, mfa] =
            ["root-user-recently-used)", "console-user-mfa-disabled)"].map(|check| text.find(check).unwrap());
        assert!(root < used && used < user && user < mfa, "{text}");
    }

    #[test]
    fn the_subject_stays_short() {
        let rows = (0..5000).map(|number| format!("u{number} | true")).collect::<Vec<_>>().join("\n");
        let evaluation = evaluated(&account(&format!("user | password_enabled\n<root_account> | true\n{rows}")));
        let subject = told(&evaluation, &BTreeMap::new(), &["x"], subject);
        assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
    }

    #[test]
    fn the_console_is_the_partitions_own() {
        for (partition, domain) in
            [("aws", "aws.amazon.com"), ("aws-us-gov", "amazonaws-us-gov.com"), ("aws-cn", "amazonaws.cn")]
        {
            let mut snapshot = account(ACCOUNT);
            snapshot.partition = Some(partition.to_owned());
            let evaluation = evaluated(&snapshot);
            let link = told(&evaluation, &BTreeMap::new(), &[], console_link).unwrap();
            assert!(
                link.starts_with(&format!(
                    "https://eu-central-1.console.{domain}/securityhub/home?region=eu-central-1#"
                )),
                "{link}"
            );
        }
    }
}
