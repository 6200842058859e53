//! Compares a run's findings with those that Security Hub has, and plans what to write and whom to tell. Pure: the plan is
//! data, and `Display` prints it.
//!
//! The rule above the others: a finding is closed only by a verdict. What a run could not judge stays as it is.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::checks::CHECKS;
use crate::evaluate::{Evaluation, Population};
use crate::finding::{Finding, Novelties, Severity, Status, SubjectKind};
use crate::text;

/// A finding of ours that Security Hub has: no more of it than the next run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its identity.
    pub id: String,
    /// The check's id, from the `GeneratorId`.
    pub check: String,
    /// `Title`
    pub title: String,
    /// Whether `RecordState` is ACTIVE: open, not closed.
    pub active: bool,
    /// `Workflow.Status`
    pub workflow: Workflow,
    /// The provider's severity label.
    pub severity: Severity,
    /// `CreatedAt`
    pub created_at: DateTime<Utc>,
    /// `FirstObservedAt`
    pub first_observed_at: Option<DateTime<Utc>>,
    /// `UpdatedAt`
    pub updated_at: DateTime<Utc>,
    /// The ARN of the user or of root.
    pub arn: Option<String>,
    /// The access key's id, where it was known when the finding was written.
    pub access_key_id: Option<String>,
    /// What was told of it.
    pub novelties: Novelties,
}

/// Security Hub's workflow status, which is the state of our alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workflow {
    /// Not alerted yet.
    New,
    /// Alerted.
    Notified,
    /// Never to be alerted: a person's decision.
    Suppressed,
    /// A person says that it is fixed.
    Resolved,
}

/// What a run will do about its findings.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Every FAILED finding, worst first. All of them are sent.
    pub failing: Vec<Failing<'a>>,
    /// Open findings that are to be closed.
    pub closings: Vec<Closing<'a>>,
    /// Open findings on which this run has no verdict: they stay as they are.
    pub unjudged: Vec<&'a Stored>,
}

/// A finding to send.
#[derive(Debug, Clone)]
pub struct Failing<'a> {
    /// Its identity.
    pub id: String,
    /// The finding.
    pub finding: &'a Finding,
    /// Whether people know.
    pub standing: Standing,
    /// Whether its workflow has to be set to NEW before it is sent: Security Hub does that by itself only when a closed
    /// finding is opened again.
    pub renew: bool,
    /// `CreatedAt`: the first run that ever saw it.
    pub created_at: DateTime<Utc>,
    /// `FirstObservedAt`: the first run that saw it since it was last resolved.
    pub first_observed_at: DateTime<Utc>,
    /// `UpdatedAt`: later than the stored one, or Security Hub ignores the update without a word.
    pub updated_at: DateTime<Utc>,
    /// The severity to send.
    pub severity: Severity,
    /// What the next run compares with.
    pub novelties: Novelties,
}

/// Whether people know of a failing finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They are to be told, for this reason.
    New(Reason),
    /// They were told, and nothing that matters has changed.
    Told,
    /// They said that they do not want to be told.
    Suppressed,
}

/// Why a finding is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Security Hub does not have it.
    FirstSeen,
    /// Earlier runs saw it, but none told it.
    NotYetTold,
    /// It was closed, and the problem is back.
    CameBack,
    /// A person resolved it, and the problem is still there.
    NotResolved,
    /// There is something in it that was not told, in words.
    NewEvidence(String),
}

/// An open finding to close.
#[derive(Debug)]
pub struct Closing<'a> {
    /// What is closed.
    pub stored: &'a Stored,
    /// Why.
    pub because: Because<'a>,
    /// `UpdatedAt`
    pub updated_at: DateTime<Utc>,
}

/// Why a finding is closed.
#[derive(Debug, Clone, Copy)]
pub enum Because<'a> {
    /// This run's verdict is PASSED or `NOT_APPLICABLE`.
    Passed(&'a Finding),
    /// The user or the key is gone: a report that was read whole does not have it.
    Gone,
    /// The check is disabled, or this version does not have it. Nobody fixed anything.
    NotChecked,
}

impl Closing<'_> {
    /// Whether the problem is solved, as opposed to no longer looked for.
    pub fn is_resolved(&self) -> bool {
        match self.because {
            Because::Passed(_) | Because::Gone => true,
            Because::NotChecked => false,
        }
    }
}

impl Failing<'_> {
    /// The finding with what is stored of its evidence: so the next run still sees that there is news in it.
    #[must_use]
    pub fn with_stored_evidence(&self, stored: &Stored) -> Self {
        Self { severity: stored.severity, novelties: stored.novelties.clone(), ..self.clone() }
    }

    /// Whether people are to be told.
    pub fn is_new(&self) -> bool {
        matches!(self.standing, Standing::New(_))
    }
}

impl Plan<'_> {
    /// How many findings are open when the plan is carried out: new ones, standing ones, those that could not be judged.
    pub fn open(&self) -> usize {
        self.failing.len() + self.unjudged.len()
    }
}

/// Plans a run. `stored` are all of our findings in Security Hub, open and closed, by identity; with none of them known
/// (Security Hub off or unreadable) everything that fails is new.
pub fn reconcile<'a>(evaluation: &'a Evaluation, stored: &'a BTreeMap<String, Stored>, disabled: &[&str]) -> Plan<'a> {
    let now = evaluation.evaluated_at;
    let account = evaluation.account_id.as_deref();
    let mut verdicts: BTreeMap<String, &Finding> = BTreeMap::new();
    let mut failing = Vec::new();
    for finding in &evaluation.findings {
        let id = finding.id(account);
        if finding.status == Status::Failed {
            failing.push(plan_failing(id, finding, stored, now));
        } else if stored.contains_key(&id) {
            verdicts.insert(id, finding);
        }
    }
    failing.sort_by(|one, other| one.finding.urgency().cmp(&other.finding.urgency()));

    let mut closings = Vec::new();
    let mut unjudged = Vec::new();
    let failing_ids: std::collections::BTreeSet<&str> = failing.iter().map(|failing| failing.id.as_str()).collect();
    for stored in stored.values().filter(|stored| stored.active && !failing_ids.contains(stored.id.as_str())) {
        match why_closed(stored, verdicts.get(&stored.id).copied(), &evaluation.population, disabled) {
            Some(because) => closings.push(Closing { stored, because, updated_at: after(stored, now) }),
            None => unjudged.push(stored),
        }
    }
    closings.sort_by_key(|closing| (std::cmp::Reverse(closing.stored.severity), &closing.stored.id));
    Plan { failing, closings, unjudged }
}

fn plan_failing<'a>(
    id: String,
    finding: &'a Finding,
    stored: &BTreeMap<String, Stored>,
    now: DateTime<Utc>,
) -> Failing<'a> {
    let seen = finding.novelties.clone().unwrap_or_default();
    let Some(stored) = stored.get(&id) else {
        return Failing {
            id,
            finding,
            standing: Standing::New(Reason::FirstSeen),
            renew: false,
            created_at: now,
            first_observed_at: now,
            updated_at: now,
            severity: finding.severity,
            novelties: seen,
        };
    };
    let news = news(finding, &seen, stored);
    let standing = match (stored.workflow, stored.active, news) {
        (Workflow::Suppressed, ..) => Standing::Suppressed,
        (_, false, _) => Standing::New(Reason::CameBack),
        (Workflow::New, true, _) => Standing::New(Reason::NotYetTold),
        (Workflow::Resolved, true, _) => Standing::New(Reason::NotResolved),
        (Workflow::Notified, true, Some(news)) => Standing::New(Reason::NewEvidence(news)),
        (Workflow::Notified, true, None) => Standing::Told,
    };
    Failing {
        id,
        finding,
        renew: matches!(standing, Standing::New(Reason::NotResolved | Reason::NewEvidence(_))),
        standing,
        created_at: stored.created_at,
        first_observed_at: if stored.active { stored.first_observed_at.unwrap_or(stored.created_at) } else { now },
        updated_at: after(stored, now),
        severity: finding.severity,
        novelties: merged(seen, stored),
    }
}

/// What the next run compares with: a run that could not see everything does not make forgotten what was told. What is stored
/// of a finding that nobody was told of yet is not known to anybody.
fn merged(mut seen: Novelties, stored: &Stored) -> Novelties {
    let is_known = match stored.workflow {
        Workflow::Notified | Workflow::Suppressed => true,
        Workflow::New | Workflow::Resolved => false,
    };
    if is_known {
        if !seen.keys_whole {
            seen.keys.extend(stored.novelties.keys.iter().cloned());
        }
        seen.last_used = seen.last_used.max(stored.novelties.last_used);
    }
    seen
}

/// What the stored finding did not tell, in words.
fn news(finding: &Finding, seen: &Novelties, stored: &Stored) -> Option<String> {
    if stored.novelties.last_used < seen.last_used {
        return seen.last_used.map(|used| format!("a new use on {}", text::moment(used)));
    }
    if let Some(key) = seen.keys.iter().find(|key| !stored.novelties.keys.contains(*key)) {
        return Some(format!("an access key that was not named before, created {key}"));
    }
    (stored.severity < finding.severity).then(|| format!("{} now, {} before", finding.severity, stored.severity))
}

fn why_closed<'a>(
    stored: &Stored,
    verdict: Option<&'a Finding>,
    population: &Population,
    disabled: &[&str],
) -> Option<Because<'a>> {
    let known = CHECKS.iter().any(|check| check.id == stored.check);
    if !known || disabled.contains(&stored.check.as_str()) {
        return Some(Because::NotChecked);
    }
    match verdict {
        Some(finding) => match finding.status {
            Status::Passed | Status::NotApplicable => Some(Because::Passed(finding)),
            Status::Unknown | Status::Failed => None,
        },
        None => (population.whole && !population.blurred_users.contains(user_of(subject_of(&stored.id))))
            .then_some(Because::Gone),
    }
}

/// The subject's part of an identity.
pub fn subject_of(id: &str) -> &str {
    id.splitn(4, '/').nth(3).unwrap_or_default()
}

/// What kind of subject the part of an identity names.
pub fn kind_of(subject: &str) -> SubjectKind {
    match subject {
        "root" => SubjectKind::Root,
        "account" => SubjectKind::Account,
        _ if subject.contains("/key/") => SubjectKind::AccessKey,
        _ => SubjectKind::User,
    }
}

/// The user's name in a subject's part of an identity.
pub fn user_of(subject: &str) -> &str {
    let user = subject.strip_prefix("user/").unwrap_or(subject);
    user.rsplit_once("/key/").map_or(user, |(user, _)| user)
}

fn after(stored: &Stored, now: DateTime<Utc>) -> DateTime<Utc> {
    now.max(stored.updated_at + TimeDelta::milliseconds(1))
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Failing { id, finding, standing, .. } in &self.failing {
            let (word, why) = match standing {
                Standing::New(reason) => ("new", format!(" ({reason})")),
                Standing::Told => ("told", String::new()),
                Standing::Suppressed => ("suppressed", String::new()),
            };
            writeln!(formatter, "{word:10} {:13} {}{why}", finding.severity, text::inert(id))?;
        }
        for Closing { stored, because, .. } in &self.closings {
            writeln!(formatter, "{:10} {:13} {} ({because})", "close", stored.severity, text::inert(&stored.id))?;
        }
        for stored in &self.unjudged {
            writeln!(formatter, "{:10} {:13} {}", "keep", stored.severity, text::inert(&stored.id))?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSeen => formatter.write_str("first seen"),
            Self::NotYetTold => formatter.write_str("not told yet"),
            Self::CameBack => formatter.write_str("it was resolved and came back"),
            Self::NotResolved => formatter.write_str("it was marked RESOLVED but still fails"),
            Self::NewEvidence(news) => formatter.write_str(news),
        }
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(finding) => formatter.write_str(&finding.message),
            Self::Gone => formatter.write_str("It is no longer in the account."),
            Self::NotChecked => formatter.write_str("It is no longer checked."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::testing::{NOW, account, evaluated, time, unavailable};

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
            novelties: Novelties::default(),
        }
    }

    fn known(stored: impl IntoIterator<Item = Stored>) -> BTreeMap<String, Stored> {
        stored.into_iter().map(|stored| (stored.id.clone(), stored)).collect()
    }

    /// The plan's lines about the stored findings' checks.
    fn plan(snapshot: &Snapshot, stored: &BTreeMap<String, Stored>, disabled: &[&str]) -> String {
        let evaluation = evaluated(snapshot);
        let plan = reconcile(&evaluation, stored, disabled).to_string();
        let about = |line: &&str| stored.values().any(|stored| line.contains(&format!("/{}/", stored.check)));
        plan.lines().filter(about).collect::<Vec<_>>().join("\n")
    }

    fn plan_one(table: &str, stored: Stored) -> String {
        plan(&account(table), &known([stored]), &[])
    }

    #[test]
    fn what_security_hub_does_not_have_is_new() {
        let evaluation = evaluated(&account(OLD_KEY));
        let nothing = BTreeMap::new();
        let plan = reconcile(&evaluation, &nothing, &[]);
        insta::assert_snapshot!(plan, @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (first seen)");
        assert!(
            plan.failing
                .iter()
                .all(|failing| failing.created_at == time(NOW) && failing.first_observed_at == time(NOW))
        );
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        insta::assert_snapshot!(plan_one(OLD_KEY, stored(OLD_KEY_ID)), @"told       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn times_keep_their_promises() {
        let evaluation = evaluated(&account(OLD_KEY));
        let times = |stored: Stored| {
            let known = known([stored]);
            let plan = reconcile(&evaluation, &known, &[]);
            let failing = plan.failing.iter().find(|failing| failing.id == OLD_KEY_ID).unwrap();
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
        let with = |workflow| plan_one(OLD_KEY, Stored { workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(with(Workflow::New), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (not told yet)");
        insta::assert_snapshot!(with(Workflow::Resolved), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was marked RESOLVED but still fails)");
        insta::assert_snapshot!(with(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let closed = |workflow| plan_one(OLD_KEY, Stored { active: false, workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(closed(Workflow::Notified), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was resolved and came back)");
        insta::assert_snapshot!(closed(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn only_what_security_hub_does_not_renew_is_renewed() {
        let evaluation = evaluated(&account(OLD_KEY));
        let renewed = |stored: Stored| {
            let known = known([stored]);
            reconcile(&evaluation, &known, &[]).failing.iter().any(|failing| failing.renew)
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
            let novelties = Novelties { last_used: Some(time(at)), ..Novelties::default() };
            plan_one(
                ROOT_KEY,
                Stored {
                    severity: Severity::High,
                    novelties,
                    ..stored("credwarden/root-user-recently-used/123456789012/root")
                },
            )
        };
        insta::assert_snapshot!(used("2026-11-19T05:59:59Z"), @"new        HIGH          credwarden/root-user-recently-used/123456789012/root (a new use on 2026-11-19 06:00 UTC)");
        insta::assert_snapshot!(used("2026-11-19T06:00:00Z"), @"told       HIGH          credwarden/root-user-recently-used/123456789012/root");
        let keys = |severity, stamps: &[&str]| {
            let novelties =
                Novelties { keys: stamps.iter().map(|stamp| (*stamp).to_owned()).collect(), ..Novelties::default() };
            plan_one(
                ROOT_KEY,
                Stored { severity, novelties, ..stored("credwarden/root-access-key-present/123456789012/root") },
            )
        };
        insta::assert_snapshot!(keys(Severity::Critical, &["20190102T030405Z"]), @"told       CRITICAL      credwarden/root-access-key-present/123456789012/root");
        insta::assert_snapshot!(keys(Severity::Critical, &["20180102T030405Z"]), @"new        CRITICAL      credwarden/root-access-key-present/123456789012/root (an access key that was not named before, created 20190102T030405Z)");
        insta::assert_snapshot!(keys(Severity::High, &["20190102T030405Z"]), @"new        CRITICAL      credwarden/root-access-key-present/123456789012/root (CRITICAL now, HIGH before)");
    }

    #[test]
    fn evidence_that_a_run_could_not_see_is_kept() {
        let mut snapshot = account(ROOT_KEY);
        snapshot.report = unavailable("GetCredentialReport failed: AccessDenied.");
        snapshot.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        let evaluation = evaluated(&snapshot);
        let novelties = Novelties { keys: ["20190102T030405Z".to_owned()].into(), ..Novelties::default() };
        let id = "credwarden/root-access-key-present/123456789012/root";
        let known = known([Stored { severity: Severity::Critical, novelties: novelties.clone(), ..stored(id) }]);
        let plan = reconcile(&evaluation, &known, &[]);
        let failing = plan.failing.iter().find(|failing| failing.id == id).unwrap();
        assert_eq!(failing.standing, Standing::Told);
        assert_eq!(failing.novelties, novelties);
    }

    #[test]
    fn evidence_that_nobody_was_told_of_is_not_kept() {
        let mut snapshot = account(ROOT_KEY);
        snapshot.report = unavailable("GetCredentialReport failed: AccessDenied.");
        snapshot.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        let evaluation = evaluated(&snapshot);
        let novelties = Novelties { keys: ["20190102T030405Z".to_owned()].into(), ..Novelties::default() };
        let id = "credwarden/root-access-key-present/123456789012/root";
        let written = |workflow| {
            let stored = Stored { workflow, novelties: novelties.clone(), ..stored(id) };
            let known = known([stored]);
            let plan = reconcile(&evaluation, &known, &[]);
            plan.failing.iter().find(|failing| failing.id == id).unwrap().novelties.keys.len()
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
            let novelties = Novelties { keys: ["20190102T030405Z".to_owned()].into(), ..Novelties::default() };
            let id = "credwarden/root-access-key-active/123456789012/root";
            plan_one(table, Stored { severity: Severity::Critical, novelties, ..stored(id) })
        };
        insta::assert_snapshot!(told(both), @"told       CRITICAL      credwarden/root-access-key-active/123456789012/root");
        insta::assert_snapshot!(told(&both.replace("false", "true ")), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
        let unreadable = both.replace("2019-01-02T03:04:05Z", "?                   ").replace("false", "true ");
        insta::assert_snapshot!(told(&unreadable), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
    }

    #[test]
    fn a_verdict_closes() {
        let inactive = OLD_KEY.replace("| true ", "| false");
        insta::assert_snapshot!(plan_one(&inactive, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(plan_one(&inactive, Stored { workflow: Workflow::Suppressed, ..stored(OLD_KEY_ID) }), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(plan_one(&inactive, Stored { active: false, ..stored(OLD_KEY_ID) }), @"");
    }

    #[test]
    fn who_is_gone_from_a_whole_report_is_gone() {
        insta::assert_snapshot!(plan_one(NO_KEY, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (It is no longer in the account.)");
        insta::assert_snapshot!(plan_one(NO_KEY, stored("credwarden/user-without-credentials/123456789012/user/bob")), @"
        new        LOW           credwarden/user-without-credentials/123456789012/user/alice (first seen)
        close      MEDIUM        credwarden/user-without-credentials/123456789012/user/bob (It is no longer in the account.)
        ");
    }

    #[test]
    fn a_report_that_is_not_whole_closes_nothing_by_absence() {
        let without_root = NO_KEY.replace("<root_account> | false            | false\n", "");
        insta::assert_snapshot!(plan_one(&without_root, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let mut damaged = account(NO_KEY);
        let short_row = "user,arn\n<root_account>,arn:aws:iam::123456789012:root\nalice\n";
        damaged.report.as_mut().unwrap().credentials =
            crate::report::CredentialReport::parse(short_row.as_bytes()).unwrap();
        insta::assert_snapshot!(plan(&damaged, &known([stored("credwarden/user-without-credentials/123456789012/user/bob")]), &[]), @"keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/bob");
        let no_date = OLD_KEY.replace("2021-06-20T05:16:50Z", "N/A");
        insta::assert_snapshot!(plan_one(&no_date, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let unreadable_date = OLD_KEY.replace("2021-06-20T05:16:50Z", "?");
        insta::assert_snapshot!(plan_one(&unreadable_date, stored(OLD_KEY_ID)), @"keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn unknown_closes_nothing() {
        let mut snapshot = account(OLD_KEY);
        snapshot.report = unavailable("GetCredentialReport failed: AccessDenied.");
        snapshot.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        let ids = [
            OLD_KEY_ID,
            "credwarden/root-access-key-active/123456789012/root",
            "credwarden/root-mfa-disabled/123456789012/root",
        ];
        insta::assert_snapshot!(plan(&snapshot, &known(ids.map(stored)), &[]), @"
        keep       MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z
        keep       MEDIUM        credwarden/root-access-key-active/123456789012/root
        keep       MEDIUM        credwarden/root-mfa-disabled/123456789012/root
        ");
    }

    #[test]
    fn what_is_no_longer_checked_is_archived_but_not_resolved() {
        let evaluation = crate::evaluate::evaluate(
            &account(OLD_KEY),
            &crate::policy::Policy::cis(),
            &["access-key-not-rotated"],
            time(NOW),
        );
        let known = known([stored(OLD_KEY_ID), stored("credwarden/some-later-check/123456789012/root")]);
        let plan = reconcile(&evaluation, &known, &["access-key-not-rotated"]);
        assert_eq!(plan.closings.len(), 2);
        assert!(plan.closings.iter().all(|closing| !closing.is_resolved()));
        assert!(plan.failing.iter().all(|failing| failing.id != OLD_KEY_ID));
    }

    #[test]
    fn identities_come_apart() {
        assert_eq!(subject_of(OLD_KEY_ID), "user/alice/key/20210620T051650Z");
        assert_eq!(user_of("user/alice/key/20210620T051650Z-2"), "alice");
        assert_eq!(user_of("user/key"), "key");
        assert_eq!(kind_of("user/key"), SubjectKind::User);
        assert_eq!(kind_of("root"), SubjectKind::Root);
        assert_eq!(kind_of("user/root/key/slot-1"), SubjectKind::AccessKey);
    }
}
