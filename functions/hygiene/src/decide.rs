//! Compares the findings of a run with those of earlier ones, and decides all that will be done. Pure.
//!
//! The rule above the others: a finding is closed only by a verdict, or by a source that was read whole and does not have its
//! subject. What a run could not judge stays as it is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem;

use chrono::{DateTime, Utc};

use crate::decision::{
    AlertRules, AlertStatus, CloseReason, Closing, Decision, Failing, Hub, Mark, Reason, Record, Storing, Version,
};
use crate::enrichment::Enrichment;
use crate::evaluate::Evaluation;
use crate::finding::Finding;
use crate::memory::{Memory, Stored, Workflow};
use crate::problems::Problems;
use crate::text;
use crate::verdict::{ReportedEvidence, Severity, Verdict};

/// Decides what to do about the findings of a run, by what earlier runs stored. Without that everything that fails is new.
pub fn decide(mut evaluation: Evaluation, memory: Memory, enrichment: &Enrichment, rules: AlertRules) -> Decision {
    let (hub, mut stored) = match memory {
        Memory::Recalled { region, findings } => (Hub::Read { region }, findings),
        Memory::Off => (Hub::Off, BTreeMap::new()),
        Memory::Unread => (Hub::Unread, BTreeMap::new()),
    };
    let (counts, now) = (evaluation.counts(), evaluation.evaluated_at);
    let (mut failing, mut unknown, mut ends) = (Vec::new(), Vec::new(), Ends::default());
    let mut id = String::new();
    for finding in mem::take(&mut evaluation.findings) {
        id.clear();
        let _ = write!(id, "{}", finding.id(evaluation.account_id.as_deref()));
        let known = stored.remove(&id);
        match &finding.verdict {
            Verdict::Failed(_) => {
                let access_key_id = enrichment.access_key_id(&finding).map(str::to_owned);
                failing.push(compared(mem::take(&mut id), finding, access_key_id, known.as_ref(), now));
            }
            verdict @ (Verdict::Passed(_) | Verdict::NotApplicable(_) | Verdict::Unknown(_)) => {
                if let Some(known) = known {
                    let reason = close_reason(&known, Some(verdict), &evaluation);
                    ends.add(known, reason, finding.not_given(), now);
                }
                if matches!(verdict, Verdict::Unknown(_)) && !finding.not_given() {
                    unknown.push(finding);
                }
            }
        }
    }
    for known in stored.into_values().filter(|known| evaluation.scope.contains(&known.subject())) {
        let reason = close_reason(&known, None, &evaluation);
        let check = evaluation.checks.iter().find(|check| check.id == known.check);
        let not_asked = check.is_some_and(|check| evaluation.has_not_asked(check));
        ends.add(known, reason, not_asked, now);
    }

    failing.sort_by_cached_key(|failing| failing.finding.urgency());
    let Ends { mut closings, mut not_evaluated, mut not_asked } = ends;
    closings.sort_by_cached_key(|closing| (Reverse(closing.stored.severity), closing.stored.id.clone()));
    for kept in [&mut not_evaluated, &mut not_asked] {
        kept.sort_by(|one, other| one.id.cmp(&other.id));
    }
    let mut decision = Decision {
        version: Version::CURRENT,
        account_id: evaluation.account_id,
        partition: evaluation.partition,
        evaluated_at: now,
        report_generated_at: evaluation.report_generated_at,
        counts,
        hub,
        rules,
        problems: Problems::default(),
        marks: Vec::new(),
        marks_when_sent: Vec::new(),
        failing,
        closings,
        not_evaluated,
        not_asked,
        unknown,
    };
    decision.marks = marks(decision.failing.iter().filter(|failing| is_marked_first(failing)), Workflow::New);
    decision.marks_when_sent = marks(decision.reported_as_new(), Workflow::Notified);
    decision
}

/// Stored findings that do not fail in this run.
#[derive(Default)]
struct Ends {
    closings: Vec<Closing>,
    not_evaluated: Vec<Stored>,
    not_asked: Vec<Stored>,
}

impl Ends {
    fn add(&mut self, stored: Stored, reason: Option<CloseReason>, not_asked: bool, now: DateTime<Utc>) {
        if !stored.active {
            return;
        }
        match reason {
            Some(reason) => self.closings.push(Closing { updated_at: stored.next_update(now), stored, reason }),
            None if not_asked => self.not_asked.push(stored),
            None => self.not_evaluated.push(stored),
        }
    }
}

fn close_reason(stored: &Stored, verdict: Option<&Verdict>, evaluation: &Evaluation) -> Option<CloseReason> {
    let Some(check) = evaluation.checks.iter().find(|check| check.id == stored.check) else {
        return Some(CloseReason::NotChecked);
    };
    match verdict {
        Some(Verdict::Passed(message) | Verdict::NotApplicable(message)) => {
            Some(CloseReason::Passed(message.clone().into_owned()))
        }
        Some(Verdict::Unknown(_) | Verdict::Failed(_)) => None,
        None => evaluation.shows_absence_of(check, &stored.subject()).then_some(CloseReason::Gone),
    }
}

fn compared(
    id: String,
    finding: Finding,
    access_key_id: Option<String>,
    stored: Option<&Stored>,
    now: DateTime<Utc>,
) -> Failing {
    let seen = finding.failure().map(|failure| failure.reportable.clone()).unwrap_or_default();
    let severity = finding.severity();
    let Some(stored) = stored else {
        return Failing {
            id,
            finding,
            access_key_id,
            alert: AlertStatus::New(Reason::FirstSeen),
            created_at: now,
            first_observed_at: now,
            updated_at: now,
            record: Record { severity, evidence: seen },
            storing: Storing::AtOnce,
        };
    };
    let alert = alert_status(stored, new_evidence(severity, &seen, stored));
    let storing = match alert {
        AlertStatus::New(Reason::NewEvidence(_)) => Storing::IfMarked(record(stored)),
        AlertStatus::New(_) | AlertStatus::Reported | AlertStatus::Suppressed => Storing::AtOnce,
    };
    Failing {
        id,
        finding,
        access_key_id,
        alert,
        created_at: stored.created_at,
        first_observed_at: if stored.active { stored.open_since() } else { now },
        updated_at: stored.next_update(now),
        record: Record { severity, evidence: merged(seen, stored) },
        storing,
    }
}

fn alert_status(stored: &Stored, new_evidence: Option<String>) -> AlertStatus {
    match (stored.workflow, stored.active, new_evidence) {
        (Workflow::Suppressed, ..) => AlertStatus::Suppressed,
        (_, false, _) => AlertStatus::New(Reason::CameBack),
        (Workflow::New, true, _) => AlertStatus::New(Reason::NotYetReported),
        (Workflow::Resolved, true, _) => AlertStatus::New(Reason::NotResolved),
        (Workflow::Notified, true, Some(evidence)) => AlertStatus::New(Reason::NewEvidence(evidence)),
        (Workflow::Notified, true, None) => AlertStatus::Reported,
    }
}

fn record(stored: &Stored) -> Record {
    Record { severity: stored.severity, evidence: stored.reported.clone() }
}

/// What the next run compares with: evidence that was reported is kept where this run could not read all of it. What is stored
/// of a finding that was not reported is not known to anybody.
fn merged(mut seen: ReportedEvidence, stored: &Stored) -> ReportedEvidence {
    let is_known = match stored.workflow {
        Workflow::Notified | Workflow::Suppressed => true,
        Workflow::New | Workflow::Resolved => false,
    };
    if is_known {
        if !seen.keys_whole {
            seen.keys.extend(stored.reported.keys.iter().cloned());
        }
        seen.last_used = seen.last_used.max(stored.reported.last_used);
    }
    seen
}

/// What was not reported with the stored finding, in words.
fn new_evidence(severity: Severity, seen: &ReportedEvidence, stored: &Stored) -> Option<String> {
    if stored.reported.last_used < seen.last_used {
        return seen.last_used.map(|used| format!("a new use on {}", text::moment(used)));
    }
    if let Some(key) = seen.keys.iter().find(|key| !stored.reported.keys.contains(*key)) {
        return Some(format!("an access key that was not named before, created {key}"));
    }
    (stored.severity < severity).then(|| format!("{severity} now, {} before", stored.severity))
}

/// Whether a finding has to be set to NEW before it is written: Security Hub does that by itself only when a closed finding is
/// opened again. Were new evidence stored first and the run cut short, no later run would see that it is new.
fn is_marked_first(failing: &Failing) -> bool {
    matches!(failing.alert, AlertStatus::New(Reason::NotResolved | Reason::NewEvidence(_)))
}

fn marks<'a>(failing: impl Iterator<Item = &'a Failing>, status: Workflow) -> Vec<Mark> {
    failing.map(|failing| Mark { id: failing.id.clone(), status, note: None }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::account::Account;
    use crate::alert::Alert;
    use crate::check::{Check, Kind};
    use crate::checks::CHECKS;
    use crate::decision::AlertOn;
    use crate::evaluate::{Scope, evaluate};
    use crate::outcome::{Outcome, Receipts};
    use crate::policy::Policy;
    use crate::source::{Coverage, SourceId, Unavailable, Users};
    use crate::subject::{FindingId, Subject};
    use crate::testing::{NOW, account, evaluated, service_credential, time, unavailable};

    const OLD_KEY: &str = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | false               | N/A                       | N/A
alice          | true                | 2021-06-20T05:16:50Z      | 2026-11-19T06:00:00Z
";
    const NO_KEY: &str = "
user           | password_enabled | mfa_active
<root_account> | false            | false
alice          | false            | true
";
    const OLD_KEY_ID: &str = "credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z";
    const ROOT_KEY: &str = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | true                | 2019-01-02T03:04:05Z      | 2026-11-19T06:00:00Z
";
    const YESTERDAY: &str = "2026-11-19T06:00:00Z";

    fn stored(id: &str) -> Stored {
        Stored {
            id: id.to_owned(),
            check: id.split('/').nth(1).unwrap().to_owned(),
            title: "An active access key is old".to_owned(),
            active: true,
            workflow: Workflow::Notified,
            severity: Severity::Medium,
            created_at: time("2026-10-01T06:00:00Z"),
            first_observed_at: Some(time("2026-10-02T06:00:00Z")),
            updated_at: time(YESTERDAY),
            arn: None,
            access_key_id: None,
            reported: ReportedEvidence::default(),
        }
    }

    fn known(stored: impl IntoIterator<Item = Stored>) -> BTreeMap<String, Stored> {
        stored.into_iter().map(|stored| (stored.id.clone(), stored)).collect()
    }

    const RULES: AlertRules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };

    fn decided(account: &Account, stored: &BTreeMap<String, Stored>) -> Decision {
        let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
        decide(evaluated(account), memory, &Enrichment::default(), RULES)
    }

    /// The decision's lines about the stored findings' checks.
    fn lines(account: &Account, stored: &BTreeMap<String, Stored>) -> String {
        let decision = decided(account, stored).to_string();
        let about = |line: &&str| stored.values().any(|stored| line.contains(&format!("/{}/", stored.check)));
        decision.lines().filter(about).collect::<Vec<_>>().join("\n")
    }

    fn lines_of_one(table: &str, stored: Stored) -> String {
        lines(&account(table), &known([stored]))
    }

    #[test]
    fn what_security_hub_does_not_have_is_new() {
        let decision = decided(&account(OLD_KEY), &BTreeMap::new());
        insta::assert_snapshot!(decision, @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (first seen)");
        assert!(
            decision
                .failing
                .iter()
                .all(|failing| failing.created_at == time(NOW) && failing.first_observed_at == time(NOW))
        );
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        insta::assert_snapshot!(lines_of_one(OLD_KEY, stored(OLD_KEY_ID)), @"reported   MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn times_keep_their_promises() {
        let account = account(OLD_KEY);
        let times = |stored: Stored| {
            let known = known([stored]);
            let decision = decided(&account, &known);
            let failing = decision.failing.iter().find(|failing| failing.id == OLD_KEY_ID).unwrap();
            [failing.created_at, failing.first_observed_at, failing.updated_at].map(|time| time.to_rfc3339())
        };
        let [created, first, now] =
            ["2026-10-01T06:00:00+00:00", "2026-10-02T06:00:00+00:00", "2026-11-20T06:00:00+00:00"];
        assert_eq!(times(stored(OLD_KEY_ID)), [created, first, now]);
        assert_eq!(times(Stored { active: false, ..stored(OLD_KEY_ID) }), [created, now, now], "reopened");
        assert_eq!(
            times(Stored { updated_at: time("2026-11-20T06:00:00Z"), ..stored(OLD_KEY_ID) })[2],
            "2026-11-20T06:00:00.001+00:00",
            "an update that is not later is ignored"
        );
        assert_eq!(
            times(Stored { updated_at: time("2027-01-01T00:00:00Z"), ..stored(OLD_KEY_ID) })[2],
            "2027-01-01T00:00:00.001+00:00"
        );
    }

    #[test]
    fn the_workflow_says_what_is_to_be_told() {
        let with = |workflow| lines_of_one(OLD_KEY, Stored { workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(with(Workflow::New), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (not told yet)");
        insta::assert_snapshot!(with(Workflow::Resolved), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was marked RESOLVED but still fails)");
        insta::assert_snapshot!(with(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let closed = |workflow| lines_of_one(OLD_KEY, Stored { active: false, workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(closed(Workflow::Notified), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was resolved and came back)");
        insta::assert_snapshot!(closed(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    const CREDENTIAL_ID: &str =
        "credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE";

    #[test]
    fn a_finding_whose_source_was_not_asked_for_stays_and_nobody_is_notified() {
        let mut account = account("user\n<root_account>");
        let of = |account: &Account| {
            let decision = decided(account, &known([stored(CREDENTIAL_ID)]));
            let outcome = Outcome { receipts: Receipts::default(), decision };
            let (is_due, decision) = (Alert::of(&outcome).is_due(), &outcome.decision);
            let (unknown, open) = (decision.unknown.len(), decision.open());
            format!("{decision}{unknown} unknown, {open} open, due: {is_due}")
        };
        let not_asked = "IAM does not know ListServiceSpecificCredentials here.".to_owned();
        account.service_credentials = Err(Unavailable::NotAsked(not_asked));
        insta::assert_snapshot!(of(&account), @"
        not asked  MEDIUM        credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE
        0 unknown, 1 open, due: false
        ");
        account.service_credentials = unavailable("ListServiceSpecificCredentials failed: AccessDenied.");
        insta::assert_snapshot!(of(&account), @"
        keep       MEDIUM        credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE
        3 unknown, 1 open, due: true
        ");
        account.service_credentials = Ok(vec![service_credential("bob", "ACCA1")]);
        insta::assert_snapshot!(of(&account), @"
        new        HIGH          credwarden/service-credential-without-expiry/123456789012/user/bob/credential/ACCA1 (first seen)
        close      MEDIUM        credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE (It is no longer in the account.)
        0 unknown, 1 open, due: true
        ");
    }

    #[test]
    fn only_what_security_hub_does_not_renew_is_renewed() {
        let account = account(OLD_KEY);
        let renewed = |stored: Stored| {
            let known = known([stored]);
            decided(&account, &known).failing.iter().any(is_marked_first)
        };
        assert!(renewed(Stored { workflow: Workflow::Resolved, ..stored(OLD_KEY_ID) }));
        assert!(renewed(Stored { severity: Severity::Low, ..stored(OLD_KEY_ID) }));
        assert!(!renewed(Stored { workflow: Workflow::Resolved, active: false, ..stored(OLD_KEY_ID) }));
        assert!(!renewed(Stored { workflow: Workflow::New, ..stored(OLD_KEY_ID) }));
        assert!(!renewed(stored(OLD_KEY_ID)));
    }

    #[test]
    fn new_evidence_is_told_again() {
        let used = |at: &str| {
            let reported = ReportedEvidence { last_used: Some(time(at)), ..ReportedEvidence::default() };
            lines_of_one(
                ROOT_KEY,
                Stored {
                    severity: Severity::High,
                    reported,
                    ..stored("credwarden/root-user-recently-used/123456789012/root")
                },
            )
        };
        insta::assert_snapshot!(used("2026-11-19T05:59:59Z"), @"new        HIGH          credwarden/root-user-recently-used/123456789012/root (a new use on 2026-11-19 06:00 UTC)");
        insta::assert_snapshot!(used("2026-11-19T06:00:00Z"), @"reported   HIGH          credwarden/root-user-recently-used/123456789012/root");
        let keys = |severity, stamps: &[&str]| {
            let reported = ReportedEvidence {
                keys: stamps.iter().map(|stamp| (*stamp).to_owned()).collect(),
                ..ReportedEvidence::default()
            };
            lines_of_one(
                ROOT_KEY,
                Stored { severity, reported, ..stored("credwarden/root-access-key-present/123456789012/root") },
            )
        };
        insta::assert_snapshot!(keys(Severity::Critical, &["20190102T030405Z"]), @"reported   CRITICAL      credwarden/root-access-key-present/123456789012/root");
        insta::assert_snapshot!(keys(Severity::Critical, &["20180102T030405Z"]), @"new        CRITICAL      credwarden/root-access-key-present/123456789012/root (an access key that was not named before, created 20190102T030405Z)");
        insta::assert_snapshot!(keys(Severity::High, &["20190102T030405Z"]), @"new        CRITICAL      credwarden/root-access-key-present/123456789012/root (CRITICAL now, HIGH before)");
    }

    #[test]
    fn evidence_that_a_run_could_not_see_is_kept() {
        let mut account = account(ROOT_KEY);
        account.report = unavailable("GetCredentialReport failed: AccessDenied.");
        account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        let reported = ReportedEvidence { keys: ["20190102T030405Z".to_owned()].into(), ..ReportedEvidence::default() };
        let id = "credwarden/root-access-key-present/123456789012/root";
        let known = known([Stored { severity: Severity::Critical, reported: reported.clone(), ..stored(id) }]);
        let decision = decided(&account, &known);
        let failing = decision.failing.iter().find(|failing| failing.id == id).unwrap();
        assert_eq!(failing.alert, AlertStatus::Reported);
        assert_eq!(failing.record.evidence, reported);
    }

    #[test]
    fn evidence_that_nobody_was_told_of_is_not_kept() {
        let mut account = account(ROOT_KEY);
        account.report = unavailable("GetCredentialReport failed: AccessDenied.");
        account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        let reported = ReportedEvidence { keys: ["20190102T030405Z".to_owned()].into(), ..ReportedEvidence::default() };
        let id = "credwarden/root-access-key-present/123456789012/root";
        let written = |workflow| {
            let stored = Stored { workflow, reported: reported.clone(), ..stored(id) };
            let known = known([stored]);
            let decision = decided(&account, &known);
            decision.failing.iter().find(|failing| failing.id == id).unwrap().record.evidence.keys.len()
        };
        // This run tells that there is a key, and cannot say which: the next one that sees it has to.
        assert_eq!([Workflow::New, Workflow::Resolved].map(written), [0, 0]);
        assert_eq!([Workflow::Notified, Workflow::Suppressed].map(written), [1, 1]);
    }

    #[test]
    fn a_root_key_that_becomes_active_is_told_though_it_was_there() {
        let both = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | true                | 2019-01-02T03:04:05Z      | false               | 2020-01-02T03:04:05Z
";
        let told = |table: &str| {
            let reported =
                ReportedEvidence { keys: ["20190102T030405Z".to_owned()].into(), ..ReportedEvidence::default() };
            let id = "credwarden/root-access-key-active/123456789012/root";
            lines_of_one(table, Stored { severity: Severity::Critical, reported, ..stored(id) })
        };
        insta::assert_snapshot!(told(both), @"reported   CRITICAL      credwarden/root-access-key-active/123456789012/root");
        insta::assert_snapshot!(told(&both.replace("false", "true ")), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
        let unreadable = both.replace("2019-01-02T03:04:05Z", "?                   ").replace("false", "true ");
        insta::assert_snapshot!(told(&unreadable), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
    }

    #[test]
    fn a_verdict_closes() {
        let inactive = OLD_KEY.replace("| true ", "| false");
        insta::assert_snapshot!(lines_of_one(&inactive, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(lines_of_one(&inactive, Stored { workflow: Workflow::Suppressed, ..stored(OLD_KEY_ID) }), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(lines_of_one(&inactive, Stored { active: false, ..stored(OLD_KEY_ID) }), @"");
    }

    #[test]
    fn who_is_gone_from_a_whole_report_is_gone() {
        insta::assert_snapshot!(lines_of_one(NO_KEY, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (It is no longer in the account.)");
        insta::assert_snapshot!(lines_of_one(NO_KEY, stored("credwarden/user-without-credentials/123456789012/user/bob")), @"
        new        LOW           credwarden/user-without-credentials/123456789012/user/alice (first seen)
        close      MEDIUM        credwarden/user-without-credentials/123456789012/user/bob (It is no longer in the account.)
        ");
    }

    #[test]
    fn a_report_that_is_not_whole_closes_nothing_by_absence() {
        let without_root = NO_KEY.replace("<root_account> | false            | false\n", "");
        insta::assert_snapshot!(lines_of_one(&without_root, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let mut damaged = account(NO_KEY);
        let short_row = "user,arn\n<root_account>,arn:aws:iam::123456789012:root\nalice\n";
        damaged.report.as_mut().unwrap().credentials =
            crate::report::CredentialReport::parse(short_row.as_bytes()).unwrap();
        insta::assert_snapshot!(lines(&damaged, &known([stored("credwarden/user-without-credentials/123456789012/user/bob")])), @"keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/bob");
        let no_date = OLD_KEY.replace("2021-06-20T05:16:50Z", "N/A");
        insta::assert_snapshot!(lines_of_one(&no_date, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let unreadable_date = OLD_KEY.replace("2021-06-20T05:16:50Z", "?");
        insta::assert_snapshot!(lines_of_one(&unreadable_date, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn unknown_closes_nothing() {
        let mut account = account(OLD_KEY);
        account.report = unavailable("GetCredentialReport failed: AccessDenied.");
        account.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        let ids = [
            OLD_KEY_ID,
            "credwarden/root-access-key-active/123456789012/root",
            "credwarden/root-mfa-disabled/123456789012/root",
        ];
        insta::assert_snapshot!(lines(&account, &known(ids.map(stored))), @"
        keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z
        keep       MEDIUM        credwarden/root-access-key-active/123456789012/root
        keep       MEDIUM        credwarden/root-mfa-disabled/123456789012/root
        ");
    }

    #[test]
    fn what_is_no_longer_checked_is_archived_but_not_resolved() {
        let policy = Policy { disabled_checks: vec!["access-key-not-rotated"], ..Policy::cis() };
        let evaluation = evaluate(&account(OLD_KEY), &policy, &Scope::All, time(NOW));
        let known = known([stored(OLD_KEY_ID), stored("credwarden/some-later-check/123456789012/root")]);
        let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: known };
        let decision = decide(evaluation, memory, &Enrichment::default(), RULES);
        assert_eq!(decision.closings.len(), 2);
        assert!(decision.closings.iter().all(|closing| !closing.is_resolved()));
        assert!(decision.failing.iter().all(|failing| failing.id != OLD_KEY_ID));
    }

    #[test]
    fn outside_the_scope_nothing_is_closed_or_counted_as_not_evaluated() {
        let ids = [
            "credwarden/root-access-key-active/123456789012/root",
            "credwarden/user-without-credentials/123456789012/user/bob",
            "credwarden/access-key-not-rotated/123456789012/user/carol/key/20210620T051650Z",
            "credwarden/some-later-check/123456789012/root",
            "credwarden/access-key-not-rotated/123456789012/account",
        ];
        let closed = |scope: &Scope| {
            let evaluation = evaluate(&account(NO_KEY), &Policy::cis(), scope, time(NOW));
            let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: known(ids.map(stored)) };
            let decision = decide(evaluation, memory, &Enrichment::default(), RULES);
            assert_eq!(decision.not_evaluated, []);
            decision.closings.into_iter().map(|closing| closing.stored.id).collect::<Vec<_>>()
        };
        let mut all = ids;
        all.sort_unstable();
        assert_eq!(closed(&Scope::All), all);
        assert_eq!(closed(&Scope::Root), [ids[0], ids[3]]);
        assert_eq!(closed(&Scope::User("bob".to_owned())), [ids[1]]);
        assert_eq!(closed(&Scope::User("dave".to_owned())), [""; 0]);
    }

    #[test]
    fn a_decision_is_read_as_it_was_written() {
        let mut account = account(ROOT_KEY);
        account.virtual_mfa_users = unavailable("ListVirtualMFADevices failed: AccessDenied.");
        let ids = ["root-access-key-present", "root-hardware-mfa-missing", "root-signing-certificate-present"]
            .map(|check| stored(&format!("credwarden/{check}/123456789012/root")));
        let decision = decided(&account, &known(ids));
        let sizes = (decision.closings.len(), decision.not_evaluated.len(), decision.unknown.len());
        assert_eq!((sizes, decision.marks.len()), ((1, 1, 1), 1));
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
        let other = text.replacen("\"version\":1", "\"version\":2", 1);
        let error = serde_json::from_str::<Decision>(&other).unwrap_err().to_string();
        assert!(error.starts_with("the decision has version 2, and this program knows version 1"), "{error}");
        let later = text.replacen("\"check\":\"root-access-key-active\"", "\"check\":\"of-tomorrow\"", 1);
        let error = serde_json::from_str::<Decision>(&later).unwrap_err().to_string();
        assert!(error.starts_with("this version has no check `of-tomorrow`"), "{error}");
    }

    /// A check whose subjects are listed by a second source.
    static OF_A_SECOND_SOURCE: Check =
        Check { id: "device-lost", listed_by: Some(SourceId::VirtualMfaDevices), kind: Kind::State, ..*CHECKS[11] };

    /// What a run reads of one source: users, of whom some fail.
    #[derive(Debug, Clone)]
    enum Read {
        /// All users, and whether the problem is there.
        Whole,
        /// Those users alone.
        Part(BTreeSet<String>),
        Failed,
        NotAsked,
    }

    /// What is in the account: for each source its users, and whether the problem is there.
    type World = [BTreeMap<String, bool>; 2];

    fn reads() -> impl Strategy<Value = Read> {
        prop_oneof![
            4 => Just(Read::Whole),
            2 => prop::collection::btree_set(name(), 0..3).prop_map(Read::Part),
            2 => Just(Read::Failed),
            1 => Just(Read::NotAsked),
        ]
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["alice", "bob", "carol", "dave"]).prop_map(str::to_owned)
    }

    fn worlds() -> impl Strategy<Value = World> {
        let users = || prop::collection::btree_map(name(), any::<bool>(), 0..4);
        [users(), users()]
    }

    /// The evaluation of what was read.
    fn seen(world: &World, reads: &[Read; 2], now: DateTime<Utc>) -> Evaluation {
        let mut evaluation = evaluated(&account("user\n<root_account>"));
        evaluation.evaluated_at = now;
        evaluation.findings.clear();
        let checks: [&'static Check; 2] = [CHECKS[11], &OF_A_SECOND_SOURCE];
        evaluation.checks = checks.to_vec();
        for ((check, users), read) in checks.into_iter().zip(world).zip(reads) {
            let (coverage, users) = match read {
                Read::Whole => (Coverage::Whole, users.clone()),
                Read::Part(some) => {
                    let users = users.iter().filter(|(user, _)| some.contains(*user));
                    let users = users.map(|(user, fails)| (user.clone(), *fails)).collect();
                    (Coverage::Part(Users::Only(some.clone())), users)
                }
                Read::Failed => (Coverage::Failed, BTreeMap::new()),
                Read::NotAsked => (Coverage::NotAsked, BTreeMap::new()),
            };
            evaluation.coverage.insert(check.listed_by.unwrap(), coverage);
            evaluation.findings.extend(users.iter().map(|(user, fails)| Finding {
                check,
                subject: Arc::new(Subject::user(user, None)),
                verdict: if *fails {
                    Verdict::failed("It fails.".to_owned(), Vec::new())
                } else {
                    Verdict::passed("It passes.")
                },
            }));
        }
        evaluation
    }

    /// What Security Hub has after the decision.
    fn carried_out(decision: &Decision, mut stored: BTreeMap<String, Stored>) -> BTreeMap<String, Stored> {
        for failing in &decision.failing {
            let known = stored.entry(failing.id.clone()).or_insert_with(|| self::stored(&failing.id));
            known.active = true;
        }
        for closing in &decision.closings {
            stored.get_mut(&closing.stored.id).unwrap().active = false;
        }
        stored
    }

    proptest! {
        /// A source that fails closes nothing of the other, and a finding is gone only when its own source was read.
        #[test]
        fn two_sources_fail_and_close_each_for_itself(
            days in prop::collection::vec((worlds(), [reads(), reads()]), 1..8),
        ) {
            let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
            for (day, (world, reads)) in days.iter().enumerate() {
                let now = time(NOW) + TimeDelta::days(i64::try_from(day).unwrap());
                let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
                let decision = decide(seen(world, reads, now), memory, &Enrichment::default(), RULES);
                let after = carried_out(&decision, stored.clone());
                let checks = [CHECKS[11].id, OF_A_SECOND_SOURCE.id];
                for (id, now) in &after {
                    let id = FindingId::parse(id).unwrap();
                    let source = checks.iter().position(|check| **check == id.check).unwrap();
                    let user = id.subject.user().unwrap();
                    let was_read = match &reads[source] {
                        Read::Whole => true,
                        Read::Part(some) => some.contains(user),
                        Read::Failed | Read::NotAsked => false,
                    };
                    let before = stored.get(&now.id).is_some_and(|stored| stored.active);
                    let expected = if was_read { world[source].get(user) == Some(&true) } else { before };
                    prop_assert_eq!(now.active, expected, "{} on day {}", now.id, day);
                    let is_in = |kept: &[Stored]| kept.iter().any(|kept| kept.id == now.id);
                    let (kept, asked) = (before && !was_read, !matches!(reads[source], Read::NotAsked));
                    prop_assert_eq!(is_in(&decision.not_evaluated), kept && asked, "{} on day {}", now.id, day);
                    prop_assert_eq!(is_in(&decision.not_asked), kept && !asked, "{} on day {}", now.id, day);
                }
                stored = after;
            }
        }
    }
}
