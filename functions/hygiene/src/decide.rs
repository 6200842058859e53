//! Compares the findings of a run with those of earlier runs, and decides every action of the run. Pure.
//!
//! The main rule: a finding is closed only by a verdict, or when the source that lists its subject was read completely
//! and does not have it. Findings that a run could not evaluate stay open.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::mem;

use chrono::{DateTime, Utc};

use crate::account::Doubt;
use crate::check::Kind;
use crate::decision::{
    AlertRules, AlertStatus, CloseReason, Closing, Decision, Failing, Hub, Mark, Reason, Record, Storing, Version,
};
use crate::enrichment::Enrichment;
use crate::evaluate::Evaluation;
use crate::finding::Finding;
use crate::memory::{Memory, Stored, Workflow};
use crate::problems::{Problems, Step};
use crate::report::ColumnError;
use crate::source::{Coverage, SourceId, Unavailable, Users};
use crate::subject::{FindingId, KeyTag, Subject, SubjectId};
use crate::uses::{PASSWORD, Uses};
use crate::verdict::{Failure, ReportedEvidence, Severity, Verdict};
use crate::{text, twins};

/// Decides the actions for the findings of a run, from the stored findings of earlier runs. Without those every failing
/// finding is new.
pub fn decide(mut evaluation: Evaluation, memory: Memory, enrichment: &Enrichment, rules: AlertRules) -> Decision {
    let (hub, mut stored) = match memory {
        Memory::Recalled { region, findings } => (Hub::Read { region }, findings),
        Memory::Off => (Hub::Off, BTreeMap::new()),
        Memory::Unread => (Hub::Unread, BTreeMap::new()),
    };
    let (counts, now) = (evaluation.counts(), evaluation.evaluated_at);
    let ignored = stored.values().filter(|stored| !stored.takes_updates()).count();
    let (mut failing, mut unknown, mut ends) = (Vec::new(), Vec::new(), Ends::default());
    let mut enrichment = Cow::Borrowed(enrichment);
    let undecided = twins::assign_identities(&stored, &mut evaluation, &mut enrichment);
    let keys = Keys::of(&evaluation, &stored);
    let later_report = later_report(stored.values(), &evaluation);
    let mut id = String::new();
    for finding in mem::take(&mut evaluation.findings) {
        id.clear();
        let _ = write!(id, "{}", finding.id(evaluation.account_id.as_deref()));
        let known = stored.remove(&id);
        match &finding.verdict {
            Verdict::Failed(_)
                if keys.is_known_by_date(&finding)
                    || would_be_reopened_by_earlier(known.as_ref(), &finding, &evaluation) => {}
            Verdict::Failed(_) => {
                let access_key_id = enrichment.access_key_id(&finding).map(str::to_owned);
                let finding = match &known {
                    Some(known) if evaluation.is_blind_on(&finding) || is_of_earlier(&finding, known, &evaluation) => {
                        finding.at_most(known.severity)
                    }
                    Some(_) | None => finding,
                };
                let another =
                    known.as_ref().and_then(|known| another_subject(&finding, known, &undecided, &evaluation));
                failing.push(compared(
                    mem::take(&mut id),
                    finding,
                    access_key_id,
                    known.as_ref(),
                    another,
                    &evaluation,
                ));
            }
            verdict @ (Verdict::Passed(_) | Verdict::NotApplicable(_) | Verdict::Unknown(_)) => {
                if let Some(known) = known {
                    let end = end_of(&known, Some(verdict), &evaluation, &keys);
                    match held(&known, &finding, &evaluation) {
                        Some(held) => failing.push(held),
                        None => ends.add(known, end, &evaluation),
                    }
                }
                if matches!(verdict, Verdict::Unknown(_)) && !finding.not_given() {
                    unknown.push(finding);
                }
            }
        }
    }
    for known in stored.into_values().filter(|known| evaluation.scope.contains(&known.subject())) {
        let end = end_of(&known, None, &evaluation, &keys);
        ends.add(known, end, &evaluation);
    }

    failing.sort_by_cached_key(|failing| failing.finding.urgency());
    let Ends { mut closings, mut not_evaluated, mut not_asked, blind_spots } = ends;
    closings.retain(|closing| !closing.stored.is_frozen());
    for closing in &mut closings {
        closing.only_with_mark = twins::first_of(&closing.stored, &undecided);
    }
    closings.sort_by_cached_key(|closing| (Reverse(closing.stored.severity), closing.stored.id.clone()));
    for kept in [&mut not_evaluated, &mut not_asked] {
        kept.sort_by(|one, other| one.id.cmp(&other.id));
    }
    let mut decision = Decision {
        version: Version::CURRENT,
        account_id: evaluation.account_id.clone(),
        account_name: None,
        partition: evaluation.partition.clone(),
        evaluated_at: now,
        report_was_read: evaluation.report_was_read,
        report_generated_at: evaluation.report_generated_at,
        counts,
        hub,
        rules,
        problems: problems(later_report, ignored, &evaluation),
        marks: Vec::new(),
        marks_when_sent: Vec::new(),
        failing,
        closings,
        not_evaluated,
        not_asked,
        unknown,
        is_blind: false,
    };
    decision.is_blind = is_blind(&decision, &blind_spots);
    decision.marks = marks(decision.failing.iter().filter(|failing| is_marked_first(failing)), Workflow::New);
    let is_marked = |failing: &&Failing| !matches!(failing.alert, AlertStatus::New(Reason::NewWhileSuppressed(_)));
    decision.marks_when_sent = marks(decision.reported_as_new().filter(is_marked), Workflow::Notified);
    decision
}

/// Stored findings that do not fail in this run.
#[derive(Default)]
struct Ends {
    closings: Vec<Closing>,
    not_evaluated: Vec<Stored>,
    not_asked: Vec<Stored>,
    /// By identity, for findings that were not evaluated because of blind spots: the subjects of these blind spots.
    blind_spots: BTreeMap<String, BTreeSet<SubjectId<'static>>>,
}

impl Ends {
    fn add(&mut self, stored: Stored, end: End, evaluation: &Evaluation) {
        if !stored.active {
            return;
        }
        let generated_at = evaluation.report_generated_at;
        let updated_at = stored.next_update(evaluation.evaluated_at);
        match end {
            End::Closed(reason) => {
                self.closings.push(Closing { stored, reason, generated_at, updated_at, only_with_mark: None });
            }
            End::NotAsked => self.not_asked.push(stored),
            End::BlindSpots(subjects) => {
                self.blind_spots.insert(stored.id.clone(), subjects);
                self.not_evaluated.push(stored);
            }
            End::NotEvaluated => self.not_evaluated.push(stored),
        }
    }
}

/// The action for a stored finding that does not fail in this run.
enum End {
    /// It is closed.
    Closed(CloseReason),
    /// It stays open: because of the blind spots of these subjects, it is unknown whether it still fails.
    BlindSpots(BTreeSet<SubjectId<'static>>),
    /// It stays open, since its source was not requested.
    NotAsked,
    /// It stays open for another reason.
    NotEvaluated,
}

fn end_of(stored: &Stored, verdict: Option<&Verdict>, evaluation: &Evaluation, keys: &Keys) -> End {
    if let Some(reason) = close_reason(stored, verdict, evaluation, keys) {
        return End::Closed(reason);
    }
    let not_asked = match verdict {
        Some(verdict) => matches!(verdict, Verdict::Unknown(Unavailable::NotAsked(_))),
        None => evaluation.check(&stored.check).is_some_and(|check| evaluation.has_not_asked(check)),
    };
    if not_asked {
        return End::NotAsked;
    }
    match blind_spots_of(&stored.subject(), verdict, evaluation) {
        Some(subjects) if rests_on_report(stored, evaluation) => End::BlindSpots(subjects),
        Some(_) | None => End::NotEvaluated,
    }
}

/// Returns the subjects of the blind spots due to which the stored finding could not be evaluated; `None` for any other
/// reason.
fn blind_spots_of(
    stored: &SubjectId<'_>,
    verdict: Option<&Verdict>,
    evaluation: &Evaluation,
) -> Option<BTreeSet<SubjectId<'static>>> {
    let own = || match stored.user() {
        Some(user) => SubjectId::User(user.to_owned().into()),
        None => stored.clone().into_owned(),
    };
    match verdict {
        Some(Verdict::Unknown(Unavailable::BlindSpot { .. })) => Some([own()].into()),
        Some(_) => None,
        None => match evaluation.coverage.get(&SourceId::CredentialReport)? {
            // A key with an unreadable date can be any key of the user.
            Coverage::Part(Users::AllBut(_)) => Some([own()].into()),
            Coverage::Part(Users::Only(_)) => evaluation.lost_rows.clone(),
            Coverage::Whole | Coverage::Failed | Coverage::NotAsked => None,
        },
    }
}

/// Whether a reportable open finding could not be evaluated, for a reason that is not reported elsewhere. A blind spot
/// is reported once, by its own finding.
fn is_blind(decision: &Decision, blind_spots: &BTreeMap<String, BTreeSet<SubjectId<'static>>>) -> bool {
    let reported = reported_blind_spots(decision);
    let matters = |stored: &&Stored| decision.is_reportable(stored.severity) && stored.workflow != Workflow::Suppressed;
    decision.not_evaluated.iter().filter(matters).any(|stored| {
        let subjects = blind_spots.get(&stored.id);
        subjects.is_none_or(|subjects| subjects.iter().any(|subject| !reported.contains(subject)))
    })
}

/// The subjects of blind spots that this run or an earlier run reports.
fn reported_blind_spots(decision: &Decision) -> BTreeSet<SubjectId<'_>> {
    let blind_spots = decision.failing.iter().filter(|failing| failing.finding.is_blind_spot());
    let reported = blind_spots.filter(|failing| !failing.is_new() || decision.is_reportable(failing.severity()));
    reported.map(|failing| failing.finding.subject.id()).collect()
}

/// Returns the errors that the report and the stored findings cause. `ignored` is the number of stored findings whose
/// updates Security Hub may ignore.
fn problems(later_report: Option<DateTime<Utc>>, ignored: usize, evaluation: &Evaluation) -> Problems {
    let mut problems = Problems::default();
    for doubt in &evaluation.doubts {
        if doubt.is_failure() {
            problems.fail(Step::Collect, format!("{doubt}; it closes nothing"));
        } else {
            problems.note(format!("{doubt}; it closes nothing by an absence"));
        }
    }
    for columns in ColumnError::described(&evaluation.unreadable_columns) {
        problems.fail(Step::Collect, columns);
    }
    if let Some((stored, generated)) = later_report.zip(evaluation.report_generated_at) {
        let (stored, generated) = (text::moment(stored), text::moment(generated));
        let older = format!("the credential report is of {generated}, and open findings rest on one of {stored}");
        problems.fail(Step::Collect, format!("{older}; it closes none of them"));
    }
    if ignored > 0 {
        let (findings, their) = (text::counted(ignored as u64, "finding"), if ignored == 1 { "its" } else { "their" });
        let why = format!("{their} UpdatedAt cannot be read, or leaves no later time");
        problems.note(format!("Security Hub may ignore what is written of {findings}: {why}"));
    }
    problems
}

/// How access keys are identified: by creation date, or by slot if the date is unreadable.
#[derive(Default)]
struct Keys {
    /// The checks and users with an open finding on a key that is identified by its date.
    open_by_date: BTreeSet<(String, String)>,
    /// The users and slots of this run's keys that are identified by date.
    dated: BTreeSet<(String, u8)>,
}

impl Keys {
    /// Collects only the needed entries: none if every key is identified by date.
    fn of(evaluation: &Evaluation, stored: &BTreeMap<String, Stored>) -> Self {
        let is_by_slot = |subject: &SubjectId<'_>| matches!(subject, SubjectId::AccessKey { key: KeyTag::Slot(_), .. });
        let mut keys = Self::default();
        if evaluation.findings.iter().any(|finding| is_by_slot(&finding.subject.id())) {
            for stored in stored.values().filter(|stored| stored.active) {
                if let SubjectId::AccessKey { user, key: KeyTag::Created { .. } } = stored.subject() {
                    keys.open_by_date.insert((stored.check.clone(), user.into_owned()));
                }
            }
        }
        if stored.values().any(|stored| is_by_slot(&stored.subject())) {
            let dated = evaluation.findings.iter().filter_map(|finding| finding.subject.access_key());
            let dated = dated.filter(|key| key.created.is_some());
            keys.dated = dated.map(|key| (key.user.name.clone(), key.slot)).collect();
        }
        keys
    }

    /// Whether the finding identifies its key by slot while the user has an open finding of the same check on a key by
    /// date. It may be the same key, with a date that is unreadable in this run.
    fn is_known_by_date(&self, finding: &Finding) -> bool {
        finding.subject.access_key().is_some_and(|key| {
            key.created.is_none() && self.open_by_date.contains(&(finding.check.id.to_owned(), key.user.name.clone()))
        })
    }

    /// Whether a key that was identified by its slot is now identified by its date.
    fn has_date_again(&self, subject: &SubjectId<'_>) -> bool {
        match subject {
            SubjectId::AccessKey { user, key: KeyTag::Slot(slot) } => {
                self.dated.contains(&(user.clone().into_owned(), *slot))
            }
            SubjectId::AccessKey { .. }
            | SubjectId::ServiceCredential { .. }
            | SubjectId::Root
            | SubjectId::Account
            | SubjectId::User(_)
            | SubjectId::Other(_) => false,
        }
    }
}

fn rests_on_report(stored: &Stored, evaluation: &Evaluation) -> bool {
    evaluation.check(&stored.check).is_some_and(|check| check.reads(SourceId::CredentialReport))
}

/// Returns the generation time of the latest report that an open finding is based on, if the report of this run is
/// older.
fn later_report<'s>(stored: impl Iterator<Item = &'s Stored>, evaluation: &Evaluation) -> Option<DateTime<Utc>> {
    let open = stored.filter(|stored| stored.active && evaluation.scope.contains(&stored.subject()));
    let later = open.filter(|stored| rests_on_report(stored, evaluation) && is_earlier(evaluation, stored));
    later.filter_map(|stored| stored.generated_at).max()
}

/// Whether this run's report is older than the report that the stored finding is based on.
fn is_earlier(evaluation: &Evaluation, stored: &Stored) -> bool {
    // A time in the future was wrong.
    let known = stored.generated_at.filter(|known| *known <= evaluation.evaluated_at);
    evaluation.report_generated_at.zip(known).is_some_and(|(generated, known)| generated < known)
}

/// Whether the finding is based on a report that is older than that of the stored finding.
fn is_of_earlier(finding: &Finding, stored: &Stored, evaluation: &Evaluation) -> bool {
    finding.rests_on(SourceId::CredentialReport) && is_earlier(evaluation, stored)
}

/// Whether a closed finding would be reopened by a report that is older than the report that closed it.
fn would_be_reopened_by_earlier(stored: Option<&Stored>, finding: &Finding, evaluation: &Evaluation) -> bool {
    let rests_on_report = finding.check.reads(SourceId::CredentialReport);
    stored.is_some_and(|stored| !stored.active && rests_on_report && is_earlier(evaluation, stored))
}

fn close_reason(
    stored: &Stored,
    verdict: Option<&Verdict>,
    evaluation: &Evaluation,
    keys: &Keys,
) -> Option<CloseReason> {
    let (Some(check), Ok(id)) = (evaluation.check(&stored.check), FindingId::parse(&stored.id)) else {
        return Some(CloseReason::NotChecked);
    };
    // The check never produces this identity, so no run will have a verdict on it.
    if id.check != check.id || !check.judges(&id.subject) {
        return Some(CloseReason::NotChecked);
    }
    // A report can be older than a live source, so it does not close a finding of that source.
    if check.sources.first().is_some_and(|source| evaluation.lacks(*source)) {
        return None;
    }
    let is_unreliable = || is_earlier(evaluation, stored) || evaluation.doubts.iter().any(Doubt::is_failure);
    if check.reads(SourceId::CredentialReport) && is_unreliable() {
        return None;
    }
    match verdict {
        Some(Verdict::Passed(message)) => Some(match check.kind {
            Kind::State => CloseReason::Passed(message.clone().into_owned()),
            Kind::Disuse => CloseReason::InUse(message.clone().into_owned()),
            Kind::Event => CloseReason::Expired(message.clone().into_owned()),
        }),
        Some(Verdict::NotApplicable(message)) => Some(CloseReason::NotApplicable(message.clone().into_owned())),
        Some(Verdict::Unknown(_) | Verdict::Failed(_)) => None,
        None if !evaluation.shows_absence_of(check, &id.subject) => None,
        None if keys.has_date_again(&id.subject) => Some(CloseReason::KnownByDate),
        None => check.listed_by.map(CloseReason::Gone),
    }
}

/// Returns the report time to store with a finding: that of the latest report that it was evaluated with, even if this
/// run evaluates it with another source only. A time later than the run is ignored.
fn generated_at(finding: &Finding, stored: Option<&Stored>, evaluation: &Evaluation) -> Option<DateTime<Utc>> {
    let own = evaluation.report_generated_at.filter(|_| finding.rests_on(SourceId::CredentialReport));
    let known = stored.and_then(|stored| stored.generated_at);
    let known = known.filter(|_| finding.check.reads(SourceId::CredentialReport));
    own.into_iter().chain(known).filter(|generated| *generated <= evaluation.evaluated_at).max()
}

fn compared(
    id: String,
    finding: Finding,
    access_key_id: Option<String>,
    stored: Option<&Stored>,
    another: Option<Reason>,
    evaluation: &Evaluation,
) -> Failing {
    let now = evaluation.evaluated_at;
    let user_created_at = user_created_at(&finding);
    let generated_at = generated_at(&finding, stored, evaluation);
    let seen = finding.failure().map(|failure| failure.reportable.clone()).unwrap_or_default();
    let severity = finding.severity();
    let known_id = access_key_id.clone();
    let Some(stored) = stored else {
        return Failing {
            id,
            finding,
            access_key_id,
            held: false,
            alert: AlertStatus::New(Reason::FirstSeen),
            created_at: now,
            first_observed_at: now,
            updated_at: now,
            record: Record { severity, evidence: seen, generated_at, user_created_at, access_key_id: known_id },
            storing: Storing::AtOnce,
        };
    };
    if let Some(reason) = another {
        return Failing {
            id,
            finding,
            access_key_id,
            held: false,
            alert: AlertStatus::New(reason),
            created_at: now,
            first_observed_at: now,
            updated_at: stored.next_update(now),
            record: Record { severity, evidence: seen, generated_at, user_created_at, access_key_id: known_id },
            storing: Storing::IfMarked(record(stored)),
        };
    }
    // The evidence of an older report is never new, and is not stored.
    let is_earlier = is_of_earlier(&finding, stored, evaluation);
    let evidence = if is_earlier { None } else { new_evidence(severity, &seen, stored, now) };
    let alert = alert_status(stored, &finding, evidence, evaluation);
    // After an alert, only the evidence in that alert is known to be reported; the stored evidence may not have been.
    let record = if is_earlier && !matches!(alert, AlertStatus::New(_)) {
        Record { generated_at, ..record(stored) }
    } else {
        // If the date is missing or unreadable, assume the same user.
        let user_created_at = user_created_at.or(stored.user_created_at);
        Record { severity, evidence: merged(seen, stored, now), generated_at, user_created_at, access_key_id: known_id }
    };
    let storing = match alert {
        AlertStatus::New(Reason::NewEvidence(_)) => Storing::IfMarked(self::record(stored)),
        AlertStatus::New(Reason::NewWhileSuppressed(_)) => Storing::WhenSent(self::record(stored)),
        AlertStatus::New(_) | AlertStatus::Reported | AlertStatus::Suppressed => Storing::AtOnce,
    };
    Failing {
        id,
        finding,
        access_key_id,
        held: false,
        alert,
        created_at: stored.created_at,
        first_observed_at: if stored.active { stored.open_since() } else { now },
        updated_at: stored.next_update(now),
        record,
        storing,
    }
}

fn alert_status(
    stored: &Stored,
    finding: &Finding,
    new_evidence: Option<NewEvidence>,
    evaluation: &Evaluation,
) -> AlertStatus {
    match (stored.workflow, stored.active) {
        (Workflow::Suppressed, _) => match new_evidence {
            Some(NewEvidence { description, is_only_severity: false }) if finding.subject.is_root() => {
                AlertStatus::New(Reason::NewWhileSuppressed(description))
            }
            Some(_) | None => AlertStatus::Suppressed,
        },
        (_, false) if stored.closed_unchecked => AlertStatus::New(Reason::CheckedAgain),
        (_, false) => AlertStatus::New(Reason::CameBack),
        (Workflow::New, true) => AlertStatus::New(Reason::NotYetReported),
        // An event cannot be undone: after a person resolved its finding, only another event is reported.
        (Workflow::Resolved, true) if finding.check.kind != Kind::Event => {
            if is_judged_anew(stored, finding, evaluation) {
                AlertStatus::New(Reason::NotResolved)
            } else {
                AlertStatus::Reported
            }
        }
        (Workflow::Notified | Workflow::Resolved, true) => match new_evidence {
            Some(NewEvidence { description, .. }) => AlertStatus::New(Reason::NewEvidence(description)),
            None => AlertStatus::Reported,
        },
    }
}

/// Whether the report is newer than the report that the stored finding is based on. The same report cannot show that a
/// person has fixed the problem since.
fn is_judged_anew(stored: &Stored, finding: &Finding, evaluation: &Evaluation) -> bool {
    let rests_on_report = finding.rests_on(SourceId::CredentialReport);
    let is_live = finding.failure().is_some_and(|failure| failure.is_live);
    match (stored.generated_at, evaluation.report_generated_at) {
        (Some(stored), Some(generated)) if rests_on_report && !is_live => stored < generated,
        (_, _) => true,
    }
}

/// The creation time of the user, if the finding is on a user.
fn user_created_at(finding: &Finding) -> Option<DateTime<Utc>> {
    match &*finding.subject {
        Subject::User(user) => user.created,
        Subject::Root { .. } | Subject::Account | Subject::AccessKey(_) | Subject::ServiceCredential(_) => None,
    }
}

/// Returns the reason if the stored finding is on another user or access key. Then the finding is reported as new, and
/// inherits nothing.
fn another_subject(
    finding: &Finding,
    stored: &Stored,
    undecided_twins: &BTreeSet<SubjectId<'static>>,
    evaluation: &Evaluation,
) -> Option<Reason> {
    // An older report shows the user who had the name then.
    if is_of_earlier(finding, stored, evaluation) {
        return None;
    }
    if undecided_twins.contains(&finding.subject.id()) {
        return Some(Reason::AnotherKey);
    }
    let (created, before) = user_created_at(finding).zip(stored.user_created_at)?;
    (created != before).then_some(Reason::AnotherUser)
}

fn record(stored: &Stored) -> Record {
    Record {
        severity: stored.severity,
        evidence: stored.reported.clone(),
        generated_at: stored.generated_at,
        user_created_at: stored.user_created_at,
        access_key_id: stored.access_key_id.clone(),
    }
}

/// Returns the evidence that the next run compares with. Reported evidence is kept if this run could not read all of
/// it. Stored evidence of a finding that was not reported is dropped, except uses: they are events.
fn merged(mut seen: ReportedEvidence, stored: &Stored, now: DateTime<Utc>) -> ReportedEvidence {
    let is_known = match stored.workflow {
        Workflow::Notified | Workflow::Suppressed => true,
        Workflow::New | Workflow::Resolved => false,
    };
    // If only the summary shows a key, the report has no name for it.
    if is_known && (!seen.keys_whole || seen.keys.is_empty()) {
        let new = new_keys(&seen.keys, &stored.reported.keys);
        let is_kept = |key: &String| !is_slot(key) || new.contains(key) || stored.reported.keys.is_empty();
        seen.keys = seen.keys.into_iter().filter(is_kept).chain(stored.reported.keys.iter().cloned()).collect();
    }
    seen.uses = seen.uses.merged(stored.reported.uses.clone().until(now));
    seen
}

fn is_slot(key: &str) -> bool {
    matches!(key.parse(), Ok(KeyTag::Slot(_)))
}

/// Returns the seen keys that cannot be any of the named keys. A key with an unreadable date may be any named key that
/// is not seen, and a key with a readable date may be one that was named by its slot. If no key was named, no key is
/// new: the account summary has no dates, and an earlier version may not have stored them.
fn new_keys(seen: &BTreeSet<String>, named: &BTreeSet<String>) -> Vec<String> {
    if named.is_empty() {
        return Vec::new();
    }
    let (slots, dates): (Vec<&String>, Vec<&String>) = seen.difference(named).partition(|key| is_slot(key));
    let (named_slots, named_dates): (Vec<&String>, Vec<&String>) = named.difference(seen).partition(|key| is_slot(key));
    let dates = dates.into_iter().skip(named_slots.len());
    let slots = slots.into_iter().skip(named_dates.len());
    dates.chain(slots).cloned().collect()
}

/// Evidence that was not reported with the stored finding.
struct NewEvidence {
    description: String,
    /// Whether only the severity is higher.
    is_only_severity: bool,
}

fn new_evidence(
    severity: Severity,
    seen: &ReportedEvidence,
    stored: &Stored,
    now: DateTime<Utc>,
) -> Option<NewEvidence> {
    // A missing field is never new evidence.
    let stores_uses = stored.reported.uses != Uses::default();
    if let Some(used) = seen.uses.not_in(&stored.reported.uses.clone().until(now)).filter(|_| stores_uses) {
        return Some(NewEvidence {
            description: format!("a new use on {}", text::moment(used)),
            is_only_severity: false,
        });
    }
    if let Some(key) = new_keys(&seen.keys, &stored.reported.keys).first() {
        let description = if is_slot(key) {
            format!("an access key that was not named before, in {key}; its date cannot be read")
        } else {
            format!("an access key that was not named before, created {key}")
        };
        return Some(NewEvidence { description, is_only_severity: false });
    }
    (stored.severity < severity).then(|| NewEvidence {
        description: format!("{severity} now, {} before", stored.severity),
        is_only_severity: true,
    })
}

/// Returns an open finding on an event that this run's report does not show, with its stored evidence, until the event
/// is older than the limit. Removing its record from the report does not undo the event.
fn held(stored: &Stored, finding: &Finding, evaluation: &Evaluation) -> Option<Failing> {
    let now = evaluation.evaluated_at;
    let uses = stored.reported.uses.clone().until(now);
    let used = uses.latest().filter(|used| now - *used <= evaluation.events_within)?;
    if finding.check.kind != Kind::Event || !stored.active {
        return None;
    }
    let with = match uses.latest_credential() {
        Some(PASSWORD) => " with its password".to_owned(),
        Some(key) => format!(" with an access key that was created {key}"),
        None => String::new(),
    };
    let shown = match finding.verdict {
        Verdict::Unknown(_) => "This run could not read the use",
        Verdict::Passed(_) | Verdict::NotApplicable(_) | Verdict::Failed(_) => {
            "The credential report no longer shows the use"
        }
    };
    let message = format!(
        "The root user was used on {}, {} ago,{with}. {shown}; it is reported for {}.",
        text::moment(used),
        text::age(now - used),
        text::age(evaluation.events_within)
    );
    let reportable = ReportedEvidence { uses, ..stored.reported.clone() };
    let alert = match stored.workflow {
        Workflow::New => AlertStatus::New(Reason::NotYetReported),
        Workflow::Notified | Workflow::Resolved => AlertStatus::Reported,
        Workflow::Suppressed => AlertStatus::Suppressed,
    };
    let record = Record { evidence: reportable.clone(), ..record(stored) };
    let failure = Failure {
        severity: Some(stored.severity),
        message,
        details: Vec::new(),
        evidence: stored.evidence.clone(),
        reportable,
        is_live: false,
    };
    Some(Failing {
        id: stored.id.clone(),
        finding: Finding { verdict: Verdict::Failed(failure), ..finding.clone() },
        access_key_id: None,
        held: true,
        alert,
        created_at: stored.created_at,
        first_observed_at: stored.open_since(),
        updated_at: stored.next_update(now),
        record,
        storing: Storing::AtOnce,
    })
}

/// Whether a finding has to be set to NEW before its import: Security Hub does that itself only when a closed finding
/// is reopened. If new evidence were imported first and the run died, no later run would see that it is new.
fn is_marked_first(failing: &Failing) -> bool {
    matches!(
        failing.alert,
        AlertStatus::New(Reason::NotResolved | Reason::NewEvidence(_) | Reason::AnotherUser | Reason::AnotherKey)
    )
}

fn marks<'a>(failing: impl Iterator<Item = &'a Failing>, status: Workflow) -> Vec<Mark> {
    failing.map(|failing| Mark { id: failing.id.clone(), status, note: None }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::account::Account;
    use crate::alert::Alert;
    use crate::check::Check;
    use crate::checks::CHECKS;
    use crate::decision::AlertOn;
    use crate::evaluate::{Scope, evaluate};
    use crate::outcome::{Outcome, Receipts};
    use crate::policy::Policy;
    use crate::subject::FindingId;
    use crate::testing::{NOW, account, evaluated, service_credential, stored, time, unavailable};
    use crate::verdict::Fact;

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

    fn known(stored: impl IntoIterator<Item = Stored>) -> BTreeMap<String, Stored> {
        stored.into_iter().map(|stored| (stored.id.clone(), stored)).collect()
    }

    const RULES: AlertRules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };

    fn decided(account: &Account, stored: &BTreeMap<String, Stored>) -> Decision {
        let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
        decide(evaluated(account), memory, &Enrichment::default(), RULES)
    }

    /// The lines of the decision for the checks of the stored findings.
    fn lines(account: &Account, stored: &BTreeMap<String, Stored>) -> String {
        let decision = decided(account, stored).to_string();
        let about = |line: &&str| stored.values().any(|stored| line.contains(&format!("/{}/", stored.check)));
        decision.lines().filter(about).collect::<Vec<_>>().join("\n")
    }

    fn lines_of_one(table: &str, stored: Stored) -> String {
        lines(&account(table), &known([stored]))
    }

    #[test]
    fn a_finding_that_is_not_stored_is_new() {
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
    fn a_reported_finding_is_not_reported_again() {
        insta::assert_snapshot!(lines_of_one(OLD_KEY, stored(OLD_KEY_ID)), @"reported   MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    #[test]
    fn times_follow_security_hubs_rules() {
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
            times(Stored { updated_at: Some(time("2026-11-20T06:00:00Z")), ..stored(OLD_KEY_ID) })[2],
            "2026-11-20T06:00:00.001+00:00",
            "an update that is not later is ignored"
        );
        assert_eq!(
            times(Stored { updated_at: Some(time("2027-01-01T00:00:00Z")), ..stored(OLD_KEY_ID) })[2],
            "2027-01-01T00:00:00.001+00:00"
        );
        assert_eq!(times(Stored { updated_at: None, ..stored(OLD_KEY_ID) })[2], now);
        let last = Some(time("9999-12-31T23:59:59.999Z"));
        assert_eq!(
            times(Stored { updated_at: last, ..stored(OLD_KEY_ID) })[2],
            "9999-12-31T23:59:59.999+00:00",
            "no later time can be written"
        );
    }

    #[test]
    fn a_finding_whose_updates_may_be_ignored_is_reported() {
        let problems_of = |updated_at: Option<&str>| {
            let known = known([Stored { updated_at: updated_at.map(time), ..stored(OLD_KEY_ID) }]);
            decided(&account(OLD_KEY), &known).problems
        };
        let ignored = "Security Hub may ignore what is written of 1 finding: its UpdatedAt cannot be read, or leaves no later time";
        for odd in [None, Some("9999-12-31T23:59:59.999Z")] {
            assert_eq!((problems_of(odd).list(), problems_of(odd).failed), (vec![ignored.to_owned()], None));
        }
        assert_eq!(problems_of(Some("9999-12-31T23:59:59.998Z")), Problems::default());
    }

    #[test]
    fn a_finding_that_cannot_be_closed_is_not_reported_as_resolved() {
        let closings = |updated_at: Option<&str>| {
            let known = known([Stored { updated_at: updated_at.map(time), ..stored(OLD_KEY_ID) }]);
            let decision = decided(&account(&OLD_KEY.replace("true", "false")), &known);
            assert!(decision.failing.iter().all(|failing| failing.id != OLD_KEY_ID));
            decision.closings.len()
        };
        assert_eq!(closings(Some("9999-12-31T23:59:59.999Z")), 0);
        assert_eq!(closings(Some("9999-12-31T23:59:59.998Z")), 1);
        assert_eq!(closings(None), 1);
    }

    #[test]
    fn the_workflow_decides_the_alert_status() {
        let with = |workflow| lines_of_one(OLD_KEY, Stored { workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(with(Workflow::New), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (not reported yet)");
        insta::assert_snapshot!(with(Workflow::Resolved), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was marked RESOLVED but still fails)");
        insta::assert_snapshot!(with(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
        let closed = |workflow| lines_of_one(OLD_KEY, Stored { active: false, workflow, ..stored(OLD_KEY_ID) });
        insta::assert_snapshot!(closed(Workflow::Notified), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it was resolved and came back)");
        insta::assert_snapshot!(closed(Workflow::Suppressed), @"suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z");
    }

    const CREDENTIAL_ID: &str =
        "credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE";

    #[test]
    fn a_finding_whose_source_was_not_requested_stays_open_without_an_alert() {
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
        close      MEDIUM        credwarden/service-credential-not-rotated/123456789012/user/alice/credential/ACCAEXAMPLE123EXAMPLE (It is no longer in the list of service-specific credentials.)
        0 unknown, 1 open, due: true
        ");
    }

    #[test]
    fn a_finding_is_set_to_new_only_if_security_hub_does_not_do_it() {
        let account = account(OLD_KEY);
        let is_set_to_new = |stored: Stored| {
            let known = known([stored]);
            decided(&account, &known).failing.iter().any(is_marked_first)
        };
        assert!(is_set_to_new(Stored { workflow: Workflow::Resolved, ..stored(OLD_KEY_ID) }));
        assert!(is_set_to_new(Stored { severity: Severity::Low, ..stored(OLD_KEY_ID) }));
        assert!(!is_set_to_new(Stored { workflow: Workflow::Resolved, active: false, ..stored(OLD_KEY_ID) }));
        assert!(!is_set_to_new(Stored { workflow: Workflow::New, ..stored(OLD_KEY_ID) }));
        assert!(!is_set_to_new(stored(OLD_KEY_ID)));
    }

    #[test]
    fn new_evidence_is_reported() {
        let used = |at: &str| {
            let uses = Uses { of_any: Some(time(at)), ..Uses::default() };
            let reported = ReportedEvidence { uses, ..ReportedEvidence::default() };
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

    const ROOT_USE: &str = "credwarden/root-user-recently-used/123456789012/root";
    const NO_USE: &str = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | false               | N/A                       | N/A
";

    /// A stored root use with the given credential and time.
    fn root_use(credential: &str, at: &str, workflow: Workflow) -> Stored {
        let by_credential = [(credential.to_owned(), time(at))].into();
        let reported = ReportedEvidence { uses: Uses { by_credential, of_any: None }, ..ReportedEvidence::default() };
        let evidence = vec![Fact::of_report("access_key_1_last_used_date", at)];
        Stored { severity: Severity::High, workflow, reported, evidence, ..stored(ROOT_USE) }
    }

    fn of_root_use(account: &Account, stored: Stored) -> (Decision, Option<Failing>) {
        let decision = decided(account, &known([stored]));
        let failing = decision.failing.iter().find(|failing| failing.id == ROOT_USE).cloned();
        (decision, failing)
    }

    #[test]
    fn an_event_is_held_until_it_is_older_than_the_limit() {
        let key = "20190102T030405Z";
        let (decision, held) = of_root_use(&account(NO_USE), root_use(key, "2026-10-21T06:00:00Z", Workflow::Notified));
        let held = held.unwrap();
        assert!(held.held && decision.closings.is_empty() && decision.not_evaluated.is_empty());
        assert_eq!(held.alert, AlertStatus::Reported);
        assert_eq!(held.record.evidence.uses.by_credential[key], time("2026-10-21T06:00:00Z"));
        assert_eq!(held.finding.evidence(), [Fact::of_report("access_key_1_last_used_date", "2026-10-21T06:00:00Z")]);
        assert_eq!(held.first_observed_at, time("2026-10-02T06:00:00Z"));
        insta::assert_snapshot!(held.finding.message(), @"The root user was used on 2026-10-21 06:00 UTC, 30 days ago, with an access key that was created 20190102T030405Z. The credential report no longer shows the use; it is reported for 30 days.");

        let (decision, held) = of_root_use(&account(NO_USE), root_use(key, "2026-10-21T05:59:59Z", Workflow::Notified));
        assert!(held.is_none());
        assert_eq!(decision.closings.len(), 1);
    }

    #[test]
    fn an_unreadable_report_closes_no_event() {
        let mut unread = account(NO_USE);
        unread.report = unavailable("GetCredentialReport failed: AccessDenied.");
        let (_, held) = of_root_use(&unread, root_use("password", YESTERDAY, Workflow::Notified));
        insta::assert_snapshot!(held.unwrap().finding.message(), @"The root user was used on 2026-11-19 06:00 UTC, 1 day ago, with its password. This run could not read the use; it is reported for 30 days.");
        // Older than the limit, but this run has no report.
        let (decision, held) = of_root_use(&unread, root_use("password", "2026-01-01T06:00:00Z", Workflow::Notified));
        assert!(held.is_none() && decision.closings.is_empty());
        assert_eq!(decision.not_evaluated.len(), 1);
    }

    #[test]
    fn a_held_event_is_reported_once() {
        let held = |workflow| {
            let (decision, held) = of_root_use(&account(NO_USE), root_use("password", YESTERDAY, workflow));
            let reported = decision.reported_as_new().any(|failing| failing.id == ROOT_USE);
            let marked = decision.marks_when_sent.iter().any(|mark| mark.id == ROOT_USE);
            assert_eq!(reported, marked);
            (held.unwrap().alert, reported)
        };
        let first = AlertStatus::New(Reason::NotYetReported);
        assert_eq!(held(Workflow::New), (first, true), "the mail of the first day failed");
        assert_eq!(held(Workflow::Notified), (AlertStatus::Reported, false));
        assert_eq!(held(Workflow::Resolved), (AlertStatus::Reported, false), "a person dealt with it");
        assert_eq!(held(Workflow::Suppressed), (AlertStatus::Suppressed, false));
    }

    #[test]
    fn the_latest_use_of_each_credential_is_stored() {
        let table = "
user           | password_last_used   | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | 2026-11-19T06:00:00Z | true                | 2019-01-02T03:04:05Z      | 2026-11-10T06:00:00Z
";
        let status = |stored: Stored| of_root_use(&account(table), stored).1.unwrap().alert;
        let reported = |description: &str| AlertStatus::New(Reason::NewEvidence(description.to_owned()));
        // The later sign-in was reported; the key's earlier use shows only now.
        let late = reported("a new use on 2026-11-10 06:00 UTC");
        assert_eq!(status(root_use("password", YESTERDAY, Workflow::Notified)), late);
        // A wrong date in the future does not cover later uses.
        let wrong = root_use("password", "2099-01-01T00:00:00Z", Workflow::Notified);
        assert_eq!(status(wrong), reported("a new use on 2026-11-19 06:00 UTC"));
        // An earlier version stored one date for all credentials.
        let uses = Uses { of_any: Some(time(YESTERDAY)), ..Uses::default() };
        let old = Stored {
            reported: ReportedEvidence { uses, ..ReportedEvidence::default() },
            ..root_use("password", YESTERDAY, Workflow::Notified)
        };
        assert_eq!(status(old), AlertStatus::Reported);
        // The use of a deleted credential is kept.
        let gone = root_use("20180102T030405Z", "2026-11-18T06:00:00Z", Workflow::Notified);
        let kept = of_root_use(&account(table), gone).1.unwrap().record.evidence.uses.by_credential;
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["20180102T030405Z", "20190102T030405Z", "password"]);
    }

    #[test]
    fn a_resolved_event_is_reported_again_only_for_a_later_event() {
        let table = "user | password_last_used\n<root_account> | 2026-11-19T06:00:00Z";
        let status = |at| of_root_use(&account(table), root_use("password", at, Workflow::Resolved)).1.unwrap().alert;
        assert_eq!(status(YESTERDAY), AlertStatus::Reported);
        let later = AlertStatus::New(Reason::NewEvidence("a new use on 2026-11-19 06:00 UTC".to_owned()));
        assert_eq!(status("2026-11-01T06:00:00Z"), later);
    }

    #[test]
    fn new_root_evidence_of_a_suppressed_finding_is_reported() {
        let table = "user | password_last_used\n<root_account> | 2026-11-19T06:00:00Z";
        let suppressed = root_use("password", "2026-11-01T06:00:00Z", Workflow::Suppressed);
        let (decision, failing) = of_root_use(&account(table), suppressed.clone());
        let failing = failing.unwrap();
        let description = "a new use on 2026-11-19 06:00 UTC".to_owned();
        assert_eq!(failing.alert, AlertStatus::New(Reason::NewWhileSuppressed(description)));
        assert_eq!(failing.storing, Storing::WhenSent(record(&suppressed)), "stored after the alert");
        assert_eq!((decision.marks.len(), decision.reported_as_new().any(|one| one.id == ROOT_USE)), (0, true));
        assert!(!decision.marks_when_sent.iter().any(|mark| mark.id == ROOT_USE), "it stays suppressed");
    }

    #[test]
    fn reported_evidence_is_kept_if_a_run_cannot_read_it() {
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
    fn an_unreadable_source_raises_no_severity() {
        let id = "credwarden/root-access-key-present/123456789012/root";
        let inactive = ROOT_KEY.replace("| true ", "| false");
        let reported = ReportedEvidence { keys: ["20190102T030405Z".to_owned()].into(), ..ReportedEvidence::default() };
        let known = || Stored { severity: Severity::High, reported: reported.clone(), ..stored(id) };
        let decided = |change: &dyn Fn(&mut Account)| {
            let mut account = account(&inactive);
            account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
            change(&mut account);
            let decision = self::decided(&account, &known_of(known()));
            let failing = decision.failing.into_iter().find(|failing| failing.id == id).unwrap();
            (failing.severity(), failing.record.severity, failing.alert)
        };
        let high = (Severity::High, Severity::High, AlertStatus::Reported);
        assert_eq!(decided(&|_| ()), high);
        assert_eq!(decided(&|account| account.report = unavailable("AccessDenied.")), high, "it was mailed daily");
        // A readable report shows that the key is active.
        let (severity, ..) = decided(&|account| *account = self::account(ROOT_KEY));
        assert_eq!(severity, Severity::Critical);
    }

    fn known_of(stored: Stored) -> BTreeMap<String, Stored> {
        known([stored])
    }

    #[test]
    fn unreported_evidence_is_not_kept() {
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
        // This run shows that a key exists, but not which: the next run that sees the key has to report it.
        assert_eq!([Workflow::New, Workflow::Resolved].map(written), [0, 0]);
        assert_eq!([Workflow::Notified, Workflow::Suppressed].map(written), [1, 1]);
    }

    #[test]
    fn a_root_key_that_becomes_active_is_reported() {
        let both = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | true                | 2019-01-02T03:04:05Z      | false               | 2020-01-02T03:04:05Z
";
        let line_of = |table: &str| {
            let reported =
                ReportedEvidence { keys: ["20190102T030405Z".to_owned()].into(), ..ReportedEvidence::default() };
            let id = "credwarden/root-access-key-active/123456789012/root";
            lines_of_one(table, Stored { severity: Severity::Critical, reported, ..stored(id) })
        };
        insta::assert_snapshot!(line_of(both), @"reported   CRITICAL      credwarden/root-access-key-active/123456789012/root");
        insta::assert_snapshot!(line_of(&both.replace("false", "true ")), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
        let unreadable = both.replace("2019-01-02T03:04:05Z", "?                   ").replace("false", "true ");
        insta::assert_snapshot!(line_of(&unreadable), @"new        CRITICAL      credwarden/root-access-key-active/123456789012/root (an access key that was not named before, created 20200102T030405Z)");
    }

    #[test]
    fn a_verdict_closes() {
        let inactive = OLD_KEY.replace("| true ", "| false");
        insta::assert_snapshot!(lines_of_one(&inactive, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(lines_of_one(&inactive, Stored { workflow: Workflow::Suppressed, ..stored(OLD_KEY_ID) }), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (The access key is not active.)");
        insta::assert_snapshot!(lines_of_one(&inactive, Stored { active: false, ..stored(OLD_KEY_ID) }), @"");
    }

    #[test]
    fn a_subject_that_is_absent_from_a_complete_report_is_gone() {
        insta::assert_snapshot!(lines_of_one(NO_KEY, stored(OLD_KEY_ID)), @"close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (It is no longer in the credential report, where a renamed user has another name.)");
        insta::assert_snapshot!(lines_of_one(NO_KEY, stored("credwarden/user-without-credentials/123456789012/user/bob")), @"
        new        LOW           credwarden/user-without-credentials/123456789012/user/alice (first seen)
        close      MEDIUM        credwarden/user-without-credentials/123456789012/user/bob (It is no longer in the credential report, where a renamed user has another name.)
        ");
    }

    #[test]
    fn an_incomplete_report_closes_nothing_by_absence() {
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
    fn a_finding_of_a_disabled_or_unknown_check_is_archived_but_not_resolved() {
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
    fn a_finding_with_an_unknown_identity_is_archived_but_not_resolved() {
        let of_mfa =
            |id: &str| Stored { id: id.to_owned(), check: "root-mfa-disabled".to_owned(), ..stored(OLD_KEY_ID) };
        let ids = [
            "credwarden/root-mfa-disabled/123456789012/account",
            "credwarden/root-mfa-disabled/123456789012/user/alice",
            "credwarden/root-access-key-active/123456789012/root",
            "strange",
        ];
        let decision = decided(&account(OLD_KEY), &known(ids.map(of_mfa)));
        let closed = decision.closings.iter().map(|closing| (&*closing.stored.id, &closing.reason));
        assert_eq!(closed.collect::<BTreeMap<_, _>>(), ids.map(|id| (id, &CloseReason::NotChecked)).into());
        assert!(decision.not_evaluated.is_empty());
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
    fn a_decision_is_parsed_as_it_was_serialized() {
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

    #[test]
    fn a_user_who_is_created_again_is_another_user() {
        let id = "credwarden/user-without-credentials/123456789012/user/alice";
        let earlier = |created: Option<&str>, workflow| Stored {
            workflow,
            user_created_at: created.map(time),
            reported: ReportedEvidence::default(),
            ..stored(id)
        };
        let decision = |stored| {
            let decision = decided(&account(NO_KEY), &known([stored]));
            let failing = decision.failing.iter().find(|failing| failing.id == id).cloned().unwrap();
            (failing, decision.marks.iter().any(|mark| mark.id == id && mark.status == Workflow::New))
        };
        // The users of the table were created on 2019-01-02T03:04:05Z.
        for workflow in [Workflow::Notified, Workflow::Suppressed] {
            let (failing, marked) = decision(earlier(Some("2018-01-02T03:04:05Z"), workflow));
            assert_eq!((failing.alert, marked), (AlertStatus::New(Reason::AnotherUser), true));
            assert_eq!((failing.created_at, failing.first_observed_at), (time(NOW), time(NOW)));
            assert_eq!(failing.record.user_created_at, Some(time("2019-01-02T03:04:05Z")));
            assert!(matches!(failing.storing, Storing::IfMarked(_)), "or the next run would not see it");
        }
        for same in [Some("2019-01-02T03:04:05Z"), None] {
            let (failing, marked) = decision(earlier(same, Workflow::Notified));
            assert_eq!((failing.alert, marked), (AlertStatus::Reported, false));
            assert_eq!(failing.created_at, time("2026-10-01T06:00:00Z"));
        }
        let unreadable = "user | user_creation_time | password_enabled\n<root_account> | ? | false\nalice | ? | true";
        let id = "credwarden/console-user-mfa-disabled/123456789012/user/alice";
        let known = Stored { severity: Severity::High, user_created_at: Some(time(YESTERDAY)), ..stored(id) };
        let decision = decided(&account(unreadable), &known_of(known));
        let failing = decision.failing.iter().find(|failing| failing.id == id).unwrap();
        assert_eq!((&failing.alert, failing.record.user_created_at), (&AlertStatus::Reported, Some(time(YESTERDAY))));
    }

    #[test]
    fn the_remaining_twin_keeps_only_its_own_finding() {
        let check = "credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z";
        let twin = |place: &str, id: &str, workflow| Stored {
            workflow,
            access_key_id: Some(id.to_owned()),
            reported: ReportedEvidence::default(),
            ..stored(&format!("{check}{place}"))
        };
        let with = |id: Option<&str>| {
            let stored = known([twin("", "AKIAONE", Workflow::Suppressed), twin("-2", "AKIATWO", Workflow::Notified)]);
            let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored };
            let left = FindingId::parse(check).unwrap().subject.into_owned();
            let ids = id.map(|id| (left, id.to_owned())).into_iter().collect();
            decide(evaluated(&account(OLD_KEY)), memory, &Enrichment::of_access_key_ids(ids), RULES)
        };
        insta::assert_snapshot!(with(Some("AKIAONE")), @"
        suppressed MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z
        close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z-2 (It is no longer in the credential report, where a renamed user has another name.)
        ");
        insta::assert_snapshot!(with(Some("AKIATWO")), @"
        reported   MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z-2
        close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (It is no longer in the credential report, where a renamed user has another name.)
        ");
        for unknown in [None, Some("AKIATHREE")] {
            let decision = with(unknown);
            insta::allow_duplicates! { insta::assert_snapshot!(decision, @"
            new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (first seen on this access key; one of the same second may have had its place)
            close      MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z-2 (It is no longer in the credential report, where a renamed user has another name.)
            "); }
            let left = &decision.failing[0];
            assert_eq!((left.created_at, left.first_observed_at), (time(NOW), time(NOW)));
            assert_eq!(decision.marks[0].status, Workflow::New, "the suppression may be that of the other key");
        }
        assert_eq!(with(Some("AKIATWO")).failing[0].access_key_id.as_deref(), Some("AKIATWO"));
    }

    /// Returns the decision on `root-access-key-active` for root's keys by slot, when the named keys were reported.
    fn root_keys(one: &str, two: &str, named: &[&str], workflow: Workflow) -> (AlertStatus, BTreeSet<String>) {
        let row = |date: &str| if date.is_empty() { "false | N/A".to_owned() } else { format!("true | {date}") };
        let table = format!(
            "user | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated\n\
             <root_account> | {} | {}",
            row(one),
            row(two)
        );
        let id = "credwarden/root-access-key-active/123456789012/root";
        let reported = ReportedEvidence {
            keys: named.iter().map(|name| (*name).to_owned()).collect(),
            ..ReportedEvidence::default()
        };
        let stored = Stored { severity: Severity::Critical, workflow, reported, ..stored(id) };
        let decision = decided(&account(&table), &known([stored]));
        let failing = decision.failing.into_iter().find(|failing| failing.id == id).unwrap();
        (failing.alert, failing.record.evidence.keys)
    }

    #[test]
    fn another_root_key_is_new_evidence_even_with_an_unreadable_date() {
        const A: &str = "2019-01-02T03:04:05Z";
        const B: &str = "2026-11-01T03:04:05Z";
        let (a, b) = ("20190102T030405Z", "20261101T030405Z");
        let is_new = |(alert, keys): (AlertStatus, BTreeSet<String>)| (matches!(alert, AlertStatus::New(_)), keys);
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let of = |one, two, named: &[&str]| is_new(root_keys(one, two, named, Workflow::Notified));
        assert_eq!(of(A, "", &[a]), (false, keys(&[a])));
        assert_eq!(of(A, "?", &[a]), (true, keys(&[a, "slot-2"])), "another key");
        assert_eq!(of(A, "N/A", &[a]), (true, keys(&[a, "slot-2"])));
        assert_eq!(of(A, "?", &[a, "slot-2"]), (false, keys(&[a, "slot-2"])), "once");
        assert_eq!(of(A, B, &[a, "slot-2"]), (false, keys(&[a, b])), "its date can be read");
        assert_eq!(of("?", "", &[a]), (false, keys(&[a])), "it is the known key");
        assert_eq!(of(B, "", &[a]), (true, keys(&[b])));
        assert_eq!(of("?", "?", &[a]), (true, keys(&[a, "slot-2"])));
        assert_eq!(of("?", "?", &[a, "slot-2"]), (false, keys(&[a, "slot-2"])));
        assert_eq!(of(A, B, &[]), (false, keys(&[a, b])), "missing evidence is not new");
        let (alert, _) = root_keys(A, "?", &[a], Workflow::Suppressed);
        assert!(matches!(alert, AlertStatus::New(Reason::NewWhileSuppressed(_))), "{alert:?}");
    }

    #[test]
    fn a_use_stays_known_if_the_date_of_its_key_is_unreadable() {
        let row = |date: &str, used: &str| {
            format!(
                "user | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date\n\
                 <root_account> | true | {date} | {used}"
            )
        };
        let of = |date: &str, used: &str, known: Uses| {
            let reported = ReportedEvidence { uses: known, ..ReportedEvidence::default() };
            let decision = decided(
                &account(&row(date, used)),
                &known_of(Stored {
                    severity: Severity::High,
                    reported,
                    ..stored("credwarden/root-user-recently-used/123456789012/root")
                }),
            );
            let id = "credwarden/root-user-recently-used/";
            let failing = decision.failing.into_iter().find(|failing| failing.id.starts_with(id)).unwrap();
            (failing.is_new(), failing.record.evidence.uses)
        };
        let uses = |credential: &str, at: &str| Uses {
            by_credential: [(credential.to_owned(), time(at))].into(),
            of_any: None,
        };
        let (created, a) = ("2019-01-02T03:04:05Z", "20190102T030405Z");
        let later = "2026-11-20T01:00:00Z";
        assert_eq!(of("?", YESTERDAY, uses(a, YESTERDAY)), (false, uses(a, YESTERDAY)));
        assert_eq!(of(created, YESTERDAY, uses("slot-1", YESTERDAY)), (false, uses(a, YESTERDAY)));
        assert!(of("?", later, uses(a, YESTERDAY)).0);
        assert!(of("?", YESTERDAY, uses(PASSWORD, YESTERDAY)).0, "the password is not the key");
    }

    #[test]
    fn a_report_does_not_close_a_finding_of_a_live_source() {
        let mfa = Stored { severity: Severity::Critical, ..stored("credwarden/root-mfa-disabled/123456789012/root") };
        let table = "user | password_enabled | mfa_active\n<root_account> | true | true";
        let with = |change: &dyn Fn(&mut Account)| {
            let mut account = account(table);
            change(&mut account);
            lines(&account, &known_of(mfa.clone()))
        };
        assert!(with(&|_| ()).starts_with("close"));
        assert!(with(&|account| account.summary = unavailable("refused")).starts_with("keep"));
        // A finding that a person resolved is evaluated again in the next run.
        let resolved = |enabled| {
            let mut account = account(table);
            account.summary.as_mut().unwrap().account_mfa_enabled = enabled;
            let generated_at = Some(time("2026-11-20T05:00:00Z"));
            lines(&account, &known_of(Stored { workflow: Workflow::Resolved, generated_at, ..mfa.clone() }))
        };
        assert!(resolved(Some(0)).ends_with("(it was marked RESOLVED but still fails)"), "{}", resolved(Some(0)));
    }

    #[test]
    fn an_unreadable_cell_of_root_raises_no_severity() {
        let present =
            Stored { severity: Severity::High, ..stored("credwarden/root-access-key-present/123456789012/root") };
        for (active, date) in [("?", "2019-01-02T03:04:05Z"), ("false", "?")] {
            let table =
                format!("user | access_key_1_active | access_key_1_last_rotated\n<root_account> | {active} | {date}");
            let mut account = account(&table);
            account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
            assert_eq!(
                lines(&account, &known_of(present.clone())).split_whitespace().next(),
                Some("reported"),
                "{table}"
            );
        }
    }

    #[test]
    fn a_report_older_than_that_of_an_open_finding_fails_the_run() {
        let later = Stored { generated_at: Some(time("2026-11-20T05:30:00Z")), ..stored(OLD_KEY_ID) };
        let decision = decided(&account(OLD_KEY), &known_of(later));
        assert_eq!(decision.problems.failed, Some(Step::Collect), "although nothing would be closed");
    }

    #[test]
    fn the_second_of_twins_is_not_closed_while_the_first_cannot_be_marked() {
        let check = "credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z";
        let twin = |place: &str| Stored { reported: ReportedEvidence::default(), ..stored(&format!("{check}{place}")) };
        let decision = decided(&account(OLD_KEY), &known([twin(""), twin("-2")]));
        let mut outcome = Outcome { decision, receipts: Receipts::default() };
        assert!(outcome.can_be_closed(&outcome.decision.closings[0]));
        assert_eq!(Alert::of(&outcome).resolved.len(), 1);
        outcome.receipts.unmarked.insert(check.to_owned());
        assert!(!outcome.can_be_closed(&outcome.decision.closings[0]), "or the next run would not know of the twin");
        assert_eq!(Alert::of(&outcome).resolved.len(), 0);
    }

    #[test]
    fn a_resolved_finding_is_not_evaluated_with_the_same_report() {
        let status = |generated: Option<&str>| {
            let resolved =
                Stored { workflow: Workflow::Resolved, generated_at: generated.map(time), ..stored(OLD_KEY_ID) };
            let decision = decided(&account(OLD_KEY), &known([resolved]));
            decision.failing.into_iter().find(|failing| failing.id == OLD_KEY_ID).unwrap().alert
        };
        assert_eq!(status(Some("2026-11-20T05:00:00Z")), AlertStatus::Reported, "the same report");
        assert_eq!(status(Some("2026-11-20T04:59:59Z")), AlertStatus::New(Reason::NotResolved));
        assert_eq!(status(None), AlertStatus::New(Reason::NotResolved), "an earlier version did not store it");
    }

    #[test]
    fn a_finding_closed_unchecked_is_reported_as_checked_again() {
        let closed = Stored { active: false, closed_unchecked: true, ..stored(OLD_KEY_ID) };
        insta::assert_snapshot!(lines_of_one(OLD_KEY, closed), @"new        MEDIUM        credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z (it is checked again)");
    }

    /// The closed findings, the kept findings and the errors, for the account after the change.
    fn ends(stored: &[Stored], change: impl Fn(&mut Account)) -> String {
        let mut account = account(NO_KEY);
        change(&mut account);
        let decision = decided(&account, &known(stored.iter().cloned()));
        let closed =
            decision.closings.iter().map(|closing| format!("closed: {} ({})", closing.stored.id, closing.reason));
        let kept = decision.not_evaluated.iter().map(|kept| format!("kept: {}", kept.id));
        let failed = decision.problems.failed.map_or("", Step::name);
        let problems = decision.problems.list().into_iter().map(|problem| format!("{failed}: {problem}"));
        closed.chain(kept).chain(problems).collect::<Vec<_>>().join("\n")
    }

    fn generated(account: &mut Account, at: &str) {
        account.report.as_mut().unwrap().generated_time = Some(time(at));
    }

    #[test]
    fn a_report_with_fewer_users_than_the_account_closes_nothing_by_absence() {
        let gone = stored("credwarden/user-without-credentials/123456789012/user/bob");
        let passed = stored("credwarden/console-user-mfa-disabled/123456789012/user/alice");
        let with =
            |users| ends(&[gone.clone(), passed.clone()], |account| account.summary.as_mut().unwrap().users = users);
        insta::assert_snapshot!(with(Some(1)), @"
        closed: credwarden/console-user-mfa-disabled/123456789012/user/alice (The report shows no enabled password of the user.)
        closed: credwarden/user-without-credentials/123456789012/user/bob (It is no longer in the credential report, where a renamed user has another name.)
        ");
        insta::assert_snapshot!(with(Some(2)), @"
        closed: credwarden/console-user-mfa-disabled/123456789012/user/alice (The report shows no enabled password of the user.)
        kept: credwarden/user-without-credentials/123456789012/user/bob
        : the credential report has 1 user, and the account 2; it closes nothing by an absence
        ");
        insta::assert_snapshot!(with(None), @"
        closed: credwarden/console-user-mfa-disabled/123456789012/user/alice (The report shows no enabled password of the user.)
        kept: credwarden/user-without-credentials/123456789012/user/bob
        ");
    }

    #[test]
    fn an_older_or_future_report_closes_nothing() {
        let passed = Stored {
            generated_at: Some(time("2026-11-20T04:00:00Z")),
            ..stored("credwarden/console-user-mfa-disabled/123456789012/user/alice")
        };
        let live = stored("credwarden/root-hardware-mfa-missing/123456789012/root");
        let at = |generated: &str| ends(&[passed.clone(), live.clone()], |account| self::generated(account, generated));
        insta::assert_snapshot!(at("2026-11-20T04:00:00Z"), @"
        closed: credwarden/console-user-mfa-disabled/123456789012/user/alice (The report shows no enabled password of the user.)
        closed: credwarden/root-hardware-mfa-missing/123456789012/root (No virtual MFA device is assigned to the root user.)
        ");
        insta::assert_snapshot!(at("2026-11-20T03:59:59Z"), @"
        closed: credwarden/root-hardware-mfa-missing/123456789012/root (No virtual MFA device is assigned to the root user.)
        kept: credwarden/console-user-mfa-disabled/123456789012/user/alice
        Collect: the credential report is of 2026-11-20 03:59 UTC, and open findings rest on one of 2026-11-20 04:00 UTC; it closes none of them
        ");
        insta::assert_snapshot!(at("2026-11-20T00:59:59Z"), @"
        closed: credwarden/root-hardware-mfa-missing/123456789012/root (No virtual MFA device is assigned to the root user.)
        kept: credwarden/console-user-mfa-disabled/123456789012/user/alice
        Collect: the credential report is of 2026-11-20 00:59 UTC, 5 hours before this run; it closes nothing
        Collect: the credential report is of 2026-11-20 00:59 UTC, and open findings rest on one of 2026-11-20 04:00 UTC; it closes none of them
        ");
        insta::assert_snapshot!(at("2026-11-20T06:05:01Z"), @"
        closed: credwarden/root-hardware-mfa-missing/123456789012/root (No virtual MFA device is assigned to the root user.)
        kept: credwarden/console-user-mfa-disabled/123456789012/user/alice
        Collect: the credential report is of 2026-11-20 06:05 UTC, which is later than this run; it closes nothing
        ");
    }

    #[test]
    fn an_older_report_reopens_nothing_and_does_not_replace_a_later_time() {
        let old_key = |stored: Stored| {
            let mut account = account(OLD_KEY);
            generated(&mut account, "2026-11-20T03:00:00Z");
            let decision = decided(&account, &known([stored]));
            decision.failing.into_iter().find(|failing| failing.id == OLD_KEY_ID)
        };
        let at = |active, at: &str| Stored { active, generated_at: Some(time(at)), ..stored(OLD_KEY_ID) };
        let recorded = |stored| old_key(stored).map(|failing| failing.record.generated_at.unwrap());
        assert_eq!(recorded(at(false, "2026-11-20T04:00:00Z")), None, "a later report closed it");
        assert_eq!(recorded(at(false, "2026-11-20T02:00:00Z")), Some(time("2026-11-20T03:00:00Z")));
        assert_eq!(recorded(at(true, "2026-11-20T04:00:00Z")), Some(time("2026-11-20T04:00:00Z")));
        assert_eq!(recorded(at(true, "2099-01-01T00:00:00Z")), Some(time("2026-11-20T03:00:00Z")), "that was wrong");
    }

    #[test]
    fn a_finding_reported_with_an_older_report_stores_only_the_reported_evidence() {
        let mut account = account(ROOT_KEY);
        generated(&mut account, "2026-11-20T03:00:00Z");
        let later = |workflow| Stored {
            workflow,
            severity: Severity::Critical,
            generated_at: Some(time("2026-11-20T04:00:00Z")),
            reported: ReportedEvidence { keys: ["20261101T030405Z".to_owned()].into(), ..ReportedEvidence::default() },
            ..stored("credwarden/root-access-key-present/123456789012/root")
        };
        for workflow in [Workflow::New, Workflow::Resolved] {
            let decision = decided(&account, &known_of(later(workflow)));
            let failing =
                &decision.failing[decision.failing.iter().position(|one| one.id.contains("key-present")).unwrap()];
            assert!(failing.is_new(), "{workflow:?}");
            assert_eq!(
                failing.record.evidence.keys,
                ["20190102T030405Z".to_owned()].into(),
                "the other key was not reported"
            );
        }
    }

    #[test]
    fn the_report_time_is_kept_if_a_run_has_no_report() {
        let known_at = Some(time("2026-11-20T04:00:00Z"));
        let key = Stored { generated_at: known_at, ..stored("credwarden/root-access-key-present/123456789012/root") };
        let mut account = account(ROOT_KEY);
        account.report = unavailable("GetCredentialReport failed.");
        let decision = decided(&account, &known([key]));
        assert_eq!(decision.failing[0].record.generated_at, known_at);
    }

    #[test]
    fn an_older_report_shows_no_new_evidence() {
        let mut account = account(ROOT_KEY);
        generated(&mut account, "2026-11-20T03:00:00Z");
        let later = |id: &str, severity| Stored {
            severity,
            generated_at: Some(time("2026-11-20T04:00:00Z")),
            user_created_at: Some(time("2026-11-20T03:30:00Z")),
            reported: ReportedEvidence { keys: ["20260102T030405Z".to_owned()].into(), ..ReportedEvidence::default() },
            ..stored(id)
        };
        let key = later("credwarden/root-access-key-present/123456789012/root", Severity::High);
        let decision = decided(&account, &known([key.clone()]));
        let failing = decision.failing.iter().find(|failing| failing.id == key.id).unwrap();
        assert_eq!((&failing.alert, failing.severity()), (&AlertStatus::Reported, Severity::High));
        assert_eq!((&failing.record.evidence, failing.record.generated_at), (&key.reported, key.generated_at));
        // An older report does not show a new user.
        let user = later("credwarden/user-without-credentials/123456789012/user/alice", Severity::Low);
        let mut account = self::account(NO_KEY);
        generated(&mut account, "2026-11-20T03:00:00Z");
        let decision = decided(&account, &known([user.clone()]));
        let failing = decision.failing.iter().find(|failing| failing.id == user.id).unwrap();
        assert_eq!((&failing.alert, failing.record.user_created_at), (&AlertStatus::Reported, user.user_created_at));
    }

    #[test]
    fn a_report_with_rows_of_another_account_closes_nothing() {
        let text = "user,arn,password_enabled\n<root_account>,arn:aws:iam::123456789012:root,false\n\
            alice,arn:aws:iam::123456789012:user/alice,false\nmallory,arn:aws:iam::210987654321:user/mallory,true";
        let passed = stored("credwarden/console-user-mfa-disabled/123456789012/user/alice");
        let ends = ends(&[passed], |account| {
            account.report.as_mut().unwrap().credentials =
                crate::report::CredentialReport::parse(text.as_bytes()).unwrap();
        });
        insta::assert_snapshot!(ends, @"
        kept: credwarden/console-user-mfa-disabled/123456789012/user/alice
        Collect: the credential report has 1 row of another account, the first in line 4; it closes nothing
        Collect: the credential report has no column user_creation_time, nor password_last_used, password_last_changed, mfa_active, access_key_1_active, access_key_1_last_rotated, access_key_1_last_used_date, access_key_2_active, access_key_2_last_rotated, access_key_2_last_used_date, cert_1_active, cert_1_last_rotated, cert_2_active, cert_2_last_rotated
        ");
    }

    #[test]
    fn a_key_whose_date_becomes_unreadable_is_the_same_key() {
        let unreadable = account(&OLD_KEY.replace("2021-06-20T05:16:50Z", "?                   "));
        let slot = "credwarden/access-key-not-rotated/123456789012/user/alice/key/slot-1";
        let unused = "credwarden/access-key-unused/123456789012/user/alice/key";
        let used_long_ago = OLD_KEY
            .replace("2021-06-20T05:16:50Z", "?                   ")
            .replace("2026-11-19T06:00:00Z", "2026-01-01T06:00:00Z");
        let failing = |stored: &[Stored]| {
            let decision = decided(&account(&used_long_ago), &known(stored.iter().cloned()));
            decision.failing.iter().filter(|failing| failing.id.starts_with(unused)).count()
        };
        assert_eq!(failing(&[]), 1, "nothing is known of the key");
        let dated = stored(&format!("{unused}/20210620T051650Z"));
        assert_eq!(failing(std::slice::from_ref(&dated)), 0);
        assert_eq!(failing(&[Stored { active: false, ..dated.clone() }]), 1);
        assert_eq!(decided(&account(&used_long_ago), &known([dated.clone()])).not_evaluated, [dated]);
        assert_eq!(decided(&unreadable, &known([stored(OLD_KEY_ID)])).not_evaluated.len(), 1);
        // When the date is readable again, the finding by slot is closed and not reported.
        let decision = decided(&account(OLD_KEY), &known([stored(slot)]));
        assert_eq!(decision.closings[0].reason, CloseReason::KnownByDate);
        assert!(!decision.closings[0].is_resolved());
        // A deleted key is closed as gone.
        let decision = decided(&account(NO_KEY), &known([stored(slot)]));
        assert_eq!(decision.closings[0].reason, CloseReason::Gone(SourceId::CredentialReport));
    }

    /// Runs twice on the same account. Returns the lines on blind spots and kept findings, and whether a message is
    /// sent.
    fn two_days(account: &Account, before: &[Stored], rules: AlertRules) -> String {
        let mut stored = known(before.iter().cloned());
        let mut days = String::new();
        for _ in 0..2 {
            let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
            let decision = decide(evaluated(account), memory, &Enrichment::default(), rules);
            let about = |line: &&str| line.contains("/credential-report-unreadable/") || line.starts_with("keep");
            for line in decision.to_string().lines().filter(about) {
                let _ = writeln!(days, "{line}");
            }
            for failing in &decision.failing {
                let workflow = if failing.is_new() && !decision.is_reportable(failing.severity()) {
                    Workflow::New
                } else {
                    Workflow::Notified
                };
                let known = Stored { workflow, severity: failing.severity(), ..self::stored(&failing.id) };
                stored.insert(failing.id.clone(), known);
            }
            let failed = decision.problems.failed.map_or_else(String::new, |step| format!(", {} failed", step.name()));
            let outcome = Outcome { decision, receipts: Receipts::default() };
            let _ = writeln!(days, "message: {}{failed}", Alert::of(&outcome).is_due());
        }
        days
    }

    const NO_VERDICT: &str = "
user           | password_enabled | mfa_active
<root_account> | false            | false
alice          | true             | perhaps
bob            | false            | false
";

    #[test]
    fn an_unreadable_cell_is_reported_once() {
        let mfa = stored("credwarden/console-user-mfa-disabled/123456789012/user/alice");
        let of = |before: &[Stored], min_severity| {
            two_days(&account(NO_VERDICT), before, AlertRules { on: AlertOn::Changes, min_severity })
        };
        insta::assert_snapshot!(of(&[], Severity::Medium), @"
        new        MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice (first seen)
        message: true
        reported   MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice
        message: false
        ");
        insta::assert_snapshot!(of(std::slice::from_ref(&mfa), Severity::Medium), @"
        new        MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice (first seen)
        keep       MEDIUM        credwarden/console-user-mfa-disabled/123456789012/user/alice
        message: true
        reported   MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice
        keep       MEDIUM        credwarden/console-user-mfa-disabled/123456789012/user/alice
        message: false
        ");
        // The cell is below the threshold and not reported, but the finding that depends on it is above.
        insta::assert_snapshot!(of(&[Stored { severity: Severity::High, ..mfa }], Severity::High), @"
        new        MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice (first seen)
        keep       HIGH          credwarden/console-user-mfa-disabled/123456789012/user/alice
        message: true
        new        MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice (not reported yet)
        keep       HIGH          credwarden/console-user-mfa-disabled/123456789012/user/alice
        message: true
        ");
    }

    #[test]
    fn a_row_without_a_user_keeps_findings_open_and_is_reported_once() {
        let mut account = account(NO_VERDICT);
        let rows = format!("{}\ne|ve", crate::testing::csv(&NO_VERDICT.replace("perhaps", "true   ")));
        account.report.as_mut().unwrap().credentials = crate::report::CredentialReport::parse(rows.as_bytes()).unwrap();
        account.summary.as_mut().unwrap().users = Some(3);
        let gone = stored("credwarden/user-without-credentials/123456789012/user/eve");
        insta::assert_snapshot!(two_days(&account, std::slice::from_ref(&gone), RULES), @"
        new        HIGH          credwarden/credential-report-unreadable/123456789012/account (first seen)
        keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/eve
        message: true
        reported   HIGH          credwarden/credential-report-unreadable/123456789012/account
        keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/eve
        message: false
        ");
        // One more missing user has another reason.
        account.summary.as_mut().unwrap().users = Some(4);
        insta::assert_snapshot!(two_days(&account, &[gone], RULES), @"
        new        HIGH          credwarden/credential-report-unreadable/123456789012/account (first seen)
        keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/eve
        message: true
        reported   HIGH          credwarden/credential-report-unreadable/123456789012/account
        keep       MEDIUM        credwarden/user-without-credentials/123456789012/user/eve
        message: true
        ");
    }

    #[test]
    fn an_unreadable_column_fails_every_run_and_keeps_findings_open() {
        let broken = account(&NO_VERDICT.replace("bob            | false            | false", "bob | true | perhaps"));
        let alice = stored("credwarden/credential-report-unreadable/123456789012/user/alice");
        insta::assert_snapshot!(two_days(&broken, &[alice], RULES), @"
        new        HIGH          credwarden/credential-report-unreadable/123456789012/account (first seen)
        keep       MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice
        message: true, Collect failed
        reported   HIGH          credwarden/credential-report-unreadable/123456789012/account
        keep       MEDIUM        credwarden/credential-report-unreadable/123456789012/user/alice
        message: true, Collect failed
        ");
    }

    /// A check whose subjects are listed by a second source.
    static OF_A_SECOND_SOURCE: Check = Check {
        id: "device-lost",
        sources: &[SourceId::VirtualMfaDevices],
        listed_by: Some(SourceId::VirtualMfaDevices),
        kind: Kind::State,
        ..*CHECKS[11]
    };

    /// The result of reading one source.
    #[derive(Debug, Clone)]
    enum Read {
        /// All users.
        Whole,
        /// Only these users.
        Part(BTreeSet<String>),
        Failed,
        NotAsked,
    }

    /// The account: for each source its users, and whether they fail.
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

    /// The evaluation of the data that was read.
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

    /// The findings in Security Hub after the decision.
    fn executed(decision: &Decision, mut stored: BTreeMap<String, Stored>) -> BTreeMap<String, Stored> {
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
        /// A source that fails closes no finding of the other source. A finding is gone only if its own source was
        /// read.
        #[test]
        fn one_source_closes_nothing_of_another(
            days in prop::collection::vec((worlds(), [reads(), reads()]), 1..8),
        ) {
            let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
            for (day, (world, reads)) in days.iter().enumerate() {
                let now = time(NOW) + TimeDelta::days(i64::try_from(day).unwrap());
                let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
                let decision = decide(seen(world, reads, now), memory, &Enrichment::default(), RULES);
                let after = executed(&decision, stored.clone());
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
