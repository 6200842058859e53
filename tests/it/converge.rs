//! Histories of an account with every failure, checked against the guarantees. A history is a list of steps: the account
//! changes, people work in the console, runs fail, die or are delivered twice. The real run is executed, with the real clients,
//! against the [world], in one process or split into several that share only JSON. The guarantees are checked after each run,
//! and at the end the state must be that of a history without failures.
//!
//! [world]: crate::world

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use aws::hub::publish::Publisher;
use checker::budget::{Budget, RUN};
use checker::clients::Clients;
use checker::config::Config;
use checker::run::{RunError, audit, finish, notify, publish, run};
use checker::summary::Summary;
use chrono::{DateTime, TimeDelta, Utc};
use hygiene::account::{self as read, AccountSummary, Doubt, Report};
use hygiene::alert::Alert;
use hygiene::check::Check;
use hygiene::checks::{CHECKS, find};
use hygiene::decision::Decision;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::outcome::Outcome;
use hygiene::policy::Policy;
use hygiene::problems::Problems;
use hygiene::report::CredentialReport;
use hygiene::service_credential::ServiceCredential;
use hygiene::source::{SourceId, Unavailable};
use hygiene::subject::{FindingId, Subject};
use hygiene::uses::Uses;
use hygiene::verdict::{ReportedEvidence, Severity, Status};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestCaseError, TestRunner};
use serde_json::Value;
use tokio::time::Instant;

use crate::account::{self, ACCOUNT, now};
use crate::world::{
    Account, Damage, Effect, Failure, Fault, Key, OPERATIONS, Own, State, User, World, config, is_ours, moment,
};

/// The time limit of an invocation.
const LEFT: Duration = Duration::from_mins(5);
const USERS: u8 = 3;

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    Person(Person, u8),
    /// This check, or none, is disabled in later runs.
    Disable(Option<u8>),
    HubEnabled(bool),
    Run(Invocation),
}

#[derive(Debug, Clone)]
enum Change {
    User(u8, u8),
    DeleteUser(u8),
    Password(u8),
    Mfa(u8),
    NewKey(u8, u8),
    UseKey(u8),
    DeactivateKeys(u8),
    DeleteKeys(u8),
    NewCredential(u8, u8, bool),
    DeactivateCredentials(u8),
    DeleteCredentials(u8),
    /// Whether IAM lists the service-specific credentials of all users.
    ListsCredentials(bool),
    NewRootKey(u8),
    UseRoot,
    DeactivateRootKeys,
    DeleteRootKeys,
    RootMfa,
}

/// A person's change of one of credwarden's findings in the console.
#[derive(Debug, Clone, Copy)]
enum Person {
    Suppresses,
    Resolves,
    Reopens,
}

#[derive(Debug, Clone)]
struct Invocation {
    /// The time since the step before.
    after: Pause,
    /// The same event is delivered twice, and both runs are concurrent.
    twice: bool,
    faults: Vec<Fault>,
    damage: Option<Damage>,
    /// `GetFindings` does not show the writes of the run before yet.
    lags: bool,
    /// The finding that is suppressed between the import and the alert.
    suppresses: Option<u8>,
    /// If the run is split into processes: the last of them that is started.
    split: Option<Part>,
}

impl Invocation {
    /// An invocation without failures.
    fn quiet(after: Pause) -> Self {
        Self { after, twice: false, faults: Vec::new(), damage: None, lags: false, suppresses: None, split: None }
    }
}

/// A part of a run that is a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Decide,
    Publish,
    Notify,
    Finish,
}

#[derive(Debug, Clone, Copy)]
enum Pause {
    /// The event was delivered again.
    None,
    Minute,
    Hours,
    Day,
    Months,
}

impl Pause {
    fn time(self) -> TimeDelta {
        match self {
            Self::None => TimeDelta::zero(),
            Self::Minute => TimeDelta::minutes(1),
            Self::Hours => TimeDelta::hours(5),
            Self::Day => TimeDelta::days(1),
            Self::Months => TimeDelta::days(50),
        }
    }
}

const FAILURES: [Failure; 12] = [
    Failure::Denied,
    Failure::Throttled,
    Failure::Broken,
    Failure::Cut(Effect::None),
    Failure::Cut(Effect::Done),
    Failure::Silent(Effect::None),
    Failure::Silent(Effect::Done),
    Failure::Garbage,
    Failure::Shortened,
    Failure::Refused,
    Failure::Crash(Effect::None),
    Failure::Crash(Effect::Done),
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..USERS;
    let change = prop_oneof![
        2 => (user(), any::<u8>()).prop_map(|(user, age)| Change::User(user, age)),
        1 => user().prop_map(Change::DeleteUser),
        1 => user().prop_map(Change::Password),
        1 => user().prop_map(Change::Mfa),
        3 => (user(), any::<u8>()).prop_map(|(user, age)| Change::NewKey(user, age)),
        1 => user().prop_map(Change::UseKey),
        1 => user().prop_map(Change::DeactivateKeys),
        1 => user().prop_map(Change::DeleteKeys),
        2 => (user(), any::<u8>(), any::<bool>())
            .prop_map(|(user, age, expires)| Change::NewCredential(user, age, expires)),
        1 => user().prop_map(Change::DeactivateCredentials),
        1 => user().prop_map(Change::DeleteCredentials),
        1 => prop::bool::weighted(0.7).prop_map(Change::ListsCredentials),
        3 => any::<u8>().prop_map(Change::NewRootKey),
        3 => Just(Change::UseRoot),
        1 => Just(Change::DeactivateRootKeys),
        1 => Just(Change::DeleteRootKeys),
        1 => Just(Change::RootMfa),
    ];
    let person = prop_oneof![Just(Person::Suppresses), Just(Person::Resolves), Just(Person::Reopens)];
    let times = prop_oneof![Just(1), Just(2), Just(u16::MAX)];
    let fault = (prop::sample::select(&OPERATIONS[..]), prop::sample::select(&FAILURES[..]), 0..3_u8, times)
        .prop_map(|(operation, failure, after, times)| Fault { operation, failure, after, times });
    let damage = prop_oneof![
        Just(Damage::NoRootRow),
        Just(Damage::NoReport),
        user().prop_map(Damage::ShortRow),
        user().prop_map(Damage::UnreadableDate),
        user().prop_map(Damage::UnreadableMfa),
        user().prop_map(Damage::ForbiddenName),
        Just(Damage::NoColumn),
        Just(Damage::ForeignRow),
        Just(Damage::Earliest),
        Just(Damage::Future),
    ];
    let pause = prop_oneof![
        1 => Just(Pause::None),
        2 => Just(Pause::Minute),
        2 => Just(Pause::Hours),
        4 => Just(Pause::Day),
        1 => Just(Pause::Months),
    ];
    // Most split runs are completed.
    let part = prop_oneof![
        4 => Just(Part::Finish),
        1 => Just(Part::Notify),
        1 => Just(Part::Publish),
        1 => Just(Part::Decide),
    ];
    let faults = prop_oneof![2 => Just(Vec::new()), 5 => prop::collection::vec(fault, 1..3)];
    let invocation = (
        pause,
        prop::bool::weighted(0.2),
        faults,
        prop::option::weighted(0.25, damage),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.3, any::<u8>()),
        prop::option::of(part),
    )
        .prop_map(|(after, twice, faults, damage, lags, suppresses, split)| {
            Step::Run(Invocation { after, twice, faults, damage, lags, suppresses, split })
        });
    let step = prop_oneof![
        8 => change.prop_map(Step::Change),
        3 => (person, any::<u8>()).prop_map(|(person, place)| Step::Person(person, place)),
        1 => prop::option::of(0..u8::try_from(CHECKS.len()).unwrap()).prop_map(Step::Disable),
        1 => prop::bool::weighted(0.7).prop_map(Step::HubEnabled),
        10 => invocation,
    ];
    prop::collection::vec(step, 1..32)
}

/// The data that a run read, and the verdicts on it.
struct View {
    /// The verdicts on the data that was served.
    seen: Evaluation,
    disabled: Vec<&'static str>,
    time: DateTime<Utc>,
}

impl View {
    /// Whether the report is later than the one of the stored finding.
    fn is_later_than(&self, stored: &Value) -> bool {
        made(stored).is_none_or(|known| self.seen.report_generated_at.is_none_or(|generated| known < generated))
    }

    /// Whether the finding's check is disabled.
    fn disables(&self, id: &str) -> bool {
        self.disabled.iter().any(|check| id.contains(&format!("/{check}/")))
    }

    /// Whether the report is earlier than the one of the stored finding.
    fn is_earlier_than(&self, stored: &Value) -> bool {
        self.seen.report_generated_at.zip(made(stored)).is_some_and(|(generated, known)| generated < known)
    }

    /// Whether the finding is on an earlier user of the same name as this view's.
    fn shows_another_user(&self, id: &str, stored: &Value) -> bool {
        let known = time_in(stored, "credwarden/user-created");
        let finding = self.seen.findings.iter().find(|finding| finding.id(Some(ACCOUNT)).to_string() == id);
        let created = finding.and_then(|finding| match &*finding.subject {
            Subject::User(user) => user.created,
            _ => None,
        });
        created.zip(known).is_some_and(|(created, known)| created != known) && !self.is_earlier_than(stored)
    }

    /// Whether this view has the evidence to close the finding.
    fn closes(&self, id: &str, stored: &Value) -> bool {
        let check = stored["GeneratorId"].as_str().unwrap().trim_start_matches("credwarden/");
        let reads_report = check_of(stored).is_some_and(|check| check.reads(SourceId::CredentialReport));
        let is_doubtful = self.seen.doubts.iter().any(Doubt::is_failure) || self.is_earlier_than(stored);
        if reads_report && is_doubtful && !self.disabled.contains(&check) {
            return false;
        }
        let verdict = self.seen.findings.iter().find(|finding| finding.id(Some(ACCOUNT)).to_string() == id);
        self.disabled.contains(&check)
            || verdict.map_or_else(
                || {
                    let source = check_of(stored).and_then(|check| check.listed_by);
                    let coverage = &self.seen.coverage[&source.unwrap()];
                    coverage.shows_absence_of(&FindingId::parse(id).unwrap().subject)
                },
                |finding| matches!(finding.status(), Status::Passed | Status::NotApplicable),
            )
    }
}

/// The history so far, with the state to check the guarantees.
struct History {
    world: World,
    config: Config,
    /// The reported evidence of each finding.
    reported: BTreeMap<String, ReportedEvidence>,
    /// Findings reported without the dates of root's keys, which the summary does not have: these dates are not new evidence.
    unnamed: BTreeSet<String>,
    /// The evidence that Security Hub had, marked as reported.
    known: BTreeMap<String, ReportedEvidence>,
    /// Findings to report again: they were closed, or a person reopened them.
    owed: BTreeSet<String>,
    created: BTreeMap<String, DateTime<Utc>>,
    /// The hub before the writes of the last run.
    before_last: BTreeMap<String, Value>,
    touched: BTreeSet<String>,
    keys: u32,
    figures: Figures,
}

/// Counts of what was tested.
#[derive(Debug, Default)]
struct Figures {
    histories: usize,
    runs: usize,
    met: BTreeMap<String, usize>,
    crashes: usize,
    split: usize,
    mails: usize,
    closed: usize,
    suppressed: usize,
}

impl Figures {
    fn add(&mut self, more: Self) {
        self.histories += more.histories;
        self.runs += more.runs;
        self.crashes += more.crashes;
        self.split += more.split;
        self.mails += more.mails;
        self.closed += more.closed;
        self.suppressed += more.suppressed;
        for (failure, count) in more.met {
            *self.met.entry(failure).or_default() += count;
        }
    }
}

type Checked = Result<(), TestCaseError>;

macro_rules! check {
    ($condition:expr, $($words:tt)*) => {
        if !$condition {
            return Err(TestCaseError::fail(format!($($words)*)));
        }
    };
}

impl History {
    fn new(seed: u64) -> Self {
        let key =
            |id: &str| Some(Key { id: id.to_owned(), created: now() - TimeDelta::days(400), used: None, active: true });
        let user = |number: u8| {
            let (created, keys) = (now() - TimeDelta::days(500), [key(&format!("AKIA{number}")), None]);
            (number, User { created, password: number == 1, keys, ..User::default() })
        };
        let root_keys = [key("AKIAROOT"), None];
        let users = (0..2).map(user).collect();
        let account = Account { root_mfa: true, root_keys, users, lists_credentials: true };
        Self {
            world: World::new(now(), account, seed),
            config: config(),
            reported: BTreeMap::new(),
            unnamed: BTreeSet::new(),
            known: BTreeMap::new(),
            owed: BTreeSet::new(),
            created: BTreeMap::new(),
            before_last: BTreeMap::new(),
            touched: BTreeSet::new(),
            keys: 0,
            figures: Figures { histories: 1, ..Figures::default() },
        }
    }

    async fn take(&mut self, step: &Step) -> Checked {
        match step {
            Step::Change(change) => {
                self.keys += 1;
                let id = format!("AKIA{:016}", self.keys);
                changed(&mut self.world.state(), change, id);
                Ok(())
            }
            Step::Person(person, place) => {
                self.work(*person, *place);
                Ok(())
            }
            Step::Disable(place) => {
                self.config.policy.disabled_checks = place.iter().map(|place| CHECKS[usize::from(*place)].id).collect();
                Ok(())
            }
            Step::HubEnabled(enabled) => {
                self.world.state().hub_enabled = *enabled;
                Ok(())
            }
            Step::Run(invocation) => self.invoke(invocation).await.map(|_| ()),
        }
    }

    fn work(&mut self, person: Person, place: u8) {
        let status = match person {
            Person::Suppresses => "SUPPRESSED",
            Person::Resolves => "RESOLVED",
            Person::Reopens => "NEW",
        };
        let Some(id) = self.world.state().set_workflow(place, status) else { return };
        self.touched.insert(id.clone());
        if !matches!(person, Person::Suppresses) {
            self.owed.insert(id);
        }
    }

    /// Executes a run, or two at once, and checks the guarantees after it. Returns whether it had no failures.
    async fn invoke(&mut self, invocation: &Invocation) -> Result<bool, TestCaseError> {
        let before = self.begin(invocation);
        let mails = self.world.state().messages.len();
        self.figures.split += usize::from(invocation.split.is_some());
        let copies: usize = if invocation.twice { 2 } else { 1 };
        let started = Instant::now();
        let runs: Vec<_> = (0..copies)
            .map(|copy| {
                // The second delivery is an ordinary run.
                let faults = if copy == 0 { invocation.faults.clone() } else { Vec::new() };
                self.world.process(faults)
            })
            .collect();
        let time = self.world.state().now;
        let config = &self.config;
        let mut call = account::invocation(time, LEFT);
        // Every third run has another presumed account, as on a developer's machine. Then GetFindings must not fail: its first
        // result is not used, and its error would not be reported.
        let is_other = |fault: &Fault| fault.operation != "GetFindings";
        if self.figures.runs.is_multiple_of(3) && invocation.faults.iter().all(is_other) {
            call.expected = account::presumed("012345678901");
        }
        let call = &call;
        let outcomes = futures_util::future::join_all(runs.iter().map(async |process| {
            let clients = process.clients().await;
            tokio::select! {
                biased;
                () = process.crashed() => None,
                outcome = execute(&clients, config, call, invocation.split) => outcome,
            }
        }))
        .await;
        check!(started.elapsed() <= LEFT, "the run took {:?}", started.elapsed());

        let reported = self.world.results().split_off(mails);
        let views: Vec<View> = runs.iter().map(|process| self.view(&process.own())).collect();
        let mut clean = self.world.state().hub_enabled && invocation.damage.is_none() && !invocation.lags;
        clean &= invocation.split.is_none_or(|last| last == Part::Finish);
        for (process, outcome) in runs.iter().zip(&outcomes) {
            let own = process.own();
            clean &= own.met.is_empty();
            self.figures.runs += 1;
            self.figures.crashes += usize::from(outcome.is_none());
            for fault in &own.met {
                *self.figures.met.entry(format!("{:?}", fault.failure)).or_default() += 1;
            }
            failures_are_named(outcome.as_ref(), &own)?;
        }
        let after = self.world.state().hub.clone();
        // SNS accepted these messages, but the response was lost: the run sends them again.
        let response_lost: usize =
            runs.iter().map(|process| process.own().met.iter().filter(|fault| is_response_lost(fault)).count()).sum();
        check!(reported.len() <= copies + response_lost, "{} mails", reported.len());
        self.alerts_are_due(&reported, &before, &views, invocation)?;
        self.closings_are_justified(&before, &after, &views, &reported)?;
        self.marks_are_true(&before, &after, &views, invocation)?;
        let suppressed = self.world.state().suppressed.take();
        if let Some(id) = &suppressed {
            self.figures.suppressed += 1;
            suppression_is_kept(id, &before, &after, &reported, invocation)?;
        }
        others_are_untouched(&before, &after)?;
        if clean {
            self.all_is_reported(&before, &after, &views[0], &outcomes, suppressed.as_ref())?;
        }
        self.before_last = before;
        self.touched = suppressed.into_iter().collect();
        let mut world = self.world.state();
        (world.damage, world.lagging, world.suppresses) = (None, None, None);
        Ok(clean)
    }

    /// Prepares the world for the run; returns the hub's findings.
    fn begin(&self, invocation: &Invocation) -> BTreeMap<String, Value> {
        let mut world = self.world.state();
        world.now += invocation.after.time();
        world.damage.clone_from(&invocation.damage);
        world.suppresses = invocation.suppresses;
        if invocation.lags {
            // Changes by people are shown; writes of the last run are not.
            let mut shown = world.hub.clone();
            for id in world.hub.keys().filter(|id| !self.touched.contains(*id)) {
                match self.before_last.get(id) {
                    Some(old) => _ = shown.insert(id.clone(), old.clone()),
                    None => _ = shown.remove(id),
                }
            }
            world.lagging = Some(shown);
        }
        world.hub.clone()
    }

    /// Evaluates the data that the process was served.
    fn view(&self, own: &Own) -> View {
        let mut world = self.world.state();
        let unread = || Unavailable::from("not served");
        let (made, text) = world.served();
        let report = CredentialReport::parse(text.as_bytes());
        let report = report.map_err(|error| Unavailable::from(error.to_string().as_str()));
        let report = report.map(|credentials| Report { generated_time: Some(made), credentials });
        let summary = world.account.summary();
        let summary = AccountSummary::of(|key| summary.get(key).copied()).unwrap();
        let devices = world.account.virtual_mfa_users().into_iter().map(Some).collect();
        let account = read::Account {
            id: Some(ACCOUNT.to_owned()),
            partition: Some("aws".to_owned()),
            report: if own.served.contains("report") { report } else { Err(unread()) },
            summary: if own.served.contains("summary") { Ok(summary) } else { Err(unread()) },
            virtual_mfa_users: if own.served.contains("devices") { Ok(devices) } else { Err(unread()) },
            service_credentials: if own.served.contains("credentials") {
                Ok(world.account.service_credentials())
            } else if world.account.lists_credentials {
                Err(unread())
            } else {
                Err(Unavailable::NotAsked("not offered".to_owned()))
            },
        };
        let disabled = self.config.policy.disabled_checks.clone();
        View { seen: evaluate(&account, &self.config.policy, &Scope::All, world.now), disabled, time: world.now }
    }

    /// No suppressed finding and no finding that does not fail is alerted; the alerted evidence is recorded.
    fn alerts_are_due(
        &mut self,
        mails: &[Value],
        before: &BTreeMap<String, Value>,
        views: &[View],
        invocation: &Invocation,
    ) -> Checked {
        self.figures.mails += mails.len();
        let now = views[0].time;
        for mail in mails {
            let errors = mail["errors"].to_string();
            // A run that cannot read the reported evidence reports all.
            let blind =
                invocation.lags || errors.contains("could not read our findings") || mail["account_id"].is_null();
            for finding in mail["findings"].as_array().unwrap() {
                let account = mail["account_id"].as_str();
                let id = finding["id"].as_str().unwrap();
                let mut verdicts = views.iter().flat_map(|view| &view.seen.findings);
                let failing = verdicts.rfind(|seen| is_failing(seen) && seen.id(account).to_string() == id);
                let stored = before.get(id).filter(|_| !blind);
                let Some(seen) = failing else {
                    // An event that the report no longer shows is reported from the stored evidence.
                    let held = before.get(id).filter(|stored| is_held(stored, now));
                    let held = held.filter(|stored| invocation.lags || workflow(stored) == "NEW");
                    check!(held.is_some(), "{id} was reported, and does not fail");
                    self.owed.remove(id);
                    let known = self.reported.entry(id.to_owned()).or_default();
                    known.uses = known.uses.clone().merged(held.map(evidence).unwrap_or_default().uses);
                    continue;
                };
                let current = seen.failure().map(|failure| failure.reportable.clone()).unwrap_or_default();
                let another = stored.is_some_and(|stored| views.iter().any(|view| view.shows_another_user(id, stored)));
                check!(
                    another
                        || stored.is_none_or(
                            |stored| workflow(stored) != "SUPPRESSED" || is_later(&current, &evidence(stored))
                        ),
                    "{id} is suppressed, and was reported"
                );
                if let Some(stored) = stored.filter(|stored| is_open(stored) && workflow(stored) == "NOTIFIED") {
                    let known = self.known.get(id).cloned().unwrap_or_default();
                    let worse =
                        Severity::from_label(stored["Severity"]["Label"].as_str().unwrap()) < Some(seen.severity());
                    check!(
                        worse || another || is_later(&current, &known) || invocation.twice,
                        "{id} was reported again without new evidence"
                    );
                }
                self.owed.remove(id);
                let known = self.reported.entry(id.to_owned()).or_default();
                // The reported evidence includes the stored uses.
                known.uses =
                    known.uses.clone().merged(current.uses).merged(stored.map(evidence).unwrap_or_default().uses);
                if current.keys.is_empty() {
                    self.unnamed.insert(id.to_owned());
                } else if !blind {
                    // Evidence that a run reports without Security Hub is not stored there.
                    self.unnamed.remove(id);
                }
                known.keys.extend(current.keys);
            }
        }
        Ok(())
    }

    /// A finding is closed only if the run read evidence for that; findings closed as resolved were reported as resolved.
    fn closings_are_justified(
        &mut self,
        before: &BTreeMap<String, Value>,
        after: &BTreeMap<String, Value>,
        views: &[View],
        mails: &[Value],
    ) -> Checked {
        let mut resolved = 0;
        let time = views[0].time;
        for (id, stored) in before.iter().filter(|(_, stored)| is_ours(stored) && is_open(stored)) {
            let Some(now) = after.get(id) else {
                check!(false, "{id} is gone");
                continue;
            };
            if !is_open(now) {
                check!(views.iter().any(|view| view.closes(id, stored)), "{id} was closed without a verdict");
                let status = now["Compliance"]["Status"].as_str().unwrap();
                check!(
                    !is_held(stored, time) || status == "NOT_AVAILABLE",
                    "{id} was closed as if the event had not happened"
                );
                check!(["PASSED", "NOT_AVAILABLE"].contains(&status), "{id} was closed as {status}");
                self.figures.closed += 1;
                let alerted = self.config.alert.min_severity <= severity(stored);
                resolved += u64::from(status == "PASSED" && alerted && workflow(stored) != "SUPPRESSED");
            }
        }
        let reported: u64 = mails.iter().map(|mail| mail["resolved"].as_u64().unwrap()).sum();
        check!(resolved <= reported, "{resolved} were closed, and {reported} reported");
        for (id, _) in after.iter().filter(|(_, stored)| is_ours(stored) && !is_open(stored)) {
            self.known.remove(id);
            self.owed.insert(id.clone());
        }
        Ok(())
    }

    /// All stored evidence of a marked finding was reported; a person's decision and `CreatedAt` are kept.
    fn marks_are_true(
        &mut self,
        before: &BTreeMap<String, Value>,
        after: &BTreeMap<String, Value>,
        views: &[View],
        invocation: &Invocation,
    ) -> Checked {
        for (id, stored) in after.iter().filter(|(_, stored)| is_ours(stored)) {
            let is_another = |old: &Value| views.iter().any(|view| view.shows_another_user(id, old));
            let another = before.get(id).is_some_and(is_another);
            if let Some(old) = before.get(id).filter(|old| workflow(old) == "SUPPRESSED" && !another) {
                check!(workflow(stored) == workflow(old), "{id} is suppressed no longer");
            }
            if let Some(old) = before.get(id) {
                check!(moment(old, "UpdatedAt") <= moment(stored, "UpdatedAt"), "{id}: UpdatedAt went back");
            }
            let created = moment(stored, "CreatedAt");
            let known = *self.created.entry(id.clone()).or_insert(created);
            // A run that was not shown the finding sets a new time, as does the finding of another user.
            if invocation.lags || another {
                self.created.insert(id.clone(), created);
            } else {
                check!(created == known, "{id}: CreatedAt was {known}, is {created}");
            }
            if is_open(stored) && workflow(stored) == "NOTIFIED" {
                let Some(reported) = self.reported.get_mut(id).filter(|_| !self.owed.contains(id)) else {
                    check!(false, "{id} is marked, but was not reported");
                    continue;
                };
                let known = evidence(stored);
                if invocation.lags {
                    // A run cannot set to NEW a finding that it was not shown; if it then dies, its writes count as reported.
                    reported.uses = reported.uses.clone().merged(known.uses.clone());
                    reported.keys.extend(known.keys.iter().cloned());
                }
                check!(
                    known.uses.not_in(&reported.uses).is_none(),
                    "{id}: {known:?} is stored, and {reported:?} was reported"
                );
                if self.unnamed.contains(id) && !known.keys.is_empty() {
                    reported.keys.extend(known.keys.iter().cloned());
                    self.unnamed.remove(id);
                }
                check!(
                    known.keys.is_subset(&reported.keys),
                    "{id}: {known:?} is stored, and {reported:?} was reported"
                );
                // A run that was not shown the stored evidence may have written less, as may the second of two. Evidence that is
                // still to be reported is not known.
                let stayed = !(invocation.lags || invocation.twice)
                    && before.get(id).is_some_and(|old| workflow(old) == "NOTIFIED");
                let before = self.known.remove(id).filter(|_| stayed).unwrap_or_default();
                let known = ReportedEvidence {
                    uses: known.uses.merged(before.uses),
                    keys: known.keys.union(&before.keys).cloned().collect(),
                    keys_whole: false,
                };
                self.known.insert(id.clone(), known);
            }
        }
        Ok(())
    }

    /// After a run without failures the open findings are those that fail or cannot be evaluated; each that fails was reported if
    /// it has to be.
    fn all_is_reported(
        &self,
        before: &BTreeMap<String, Value>,
        after: &BTreeMap<String, Value>,
        view: &View,
        outcomes: &[Option<Result<Summary, RunError>>],
        was_suppressed_meanwhile: Option<&String>,
    ) -> Checked {
        for outcome in outcomes {
            check!(matches!(outcome, Some(Ok(_))), "a run without failures ended with {outcome:?}");
        }
        let failing = view.seen.findings.iter().filter(|finding| is_failing(finding));
        let failing: BTreeMap<String, Severity> =
            failing.map(|finding| (finding.id(Some(ACCOUNT)).to_string(), finding.severity())).collect();
        // Findings of a source that the run did not request stay unchanged.
        let is_judged = |stored: &&Value| !check_of(stored).is_some_and(|check| view.seen.has_not_asked(check));
        let open = after.values().filter(|stored| is_ours(stored) && is_open(stored)).filter(is_judged).map(id);
        let (open, mut expected): (BTreeSet<_>, BTreeSet<_>) = (open.collect(), failing.keys().cloned().collect());
        // If the sources disagree there is no verdict, and open findings stay open.
        let unknown =
            view.seen.findings.iter().filter(|finding| finding.status() == Status::Unknown && !finding.not_given());
        let unknown = unknown.map(|finding| finding.id(Some(ACCOUNT)).to_string());
        expected.extend(unknown.filter(|id| before.get(id).is_some_and(is_open)));
        // The finding on an event stays open, whatever the report shows now.
        let held = before.iter().filter(|(_, stored)| is_ours(stored) && is_open(stored) && is_held(stored, view.time));
        expected.extend(held.map(|(id, _)| id.clone()).filter(|id| !view.disables(id)));
        // A report with fewer users than the account is no evidence about users that it does not have.
        if view.seen.doubts.iter().any(|doubt| matches!(doubt, Doubt::FewerUsers { .. })) {
            let judged = view.seen.findings.iter().map(|finding| finding.id(Some(ACCOUNT)).to_string());
            let judged: BTreeSet<String> = judged.collect();
            let listed = |stored: &Value| {
                check_of(stored).is_some_and(|check| check.listed_by == Some(SourceId::CredentialReport))
            };
            let absent = before.iter().filter(|(_, stored)| is_ours(stored) && is_open(stored) && listed(stored));
            let absent = absent.map(|(id, _)| id).filter(|id| !judged.contains(*id) && !view.disables(id));
            expected.extend(absent.cloned());
        }
        check!(open == expected, "open: {open:#?}, failing: {expected:#?}");
        for (id, severity) in &failing {
            let is_another = before.get(id).is_some_and(|old| view.shows_another_user(id, old));
            check!(
                !is_another || workflow(&after[id]) != "SUPPRESSED" || was_suppressed_meanwhile == Some(id),
                "{id} is suppressed, but only an earlier user's finding was"
            );
            let expected = match (workflow(&after[id]), *severity < self.config.alert.min_severity) {
                ("SUPPRESSED", _) => continue,
                // A person resolved the finding on the event, and it did not happen again.
                ("RESOLVED", _) if id.contains("/root-user-recently-used/") => continue,
                // There is no later report yet that could show it.
                ("RESOLVED", _) if !view.is_later_than(&before[id]) => continue,
                (_, true) => ["NEW", "RESOLVED"],
                (_, false) => ["NOTIFIED", "NOTIFIED"],
            };
            check!(expected.contains(&workflow(&after[id])), "{id} is {}, not {expected:?}", workflow(&after[id]));
        }
        Ok(())
    }

    /// One run without failures restores the expected state, and the next has nothing to do.
    async fn settle(&mut self) -> Checked {
        self.world.state().hub_enabled = true;
        self.world.state().account.lists_credentials = true;
        check!(self.invoke(&Invocation::quiet(Pause::Hours)).await?, "the run had a failure");
        let before = self.world.state().hub.clone();
        let reported = self.world.state().messages.len();
        check!(self.invoke(&Invocation::quiet(Pause::None)).await?, "the run had a failure");
        let again = self.world.results().into_iter().nth(reported);
        check!(again.is_none(), "a finding was reported twice: {again:#?}");
        let same = |hub: &BTreeMap<String, Value>| -> BTreeMap<String, Value> {
            let without = |(id, finding): (&String, &Value)| {
                let mut finding = finding.clone();
                for field in ["UpdatedAt", "LastObservedAt"] {
                    finding.as_object_mut().unwrap().remove(field);
                }
                (id.clone(), finding)
            };
            hub.iter().map(without).collect()
        };
        let after = self.world.state().hub.clone();
        let (before, after) = (same(&before), same(&after));
        for (id, finding) in &before {
            check!(after.get(id) == Some(finding), "the second run changed {finding:#} to {:#}", after[id]);
        }
        check!(before.len() == after.len(), "the second run found something");
        Ok(())
    }
}

/// Executes a run, or its parts, each of which receives only the JSON of the one before.
async fn execute(
    clients: &Clients,
    config: &Config,
    invocation: &checker::run::Invocation,
    split: Option<Part>,
) -> Option<Result<Summary, RunError>> {
    let Some(last) = split else { return Some(run(clients, config, invocation).await) };
    // Each process has its own time limit.
    let budget = || Budget::new(invocation.left / 4, &RUN);
    let decision = written(&audit(clients, config, invocation, &budget()).await.decision);
    if last < Part::Publish {
        return None;
    }
    let decision: Decision = serde_json::from_str(&decision).unwrap();
    let publisher = Publisher::of(&clients.security_hub, &decision);
    let receipts = publish(publisher.as_ref(), &decision, &budget()).await;
    let outcome = written(&Outcome { receipts, decision });
    if last < Part::Notify {
        return None;
    }
    let outcomes: Vec<Outcome> = serde_json::from_str(&format!("[{outcome}]")).unwrap();
    let (state, problems) = notify(clients, config, &outcomes, &budget()).await;
    let problems = written(&problems);
    if last < Part::Finish {
        return None;
    }
    let outcome: Outcome = serde_json::from_str(&outcome).unwrap();
    let publisher = Publisher::of(&clients.security_hub, &outcome.decision);
    let finished = finish(publisher.as_ref(), &outcome, state, &budget()).await;
    let problems: Problems = serde_json::from_str(&problems).unwrap();
    let problems = outcome.problems().followed_by(&problems).followed_by(&finished.problems);
    Some(match problems.failed {
        Some(step) => Err(RunError { step, causes: problems.list() }),
        None => Ok(Summary { errors: problems.list(), ..Summary::new(&Alert::of(&outcome), 0, state) }),
    })
}

fn written(part: &impl serde::Serialize) -> String {
    serde_json::to_string(part).unwrap()
}

/// A permanent failure is named in the result or the error, by its operation.
fn failures_are_named(outcome: Option<&Result<Summary, RunError>>, own: &Own) -> Checked {
    let words = match outcome {
        None => return Ok(()),
        Some(Ok(summary)) => summary.errors.join("\n"),
        Some(Err(error)) => error.to_string(),
    };
    for fault in &own.met {
        let stays = match fault.failure {
            Failure::Denied => true,
            Failure::Refused | Failure::Crash(_) => false,
            _ => fault.times == u16::MAX - 1,
        };
        // SNS has published the message, even if its response is truncated.
        let stays = stays && !(fault.operation == "Publish" && fault.failure == Failure::Shortened);
        // Without the account's number the findings are not used, and that is reported.
        let stays = stays && !(fault.operation == "GetFindings" && words.contains("without the account's number"));
        // The report is one source, whichever of its two calls fails.
        let operation = fault.operation.trim_start_matches("Generate").trim_start_matches("Get");
        check!(!stays || words.contains(operation), "{fault:?} is not named in {words:?}");
    }
    Ok(())
}

/// A finding suppressed between the import and the alert stays suppressed, and is reported only if that could not be read.
fn suppression_is_kept(
    id: &str,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    mails: &[Value],
    invocation: &Invocation,
) -> Checked {
    // One of two concurrent runs may have read it before, and GetFindings may not show it yet.
    if invocation.twice || invocation.lags {
        return Ok(());
    }
    check!(workflow(&after[id]) == "SUPPRESSED", "{id} was suppressed meanwhile, and is {}", workflow(&after[id]));
    // If a known finding could not be set to NEW, its suppression may be that of an earlier key.
    let may_be_earlier = invocation.faults.iter().any(|fault| fault.operation == "BatchUpdateFindings");
    if before.contains_key(id) && may_be_earlier {
        return Ok(());
    }
    let was_suppressed = before.get(id).is_some_and(|stored| workflow(stored) == "SUPPRESSED");
    for mail in mails.iter().filter(|mail| !was_suppressed && !mail["errors"].to_string().contains(UNSEEN)) {
        let reported = mail["findings"].as_array().unwrap().iter().any(|finding| finding["id"] == id);
        check!(!reported, "{id} was suppressed meanwhile, and was reported");
    }
    Ok(())
}

/// The error of a run that could not read what was suppressed meanwhile.
const UNSEEN: &str = "could not read what was suppressed meanwhile";

fn others_are_untouched(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Checked {
    let others = |hub: &BTreeMap<String, Value>| -> Vec<Value> {
        hub.values().filter(|finding| !is_ours(finding)).cloned().collect()
    };
    check!(others(before) == others(after), "a finding of another tool was touched");
    Ok(())
}

fn is_response_lost(fault: &Fault) -> bool {
    fault.operation == "Publish"
        && matches!(
            fault.failure,
            Failure::Cut(Effect::Done) | Failure::Silent(Effect::Done) | Failure::Garbage | Failure::Shortened
        )
}

fn is_failing(finding: &hygiene::finding::Finding) -> bool {
    finding.status() == Status::Failed
}

/// The check that made the stored finding, if this version has it.
fn check_of(stored: &Value) -> Option<&'static Check> {
    find(stored["GeneratorId"].as_str()?.strip_prefix("credwarden/")?)
}

fn is_open(finding: &Value) -> bool {
    finding["RecordState"] == "ACTIVE"
}

fn workflow(finding: &Value) -> &str {
    finding["Workflow"]["Status"].as_str().unwrap()
}

fn severity(finding: &Value) -> Severity {
    Severity::from_label(finding["Severity"]["Label"].as_str().unwrap()).unwrap()
}

/// Returns the stored evidence.
fn evidence(finding: &Value) -> ReportedEvidence {
    let fields = &finding["ProductFields"];
    let list = |name: &str| fields[name].as_str().into_iter().flat_map(|list| list.split(',')).map(str::to_owned);
    let use_in = |text: String| {
        let (credential, used) = text.split_once('=').unwrap();
        (credential.to_owned(), DateTime::parse_from_rfc3339(used).unwrap().to_utc())
    };
    let by_credential = list("credwarden/root-uses").map(use_in).collect();
    ReportedEvidence {
        uses: Uses { by_credential, of_any: None },
        keys: list("credwarden/root-keys").collect(),
        keys_whole: false,
    }
}

fn time_in(finding: &Value, field: &str) -> Option<DateTime<Utc>> {
    let text = finding["ProductFields"][field].as_str();
    text.map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// Returns the time of the finding's report.
fn made(finding: &Value) -> Option<DateTime<Utc>> {
    time_in(finding, "credwarden/GeneratedTime")
}

/// Whether there is evidence that is not known.
fn is_later(evidence: &ReportedEvidence, known: &ReportedEvidence) -> bool {
    evidence.uses.not_in(&known.uses).is_some() || !evidence.keys.is_subset(&known.keys)
}

/// Whether the finding is on an event that is not older than the limit.
fn is_held(stored: &Value, now: DateTime<Utc>) -> bool {
    let latest = evidence(stored).uses.latest();
    latest.is_some_and(|latest| now - latest <= Policy::cis().root_used_within)
}

fn id(finding: &Value) -> String {
    finding["Id"].as_str().unwrap().to_owned()
}

fn changed(world: &mut State, change: &Change, id: String) {
    let now = world.now;
    let credential = id.clone();
    let key = |age: u8| Key { id, created: now - TimeDelta::days(age.into()), used: None, active: true };
    let place = |keys: &mut [Option<Key>; 2], key: Key| {
        let free = keys.iter().position(Option::is_none).unwrap_or(1);
        keys[free] = Some(key);
    };
    let account = &mut world.account;
    let mut user = |number: &u8, change: &mut dyn FnMut(&mut User)| {
        if let Some(user) = account.users.get_mut(number) {
            change(user);
        }
    };
    match change {
        Change::User(number, age) => {
            let created = now - TimeDelta::days((*age).into());
            account.users.entry(*number).or_insert_with(|| User { created, ..User::default() });
        }
        Change::DeleteUser(number) => _ = account.users.remove(number),
        Change::Password(number) => user(number, &mut |user| user.password = !user.password),
        Change::Mfa(number) => user(number, &mut |user| user.mfa = !user.mfa),
        Change::NewKey(number, age) => {
            let key = key(*age);
            user(number, &mut |user| place(&mut user.keys, key.clone()));
        }
        Change::UseKey(number) => {
            user(number, &mut |user| user.keys.iter_mut().flatten().for_each(|key| key.used = Some(now)));
        }
        Change::DeactivateKeys(number) => {
            user(number, &mut |user| user.keys.iter_mut().flatten().for_each(|key| key.active = false));
        }
        Change::DeleteKeys(number) => user(number, &mut |user| user.keys = [None, None]),
        Change::NewCredential(number, age, expires) => user(number, &mut |user| {
            let created = now - TimeDelta::days((*age).into());
            user.credentials.push(ServiceCredential {
                id: format!("ACCA{}", &credential),
                user: format!("user-{number}"),
                service: "bedrock.amazonaws.com".to_owned(),
                status: "Active".to_owned(),
                created,
                expires: expires.then(|| created + TimeDelta::days(120)),
            });
        }),
        Change::DeactivateCredentials(number) => {
            let deactivate = |credential: &mut ServiceCredential| "Inactive".clone_into(&mut credential.status);
            user(number, &mut |user| user.credentials.iter_mut().for_each(deactivate));
        }
        Change::DeleteCredentials(number) => user(number, &mut |user| user.credentials.clear()),
        Change::ListsCredentials(lists) => account.lists_credentials = *lists,
        Change::NewRootKey(age) => {
            let key = key(*age);
            place(&mut account.root_keys, key);
        }
        Change::UseRoot => account.root_keys.iter_mut().flatten().take(1).for_each(|key| key.used = Some(now)),
        Change::DeactivateRootKeys => account.root_keys.iter_mut().flatten().for_each(|key| key.active = false),
        Change::DeleteRootKeys => account.root_keys = [None, None],
        Change::RootMfa => account.root_mfa = !account.root_mfa,
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, runs, met, crashes, split, mails, closed, suppressed } = self;
        writeln!(
            formatter,
            "{histories} histories, {runs} runs, {crashes} of them died, {split} split, {mails} mails, {closed} closings, \
             {suppressed} suppressed meanwhile"
        )?;
        met.iter().try_for_each(|(failure, count)| writeln!(formatter, "{count:6} {failure}"))
    }
}

fn run_history(steps: &[Step], seed: u64) -> Result<Figures, TestCaseError> {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut history = History::new(seed);
        for step in steps {
            history.take(step).await?;
        }
        history.settle().await?;
        Ok(history.figures)
    })
}

/// Runs so many histories.
fn run_histories(histories: u32) -> Figures {
    let total = RefCell::new(Figures::default());
    let cases = Cases { cases: histories, failure_persistence: None, ..Cases::default() };
    let result = TestRunner::new(cases).run(&(steps(), any::<u64>()), |(steps, seed)| {
        total.borrow_mut().add(run_history(&steps, seed)?);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    total.into_inner()
}

/// `PROPTEST_CASES` is the number of histories; `--nocapture` shows their figures.
#[test]
#[expect(clippy::print_stdout, reason = "the figures, with --nocapture")]
fn every_history_keeps_the_guarantees() {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = Cases::default().cases.div_ceil(u32::try_from(workers).unwrap());
    let mut total = Figures::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| run_histories(share))).collect();
        for worker in workers {
            total.add(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    // Every failure must have occurred.
    assert!(FAILURES.iter().all(|failure| total.met.contains_key(&format!("{failure:?}"))), "{total}");
    assert!(total.mails > 0 && total.closed > 0 && total.crashes > 0 && total.split > 0, "{total}");
    assert!(total.suppressed > 0, "{total}");
    println!("{total}");
}

/// One of two users is deleted, and then another is created: the report in between has fewer users than the account.
#[test]
fn a_user_missing_in_a_report_with_too_few_users_stays_open_until_the_next() {
    let run = |after, damage| Step::Run(Invocation { damage, ..Invocation::quiet(after) });
    let steps = [
        run(Pause::None, None),
        Step::Change(Change::DeleteUser(0)),
        run(Pause::Hours, Some(Damage::NoRootRow)),
        Step::Change(Change::User(2, 0)),
        run(Pause::None, None),
    ];
    run_history(&steps, 0).unwrap();
}

/// A report that takes all its time leaves some for the caller identity: without the account's id the reported findings are
/// not known, and all would be reported again.
#[test]
fn a_silent_iam_repeats_no_alert() {
    let silent = |operation| Fault { operation, failure: Failure::Silent(Effect::None), after: 0, times: u16::MAX };
    for operation in OPERATIONS.into_iter().take_while(|operation| *operation != "ListAccessKeys") {
        let invocation = |faults| Step::Run(Invocation { faults, ..Invocation::quiet(Pause::Day) });
        let steps =
            [Step::Change(Change::NewRootKey(100)), invocation(Vec::new()), invocation(vec![silent(operation)])];
        run_history(&steps, 1).unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
}

/// A run stores a finding on a new key and dies before its message; the next one is served an earlier report.
#[test]
fn a_finding_stored_by_a_run_that_died_is_reported_even_if_the_next_report_lacks_it() {
    let steps = [
        Step::Run(Invocation::quiet(Pause::Day)),
        Step::Change(Change::NewRootKey(0)),
        Step::Run(Invocation { split: Some(Part::Publish), ..Invocation::quiet(Pause::Hours) }),
        Step::Run(Invocation { damage: Some(Damage::Earliest), ..Invocation::quiet(Pause::None) }),
    ];
    run_history(&steps, 0).unwrap();
}

/// Root's key is deleted, and another one made, which only the summary shows at first.
#[test]
fn a_root_key_first_shown_by_the_summary_is_reported_beside_a_deleted_one() {
    let steps = [
        Step::Run(Invocation::quiet(Pause::None)),
        Step::Change(Change::DeleteRootKeys),
        Step::Run(Invocation { damage: Some(Damage::NoRootRow), ..Invocation::quiet(Pause::Hours) }),
        Step::Change(Change::NewRootKey(0)),
        Step::Run(Invocation::quiet(Pause::None)),
    ];
    run_history(&steps, 0).unwrap();
}
