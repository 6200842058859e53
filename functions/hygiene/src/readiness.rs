//! Which statements of the service control policy in `infra/prevent.yaml` an account is ready for: what would break, with the
//! commands that remove it, and what is not known.
//!
//! A statement that comes too early stops the rotation of the keys that are left. Nothing that was not read is taken for
//! nothing: without it there is no READY.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Serialize;

use crate::account::{Account, Doubt, User};
use crate::check::{Context, Target};
use crate::checks::find;
use crate::commands::{self, aws};
use crate::evaluate::{Evaluation, Scope, evaluate};
use crate::event::{Event, Lookups};
use crate::policy::Policy;
use crate::remediation::{Argument, Remediation, Step};
use crate::report::{AccessKey, Row};
use crate::service_credential::State;
use crate::source::{Source, Unavailable};
use crate::subject::{AccessKeySubject, KeyTag, ServiceCredentialSubject, Subject, SubjectId, UserSubject};
use crate::text::{age, counted, escape, moment};
use crate::time::{Time, optional_seconds, seconds};
use crate::verdict::Status;

/// How long CloudTrail keeps events, and how long a key is unused before its use may be denied.
pub const PERIOD: TimeDelta = TimeDelta::days(90);

/// The operations that `DenyNewLongLivedCredentials` denies. IAM records them in the partition's global Region.
pub const CREATING: [&str; 7] = [
    "CreateUser",
    "CreateAccessKey",
    "CreateLoginProfile",
    "CreateServiceSpecificCredential",
    "ResetServiceSpecificCredential",
    "UploadSSHPublicKey",
    "UploadSigningCertificate",
];

/// The Regions that every account has.
/// See <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>.
pub const DEFAULT_REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The Regions of a partition that every account has, and the one in which IAM's events are recorded.
/// See <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html>.
fn regions_of(partition: &str) -> (&'static [&'static str], &'static str) {
    match partition {
        "aws-us-gov" => (&["us-gov-east-1", "us-gov-west-1"], "us-gov-west-1"),
        "aws-cn" => (&["cn-north-1", "cn-northwest-1"], "cn-north-1"),
        "aws-iso" => (&["us-iso-east-1", "us-iso-west-1"], "us-iso-east-1"),
        "aws-iso-b" => (&["us-isob-east-1"], "us-isob-east-1"),
        "aws-eusc" => (&["eusc-de-east-1"], "eusc-de-east-1"),
        _ => (&DEFAULT_REGIONS, "us-east-1"),
    }
}

/// The Regions of a partition that every account has.
pub fn default_regions(partition: &str) -> &'static [&'static str] {
    regions_of(partition).0
}

/// The Regions of a partition that every account has, and those that are enabled. The former cannot be disabled, so a list without
/// them is not whole.
pub fn all_regions(partition: &str, enabled: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    default_regions(partition).iter().map(|region| (*region).to_owned()).chain(enabled).collect()
}

/// The Region in which IAM's events are recorded.
pub fn global_region(partition: &str) -> &'static str {
    regions_of(partition).1
}

/// The account's place in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A member: service control policies apply.
    Member,
    /// The management account: service control policies do not apply.
    Management,
    /// In no organization, or in one without service control policies.
    None,
}

impl Membership {
    /// The account's place in an organization with that management account. An organization that only consolidates billing has no
    /// service control policies.
    pub fn of(account: &str, management_account: &str, has_policies: bool) -> Self {
        match (has_policies, account == management_account) {
            (false, _) => Self::None,
            (true, true) => Self::Management,
            (true, false) => Self::Member,
        }
    }
}

/// An SSH public key of a user, for AWS `CodeCommit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// The key's id.
    pub id: String,
    /// Whether it is active.
    pub is_active: bool,
}

/// The data that a verdict rests on.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its place in an organization.
    pub membership: Source<Membership>,
    /// The enabled Regions; if they are not given, the default ones.
    pub regions: Source<BTreeSet<String>>,
    /// CloudTrail's events by Region.
    pub events: &'a Lookups,
    /// The reason why the time of the report is not known, as a sentence.
    pub undated: Option<String>,
    /// The SSH public keys by user. They are listed one user at a time, only if nothing else blocks.
    pub ssh_keys: &'a BTreeMap<String, Source<Vec<SshKey>>>,
}

/// The result, in the contract's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The time of the evaluation.
    #[serde(serialize_with = "seconds")]
    pub evaluated_at: Time,
    /// The account's place in an organization, if it is known.
    #[serde(skip)]
    pub membership: Option<Membership>,
    /// The statements, in the order of introduction.
    pub policies: Vec<Statement>,
}

/// The result for one statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Its parameter in `infra/prevent.yaml`.
    pub policy: &'static str,
    /// Whether the account is ready for it.
    pub verdict: Verdict,
    /// The credentials and calls that have to end first.
    pub blockers: Vec<Blocker>,
    /// The sources that could not be read.
    pub unknown: Vec<Missing>,
    /// The calls of the last 90 days that it would have denied, the latest first.
    pub would_have_stopped: Vec<Call>,
}

/// Whether the account is ready for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Nothing that was found would break, and everything was read.
    Ready,
    /// Something would break.
    NotReady,
    /// Something could not be read.
    Unknown,
    /// The statement cannot apply to the account.
    NotApplicable,
}

impl Verdict {
    /// `READY`, `NOT_READY`, `UNKNOWN` or `NOT_APPLICABLE`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::NotReady => "NOT_READY",
            Self::Unknown => "UNKNOWN",
            Self::NotApplicable => "NOT_APPLICABLE",
        }
    }
}

/// Something that the statement would break.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Blocker {
    /// The subject, as in the identity of a finding: `user/alice/key/20210620T051650Z`.
    pub subject: String,
    /// One sentence.
    pub why: String,
    /// Commands in the order to run them, or steps in the console. A comment begins with `#`.
    pub commands: Vec<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// The source.
    pub what: String,
    /// One sentence.
    pub reason: String,
}

/// A call that the statement would have denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Call {
    /// The operation, such as `CreateAccessKey`.
    pub event: String,
    /// The caller's ARN, or what else is known of the caller. Untrusted text.
    pub who: String,
    /// When; `None` if the record has no readable time.
    #[serde(serialize_with = "optional_seconds")]
    pub when: Option<Time>,
}

/// Returns for each statement whether the account is ready for it.
pub fn readiness(inputs: &Inputs<'_>, now: Time) -> Readiness {
    let account = inputs.account.as_of(now);
    // What the root user did in the last 90 days would have been denied.
    let policy = Policy { root_used_within: PERIOD, ..Policy::cis() };
    let evaluation = evaluate(&account, &policy, &Scope::All, now);
    let facts = Facts { account: &account, keys: evaluation.access_keys(), evaluation: &evaluation, inputs, now };
    // API keys that exist keep working, and new ones get an expiration date: nothing blocks `BoundApiKeys`.
    let mut policies = vec![facts.root_user(), facts.new_credentials(), Statement::new(API_KEYS), facts.use_of_keys()];
    for statement in &mut policies {
        statement.settle(&inputs.membership);
    }
    let membership = inputs.membership.as_ref().ok().copied();
    Readiness { account_id: account.id.clone(), evaluated_at: now, membership, policies }
}

/// Returns the users whose SSH public keys have to be listed: none if something else blocks new credentials, or if it does not
/// matter.
pub fn users_to_list(readiness: &Readiness, account: &Account) -> Vec<String> {
    let is_open = |statement: &&Statement| statement.policy == NEW_CREDENTIALS;
    let statement = readiness.policies.iter().find(is_open);
    if !statement.is_some_and(|statement| matches!(statement.verdict, Verdict::Ready | Verdict::Unknown)) {
        return Vec::new();
    }
    account.users().into_iter().filter(|user| user.is_named).map(|user| user.name.into_owned()).collect()
}

/// The check on a recent use of the root user.
const USED: &str = "root-user-recently-used";

const ROOT_USER: &str = "DenyRootUser";
const NEW_CREDENTIALS: &str = "DenyNewLongLivedCredentials";
const API_KEYS: &str = "BoundApiKeys";
const USE_OF_KEYS: &str = "DenyUseOfLongLivedKeys";

impl Statement {
    fn new(policy: &'static str) -> Self {
        Self {
            policy,
            verdict: Verdict::Unknown,
            blockers: Vec::new(),
            unknown: Vec::new(),
            would_have_stopped: Vec::new(),
        }
    }

    /// Whether there is nothing to explain.
    pub fn is_empty(&self) -> bool {
        self.blockers.is_empty() && self.unknown.is_empty() && self.would_have_stopped.is_empty()
    }

    fn miss(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.unknown.push(Missing { what: what.into(), reason: reason.into() });
    }

    /// Sorts what is not known, so that the order of the input does not matter, and decides.
    fn settle(&mut self, membership: &Source<Membership>) {
        match membership {
            Ok(Membership::Management | Membership::None) => {
                *self = Self { verdict: Verdict::NotApplicable, ..Self::new(self.policy) };
                return;
            }
            Ok(Membership::Member) => {}
            Err(reason) => self.miss("organization", reason.reason()),
        }
        self.unknown.sort();
        self.unknown.dedup();
        self.verdict = match (self.blockers.is_empty(), self.unknown.is_empty()) {
            (false, _) => Verdict::NotReady,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Ready,
        };
    }
}

struct Facts<'a> {
    account: &'a Account,
    evaluation: &'a Evaluation,
    /// The access keys by user and slot. Two keys of one second have different subjects in the evaluation.
    keys: BTreeMap<(&'a str, u8), &'a Subject>,
    inputs: &'a Inputs<'a>,
    now: Time,
}

impl Facts<'_> {
    fn partition(&self) -> &str {
        &self.evaluation.partition
    }

    /// Whether the account may have IAM users, whose credentials have to be known.
    fn may_have_users(&self) -> bool {
        let report = self.account.report.as_ref();
        let summary = self.account.summary.as_ref().ok().and_then(|summary| summary.users);
        !report.is_ok_and(|report| report.credentials.users.is_empty() && report.credentials.damaged.is_empty())
            || summary.is_some_and(|users| users != 0)
    }

    fn is_recent(&self, time: Time) -> bool {
        self.now - time <= PERIOD
    }

    fn root_user(&self) -> Statement {
        let mut statement = Statement::new(ROOT_USER);
        for check in ["root-access-key-present", USED] {
            let findings = self.evaluation.findings.iter().filter(|finding| finding.check.id == check);
            for finding in findings {
                match finding.status() {
                    Status::Failed => statement.blockers.push(Blocker {
                        subject: finding.subject.id().to_string(),
                        why: finding.message().to_owned(),
                        commands: remedy(check, &Subject::Root { arn: None }),
                    }),
                    Status::Unknown => statement.miss(check, finding.message()),
                    Status::Passed | Status::NotApplicable => {}
                }
            }
        }
        for doubt in &self.evaluation.doubts {
            // A user who is missing in the report says nothing about the root user.
            if !matches!(doubt, Doubt::FewerUsers { .. }) {
                statement.miss("credential report", format!("{doubt}."));
            }
        }
        let calls = self.calls(Event::is_of_root);
        if let Some(latest) = calls.first() {
            let latest = latest.when.map_or_else(String::new, |when| format!(", the latest on {}", moment(when)));
            statement.blockers.push(Blocker {
                subject: SubjectId::Root.to_string(),
                why: format!(
                    "CloudTrail has {} of the root user in the last 90 days{latest}.",
                    counted(calls.len() as u64, "event")
                ),
                commands: remedy(USED, &Subject::Root { arn: None }),
            });
        }
        statement.would_have_stopped = calls;
        if let Err(reason @ (Unavailable::Unreadable(_) | Unavailable::BlindSpot { .. })) = &self.inputs.regions {
            statement.miss("Regions", reason.reason());
        }
        for region in all_regions(self.partition(), self.inputs.regions.iter().flatten().cloned()) {
            self.look(&region, &mut statement);
        }
        let is_of_nobody = |event: &Event| event.caller.kind.is_none() && !event.is_of_root();
        self.incomplete(is_of_nobody, "An event does not say who called.", &mut statement);
        if let Some(others) = self.account.root().ok().and_then(Row::additional_credentials) {
            statement.miss("root", further(others));
        }
        self.undated(&mut statement);
        statement
    }

    /// Notes that the Region's events are not known.
    fn look(&self, region: &str, statement: &mut Statement) {
        let missing = match self.inputs.events.get(region) {
            Some(lookup) => lookup.missing.clone(),
            None => Some("They are in none of the files.".to_owned()),
        };
        if let Some(reason) = missing {
            statement.miss(format!("events in {region}"), reason);
        }
    }

    /// Notes the Regions with an event that may be one of those that count, and does not say so.
    fn incomplete(&self, is_incomplete: impl Fn(&Event) -> bool, reason: &str, statement: &mut Statement) {
        for (region, lookup) in self.inputs.events {
            if lookup.events.iter().any(&is_incomplete) {
                statement.miss(format!("events in {region}"), reason);
            }
        }
    }

    /// The calls of the last 90 days, the latest first. An event without a time may be one of them.
    fn calls(&self, is_one: impl Fn(&Event) -> bool) -> Vec<Call> {
        let events = self.inputs.events.values().flat_map(|lookup| &lookup.events);
        let events: BTreeSet<&Event> =
            events.filter(|event| event.time.is_none_or(|time| self.is_recent(time)) && is_one(event)).collect();
        let mut calls: Vec<Call> = events.into_iter().map(Call::of).collect();
        calls.sort_by(|one, other| (Reverse(one.when), one).cmp(&(Reverse(other.when), other)));
        calls
    }

    fn new_credentials(&self) -> Statement {
        let mut statement = Statement::new(NEW_CREDENTIALS);
        self.report(&mut statement);
        for (user, row) in self.rows(&mut statement) {
            let owner = owner(&user);
            for key in &row.access_keys {
                self.key_that_is_there(&owner, key, &mut statement);
            }
            password(&owner, row, &mut statement, "Another one could not be created.");
            certificates(&owner, row, &mut statement);
            if let Some(others) = row.additional_credentials() {
                statement.miss(subject_of(&owner), further(others));
            }
            self.ssh_keys(&owner, &mut statement);
        }
        self.service_credentials(&mut statement);
        statement.would_have_stopped = self.calls(creates);
        let is_nameless = |event: &Event| event.name.is_empty() || event.source.is_empty();
        self.incomplete(is_nameless, "An event does not say which operation was called.", &mut statement);
        self.created_since(&mut statement);
        self.look(global_region(self.partition()), &mut statement);
        order(&mut statement.blockers);
        statement
    }

    fn use_of_keys(&self) -> Statement {
        let mut statement = Statement::new(USE_OF_KEYS);
        self.report(&mut statement);
        for (user, row) in self.rows(&mut statement) {
            let owner = owner(&user);
            let mfa = match &row.mfa_active {
                Ok(true) => "`without-mfa` stops only the sessions without MFA".to_owned(),
                Ok(false) => "`without-mfa` stops it too: the user has no MFA device".to_owned(),
                Err(error) => {
                    format!("Whether `without-mfa` stops it is not known ({})", error.to_string().trim_end_matches('.'))
                }
            };
            password(&owner, row, &mut statement, &format!("{mfa}."));
            for key in &row.access_keys {
                self.key_in_use(&owner, key, row, &mut statement);
            }
            if let Some(others) = row.additional_credentials() {
                statement.miss(subject_of(&owner), further(others));
            }
        }
        self.created_since(&mut statement);
        self.service_credentials(&mut statement);
        order(&mut statement.blockers);
        statement
    }

    /// Notes that a credential was created after the report, which does not show it.
    fn created_since(&self, statement: &mut Statement) {
        let Some(generated) = self.account.report_generated_at() else { return };
        let events = self.inputs.events.values().flat_map(|lookup| &lookup.events);
        let later = |event: &&Event| creates(event) && event.time.is_none_or(|time| generated < time);
        if let Some(event) = events.filter(later).min() {
            let when =
                event.time.map_or_else(|| "at an unknown time".to_owned(), |time| format!("on {}", moment(time)));
            let reason = format!("{} was called {when}: the report may not show what it created.", escape(&event.name));
            statement.miss("credential report", reason);
        }
    }

    /// Notes that the time of the report is not known, and with it which ages its dates have.
    fn undated(&self, statement: &mut Statement) {
        if let Some(reason) = &self.inputs.undated {
            statement.miss("credential report", reason.clone());
        }
    }

    /// Notes why users or their credentials may be missing in the report.
    fn report(&self, statement: &mut Statement) {
        if let Err(reason) = &self.account.report {
            return statement.miss("credential report", reason.reason());
        }
        for doubt in &self.evaluation.doubts {
            statement.miss("credential report", format!("The report may not show every user: {doubt}."));
        }
        if let Err(reason) = self.account.summary_entry("Users", |summary| summary.users) {
            statement.miss(
                "account summary",
                format!("Without the number of users the report may not show every user. {reason}"),
            );
        }
        if let Err(reason) = self.account.root() {
            statement.miss("credential report", reason.reason());
        }
        self.undated(statement);
    }

    /// The users whose rows can be read.
    fn rows(&self, statement: &mut Statement) -> Vec<(User<'_>, &Row)> {
        let mut rows = Vec::new();
        for user in self.account.users() {
            match user.row {
                Ok(row) => rows.push((user, row)),
                Err(damage) => statement.miss("credential report", damage.to_string()),
            }
        }
        rows
    }

    fn key_that_is_there(&self, owner: &UserSubject, key: &AccessKey, statement: &mut Statement) {
        let active = match (&key.active, &key.last_rotated) {
            (Ok(true), _) => true,
            (_, Ok(Some(_))) => false,
            (Ok(false), Ok(None)) => return,
            (Err(error), _) | (_, Err(error)) => return statement.miss(subject_of(owner), error.to_string()),
        };
        let (state, consequence) = match &key.active {
            Ok(true) => ("active", "It could not be rotated."),
            Ok(false) => ("inactive", "It would stay, and could not be replaced."),
            Err(_) => ("there", "It could not be replaced."),
        };
        let created = key.created().map_or_else(
            |_| String::new(),
            |created| format!(", created on {}, {} ago", moment(created), age(self.now - created)),
        );
        statement.blockers.push(Blocker {
            subject: self.key_subject(owner, key).id().to_string(),
            why: format!("Access key {} of {} is {state}{created}. {consequence}", key.slot, escape(&owner.name)),
            commands: self.retire(owner, key, active),
        });
    }

    fn key_in_use(&self, owner: &UserSubject, key: &AccessKey, row: &Row, statement: &mut Statement) {
        match key.active {
            Ok(true) => {}
            Ok(false) => return,
            Err(ref error) => return statement.miss(subject_of(owner), error.to_string()),
        }
        let use_of_it = match (&key.last_used_date, key.created()) {
            (Ok(Some(used)), _) if self.is_recent(*used) => {
                format!("was last used on {}, {} ago", moment(*used), age(self.now - *used))
            }
            (_, Ok(created)) if self.is_recent(created) => {
                format!("was created on {}, {} ago", moment(created), age(self.now - created))
            }
            (Ok(_), Ok(_)) => return,
            (Err(error), _) => return statement.miss(subject_of(owner), error.to_string()),
            (_, Err(error)) => return statement.miss(subject_of(owner), error.to_string()),
        };
        let mfa = match row.mfa_active {
            Ok(false) => "`without-mfa` stops it too.",
            Ok(true) | Err(_) => "`without-mfa` stops it too, except in a session that was started with MFA.",
        };
        statement.blockers.push(Blocker {
            subject: self.key_subject(owner, key).id().to_string(),
            why: format!("Access key {} of {} {use_of_it}. {mfa}", key.slot, escape(&owner.name)),
            commands: self.retire(owner, key, true),
        });
    }

    fn retire(&self, owner: &UserSubject, key: &AccessKey, active: bool) -> Vec<String> {
        let subject = self.key_subject(owner, key);
        let target = Target { subject: &subject, access_key_id: None };
        let mut steps = Vec::new();
        if active {
            steps.push(Step::Comment("First give a role to what uses it. Then:"));
            steps.extend(commands::retire_key(&target));
        } else {
            steps.extend(commands::delete_inactive_key(&target));
        }
        commands_of(Remediation::Shell(steps))
    }

    fn key_subject(&self, owner: &UserSubject, key: &AccessKey) -> Subject {
        let known = self.keys.get(&(owner.name.as_str(), key.slot)).copied();
        known.cloned().unwrap_or_else(|| {
            Subject::AccessKey(AccessKeySubject {
                user: owner.clone(),
                slot: key.slot,
                created: key.created().ok(),
                active: key.active.clone().ok(),
                tag: key.created().map_or(KeyTag::Slot(key.slot), |created| KeyTag::created(created, false)),
            })
        })
    }

    fn service_credentials(&self, statement: &mut Statement) {
        if let Err(reason) = &self.account.service_credentials
            && self.may_have_users()
        {
            statement.miss("service-specific credentials", reason.reason());
        }
        let users = self.account.users();
        let policy = Policy::cis();
        let context = Context { now: self.now, policy: &policy };
        let is_about_use = statement.policy == USE_OF_KEYS;
        for (credential, arn) in self.account.owned_service_credentials(&users) {
            let mut is_known = true;
            let is_active = match credential.state(&context) {
                Ok(state) => state == State::Active,
                // It is there, so it blocks what a credential that is there blocks.
                Err(reason) if is_about_use => {
                    statement.miss("service-specific credentials", reason.reason());
                    continue;
                }
                Err(_) => {
                    is_known = false;
                    true
                }
            };
            if is_about_use && !is_active {
                continue;
            }
            let user = UserSubject { name: credential.user.clone(), arn, created: None };
            let subject = Subject::ServiceCredential(ServiceCredentialSubject {
                user,
                id: credential.id.clone(),
                service: credential.service.clone(),
                created: credential.created,
            });
            let (state, consequence) = match (is_about_use, is_active) {
                (true, _) => ("active", "`without-mfa` stops it too."),
                (false, true) if !is_known => ("there, with an unknown status", "It could not be replaced."),
                (false, true) => ("active", "It could not be rotated."),
                (false, false) => ("inactive or expired", "It would stay, and could not be replaced."),
            };
            let target = Target { subject: &subject, access_key_id: None };
            statement.blockers.push(Blocker {
                subject: subject.id().to_string(),
                why: format!(
                    "The credential {} of {} for {} is {state}. {consequence}",
                    escape(&credential.id),
                    escape(&credential.user),
                    escape(&credential.service)
                ),
                commands: commands_of(Remediation::Shell(commands::retire_service_credential(&target, is_active))),
            });
        }
    }

    fn ssh_keys(&self, owner: &UserSubject, statement: &mut Statement) {
        let what = || format!("SSH public keys of {}", escape(&owner.name));
        let keys = match self.inputs.ssh_keys.get(&owner.name) {
            Some(Ok(keys)) => keys,
            Some(Err(reason)) => return statement.miss(what(), reason.reason()),
            None => return statement.miss("SSH public keys", "They were not listed."),
        };
        for key in keys {
            let id = Argument::Value("--ssh-public-key-id", key.id.clone().into());
            let user = || Argument::Value("--user-name", owner.name.clone().into());
            let delete = aws("iam delete-ssh-public-key", [user(), id.clone()]);
            let steps = if key.is_active {
                commands::retire(aws("iam update-ssh-public-key", [user(), id, commands::INACTIVE]), delete).into()
            } else {
                vec![Step::Run(delete)]
            };
            statement.blockers.push(Blocker {
                subject: subject_of(owner),
                why: format!(
                    "{} has the SSH public key {}, which could not be replaced.",
                    escape(&owner.name),
                    escape(&key.id)
                ),
                commands: commands_of(Remediation::Shell(steps)),
            });
        }
    }
}

/// Whether the call created a long-lived credential that the policy would have denied.
fn creates(event: &Event) -> bool {
    event.source == "iam.amazonaws.com"
        && CREATING.contains(&event.name.as_str())
        && event.error.is_none()
        && !event.caller.is_assume_root
}

fn further(others: &str) -> String {
    format!("The report shows further credentials: {}.", escape(others))
}

impl Call {
    fn of(event: &Event) -> Self {
        Self { event: event.name.clone(), who: event.caller.called().to_owned(), when: event.time }
    }
}

fn owner(user: &User<'_>) -> UserSubject {
    UserSubject { name: user.name.clone().into_owned(), arn: user.arn.clone(), created: None }
}

fn subject_of(user: &UserSubject) -> String {
    SubjectId::User(user.name.as_str().into()).to_string()
}

fn password(owner: &UserSubject, row: &Row, statement: &mut Statement, consequence: &str) {
    match row.password_enabled {
        Ok(true) => {
            statement.blockers.push(Blocker {
                subject: subject_of(owner),
                why: format!("{} has a console password. {consequence}", escape(&owner.name)),
                commands: remedy("console-user-not-federated", &Subject::User(owner.clone())),
            });
        }
        Ok(false) => {}
        Err(ref error) => statement.miss(subject_of(owner), error.to_string()),
    }
}

fn certificates(owner: &UserSubject, row: &Row, statement: &mut Statement) {
    let mut there = 0;
    for certificate in &row.certificates {
        match (&certificate.active, &certificate.last_rotated) {
            (Ok(true), _) | (_, Ok(Some(_))) => there += 1,
            (Ok(false), Ok(None)) => {}
            (Err(error), _) | (_, Err(error)) => statement.miss(subject_of(owner), error.to_string()),
        }
    }
    if there == 0 {
        return;
    }
    statement.blockers.push(Blocker {
        subject: subject_of(owner),
        why: format!(
            "{} has {}, which could not be replaced.",
            escape(&owner.name),
            counted(there, "signing certificate")
        ),
        commands: remedy("user-signing-certificate-active", &Subject::User(owner.clone())),
    });
}

/// The commands or steps of a check.
fn remedy(check: &str, subject: &Subject) -> Vec<String> {
    let Some(check) = find(check) else { return Vec::new() };
    match (check.remediation)(&Target { subject, access_key_id: None }) {
        // Its note is about the finding, which ends without a repair.
        Remediation::Console { steps, .. } if check.id == USED => {
            commands_of(Remediation::Console { steps, note: None })
        }
        remediation => commands_of(remediation),
    }
}

/// By user, and what a user has by kind.
fn order(blockers: &mut [Blocker]) {
    let parts = |subject: &str| subject.split('/').map(str::to_owned).collect::<Vec<_>>();
    blockers.sort_by_cached_key(|blocker| (parts(&blocker.subject), blocker.why.clone()));
}

/// One command, comment or step each.
fn commands_of(remediation: Remediation) -> Vec<String> {
    match remediation {
        Remediation::Shell(steps) => steps.into_iter().map(|step| Remediation::Shell(vec![step]).to_string()).collect(),
        Remediation::Console { steps, note } => steps.iter().copied().chain(note).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Caller, Lookup};
    use crate::service_credential::ServiceCredential;
    use crate::testing::{NOW, account, service_credential, time, unavailable};

    const HEAD: &str = "user | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | \
        access_key_1_last_used_date | cert_1_active | cert_1_last_rotated";
    const CLEAN: &str = "<root_account> | false | true | false | N/A | N/A | false | N/A";

    /// Everything that readiness reads.
    #[derive(Debug, Clone)]
    struct World {
        account: Account,
        membership: Source<Membership>,
        regions: Source<BTreeSet<String>>,
        events: Lookups,
        ssh_keys: BTreeMap<String, Source<Vec<SshKey>>>,
    }

    impl World {
        /// A member account in which everything was read.
        fn new(rows: &str) -> Self {
            let account = account(&format!("{HEAD}\n{CLEAN}\n{rows}"));
            let ssh_keys =
                account.users().iter().map(|user| (user.name.clone().into_owned(), Ok(Vec::new()))).collect();
            let events = DEFAULT_REGIONS.map(|region| (region.to_owned(), Lookup::default())).into();
            let regions = Ok(DEFAULT_REGIONS.map(str::to_owned).into());
            Self { account, membership: Ok(Membership::Member), regions, events, ssh_keys }
        }

        fn add(&mut self, region: &str, event: Event) {
            self.events.entry(region.to_owned()).or_default().events.push(event);
        }

        fn readiness(&self) -> Readiness {
            let inputs = Inputs {
                account: &self.account,
                membership: self.membership.clone(),
                regions: self.regions.clone(),
                events: &self.events,
                ssh_keys: &self.ssh_keys,
                undated: None,
            };
            readiness(&inputs, time(NOW))
        }

        fn verdicts(&self) -> [Verdict; 4] {
            let verdicts: Vec<_> = self.readiness().policies.iter().map(|statement| statement.verdict).collect();
            verdicts.try_into().unwrap()
        }

        /// The statement as text.
        fn shown(&self, policy: &str) -> String {
            let readiness = self.readiness();
            let statement = readiness.policies.iter().find(|statement| statement.policy == policy).unwrap();
            let mut text = format!("{}\n", statement.verdict.label());
            for blocker in &statement.blockers {
                let _ = writeln!(text, "{}: {}", blocker.subject, blocker.why);
                for command in &blocker.commands {
                    let _ = writeln!(text, "    {command}");
                }
            }
            for Missing { what, reason } in &statement.unknown {
                let _ = writeln!(text, "? {what}: {reason}");
            }
            for Call { event, who, when } in &statement.would_have_stopped {
                let _ = writeln!(text, "{event} by {who} at {when:?}");
            }
            text
        }
    }

    fn call(name: &str, kind: &str, when: &str) -> Event {
        let caller = Caller { kind: Some(kind.to_owned()), arn: Some(format!("arn:{kind}")), ..Caller::default() };
        let source = "iam.amazonaws.com".to_owned();
        Event { time: Some(time(when)), name: name.to_owned(), source, caller, ..Event::default() }
    }

    use Verdict::{NotApplicable, NotReady, Ready, Unknown};

    #[test]
    fn an_account_without_long_lived_credentials_is_ready() {
        assert_eq!(World::new("").verdicts(), [Ready; 4]);
        assert_eq!(World::new("alice | false | false | false | N/A | N/A | false | N/A").verdicts(), [Ready; 4]);
    }

    #[test]
    fn no_statement_applies_to_the_management_account_or_without_an_organization() {
        for membership in [Membership::Management, Membership::None] {
            let world = World {
                membership: Ok(membership),
                ..World::new("alice | true | false | true | N/A | N/A | true | N/A")
            };
            assert_eq!(world.verdicts(), [NotApplicable; 4]);
            assert!(world.readiness().policies.iter().all(|statement| statement.blockers.is_empty()));
        }
        assert_eq!(World { membership: unavailable("Refused."), ..World::new("") }.verdicts(), [Unknown; 4]);
    }

    #[test]
    fn what_is_there_blocks_new_credentials_with_its_commands() {
        let mut world = World::new(
            "alice | true | true | true | 2021-06-20T05:16:50Z | 2026-11-19T06:00:00Z | false | N/A\n\
             bob | false | false | false | 2021-06-20T05:16:50Z | N/A | false | 2019-01-02T03:04:05Z\n\
             carol | false | false | false | N/A | N/A | false | N/A",
        );
        world.account.service_credentials = Ok(vec![service_credential("carol", "ACCAEXAMPLE")]);
        world.ssh_keys.insert("carol".to_owned(), Ok(vec![SshKey { id: "APKAEXAMPLE".to_owned(), is_active: true }]));
        world.add("us-east-1", call("CreateAccessKey", "AssumedRole", "2026-11-01T06:00:00Z"));
        world.add("us-east-1", call("CreateUser", "AssumedRole", "2026-11-02T06:00:00Z"));
        insta::assert_snapshot!(world.shown("DenyNewLongLivedCredentials"), @r#"
        NOT_READY
        user/alice: alice has a console password. Another one could not be created.
            # When the person can sign in through IAM Identity Center or your identity provider:
            aws iam delete-login-profile --user-name alice
        user/alice/key/20210620T051650Z: Access key 1 of alice is active, created on 2021-06-20 05:16 UTC, 1,979 days ago. It could not be rotated.
            # First give a role to what uses it. Then:
            # The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.
            KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Active' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
            aws iam update-access-key --user-name alice --access-key-id "$KEY_ID" --status Inactive
            # When nothing has missed it for two weeks:
            KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Inactive' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
            aws iam delete-access-key --user-name alice --access-key-id "$KEY_ID"
        user/bob: bob has 1 signing certificate, which could not be replaced.
            for id in $(aws iam list-signing-certificates --user-name bob --query "Certificates[?Status=='Active'].CertificateId" --output text); do
          aws iam update-signing-certificate --user-name bob --certificate-id "$id" --status Inactive
        done
            # When nothing has missed them for two weeks:
            for id in $(aws iam list-signing-certificates --user-name bob --query "Certificates[?Status=='Inactive'].CertificateId" --output text); do
          aws iam delete-signing-certificate --user-name bob --certificate-id "$id"
        done
        user/bob/key/20210620T051650Z: Access key 1 of bob is inactive, created on 2021-06-20 05:16 UTC, 1,979 days ago. It would stay, and could not be replaced.
            # The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.
            KEY_ID=$(aws iam list-access-keys --user-name bob --query "AccessKeyMetadata[?Status=='Inactive' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
            aws iam delete-access-key --user-name bob --access-key-id "$KEY_ID"
        user/carol: carol has the SSH public key APKAEXAMPLE, which could not be replaced.
            aws iam update-ssh-public-key --user-name carol --ssh-public-key-id APKAEXAMPLE --status Inactive
            # When nothing has missed it for two weeks:
            aws iam delete-ssh-public-key --user-name carol --ssh-public-key-id APKAEXAMPLE
        user/carol/credential/ACCAEXAMPLE: The credential ACCAEXAMPLE of carol for bedrock.amazonaws.com is active. It could not be rotated.
            # First give a role, or a short-term API key, to what uses it. Then:
            aws iam update-service-specific-credential --user-name carol --service-specific-credential-id ACCAEXAMPLE --status Inactive
            # When nothing has missed it for two weeks:
            aws iam delete-service-specific-credential --user-name carol --service-specific-credential-id ACCAEXAMPLE
        CreateUser by arn:AssumedRole at Some(2026-11-02T06:00:00Z)
        CreateAccessKey by arn:AssumedRole at Some(2026-11-01T06:00:00Z)
        "#);
    }

    #[test]
    fn what_signs_in_or_was_used_in_the_last_90_days_blocks_the_use_of_keys() {
        let mut world = World::new(
            "alice | true | true | true | 2021-06-20T05:16:50Z | 2026-08-22T06:00:00Z | true | 2021-06-20T05:16:50Z\n\
             bob | true | false | true | 2021-06-20T05:16:50Z | 2026-08-22T05:59:59Z | false | N/A\n\
             carol | false | false | true | 2026-11-01T05:16:50Z | N/A | false | N/A\n\
             dave | false | true | true | 2021-06-20T05:16:50Z | N/A | false | N/A\n\
             erin | false | true | false | 2026-11-01T05:16:50Z | 2026-11-01T05:16:50Z | false | N/A",
        );
        let inactive = ServiceCredential { status: "Inactive".to_owned(), ..service_credential("erin", "ACCAOTHER") };
        world.account.service_credentials = Ok(vec![service_credential("erin", "ACCAEXAMPLE"), inactive]);
        let shown = world.shown("DenyUseOfLongLivedKeys");
        let lines: Vec<_> = shown.lines().filter(|line| !line.starts_with("    ")).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        NOT_READY
        user/alice: alice has a console password. `without-mfa` stops only the sessions without MFA.
        user/alice/key/20210620T051650Z: Access key 1 of alice was last used on 2026-08-22 06:00 UTC, 90 days ago. `without-mfa` stops it too, except in a session that was started with MFA.
        user/bob: bob has a console password. `without-mfa` stops it too: the user has no MFA device.
        user/carol/key/20261101T051650Z: Access key 1 of carol was created on 2026-11-01 05:16 UTC, 19 days ago. `without-mfa` stops it too.
        user/erin/credential/ACCAEXAMPLE: The credential ACCAEXAMPLE of erin for bedrock.amazonaws.com is active. `without-mfa` stops it too.
        ");
    }

    #[test]
    fn events_of_root_block_the_denial_of_root_unless_they_are_privileged_tasks() {
        let mut world = World::new("");
        let mut task = call("CreateLoginProfile", "Root", "2026-11-19T06:00:00Z");
        task.caller.is_assume_root = true;
        world.add("us-east-1", task);
        world.add("us-east-1", call("ConsoleLogin", "IAMUser", "2026-11-19T06:00:00Z"));
        world.add("us-east-1", call("ConsoleLogin", "Root", "2026-08-22T05:59:59Z"));
        assert_eq!(world.verdicts(), [Ready; 4]);
        world.add("eu-west-1", call("RunInstances", "Root", "2026-08-22T06:00:00Z"));
        insta::assert_snapshot!(world.shown("DenyRootUser"), @"
        NOT_READY
        root: CloudTrail has 1 event of the root user in the last 90 days, the latest on 2026-08-22 06:00 UTC.
            Look the use up in CloudTrail: event history, user name root, at the time above. Root console sign-ins are recorded in us-east-1.
            If nobody can explain it, treat it as an incident: change the root password, delete root's access keys, check the root e-mail address.
            If it was for a task: give the task to a role. Few tasks need root, and the documentation lists them.
        RunInstances by arn:Root at Some(2026-08-22T06:00:00Z)
        ");
        assert_eq!(world.verdicts(), [NotReady, Ready, Ready, Ready]);
        let mut world = World::new("");
        world.add("eu-west-1", Event { time: None, ..call("RunInstances", "Root", NOW) });
        assert_eq!(world.verdicts()[0], NotReady, "it may be of these 90 days");
    }

    #[test]
    fn refused_calls_and_privileged_tasks_are_no_calls_that_it_would_have_stopped() {
        let mut world = World::new("");
        let when = "2026-11-19T06:00:00Z";
        world.add("us-east-1", Event { error: Some("AccessDenied".to_owned()), ..call("CreateUser", "IAMUser", when) });
        world.add("us-east-1", Event { source: "rds.amazonaws.com".to_owned(), ..call("CreateUser", "IAMUser", when) });
        world.add("us-east-1", call("DeleteUser", "IAMUser", when));
        let mut task = call("CreateLoginProfile", "Root", when);
        task.caller.is_assume_root = true;
        world.add("us-east-1", task);
        assert_eq!(world.readiness().policies[1].would_have_stopped, []);
        assert_eq!(world.verdicts(), [Ready; 4]);
        world.add("us-east-1", call("CreateUser", "IAMUser", when));
        assert_eq!(world.readiness().policies[1].would_have_stopped.len(), 1);
        assert_eq!(world.verdicts(), [Ready; 4], "past calls are information");
    }

    #[test]
    fn an_event_that_was_found_twice_is_one_call() {
        let mut world = World::new("");
        for region in ["us-east-1", "us-east-1", "eu-west-1"] {
            world.add(region, Event { id: Some("e-1".to_owned()), ..call("CreateUser", "IAMUser", NOW) });
        }
        assert_eq!(world.readiness().policies[1].would_have_stopped.len(), 1);
    }

    #[test]
    fn without_users_their_credentials_are_none_and_not_unknown() {
        let mut world = World::new("");
        world.account.service_credentials = unavailable("Not read.");
        world.ssh_keys.clear();
        assert_eq!(world.verdicts(), [Ready; 4]);
        let mut world = World::new("alice | false | false | false | N/A | N/A | false | N/A");
        world.ssh_keys.clear();
        assert_eq!(world.verdicts(), [Ready, Unknown, Ready, Ready]);
        assert_eq!(users_to_list(&world.readiness(), &world.account), ["alice"]);
        world.account.service_credentials = unavailable("Not read.");
        assert_eq!(world.verdicts(), [Ready, Unknown, Ready, Unknown]);
    }

    #[test]
    fn ssh_keys_are_listed_only_if_nothing_else_blocks() {
        let mut world = World::new("alice | true | false | false | N/A | N/A | false | N/A");
        world.ssh_keys.clear();
        assert_eq!(users_to_list(&world.readiness(), &world.account), [""; 0]);
        world.membership = Ok(Membership::Management);
        assert_eq!(users_to_list(&world.readiness(), &world.account), [""; 0]);
    }

    #[test]
    fn what_was_created_after_the_report_may_be_missing_in_it() {
        let mut world = World::new("");
        // The report is of 05:00.
        world.add("us-east-1", call("CreateAccessKey", "AssumedRole", "2026-11-20T05:00:00Z"));
        assert_eq!(world.verdicts(), [Ready; 4]);
        world.add("us-east-1", call("CreateAccessKey", "AssumedRole", "2026-11-20T05:30:00Z"));
        assert_eq!(world.verdicts(), [Ready, Unknown, Ready, Unknown]);
    }

    #[test]
    fn a_use_of_root_in_the_last_90_days_blocks_without_an_event() {
        let used = |when: &str| {
            let table = format!("user | password_enabled | password_last_used\n<root_account> | true | {when}");
            World { account: account(&table), ..World::new("") }.verdicts()[0]
        };
        assert_eq!(used("2026-09-20T06:00:00Z"), NotReady);
        assert_eq!(used("2026-08-22T05:59:59Z"), Ready);
    }

    #[test]
    fn a_list_of_regions_without_a_default_one_is_not_whole() {
        let mut world = World { regions: Ok(["us-east-1".to_owned()].into()), ..World::new("") };
        assert_eq!(world.verdicts(), [Ready; 4]);
        world.events.remove("eu-west-1");
        assert_eq!(world.verdicts(), [Unknown, Ready, Ready, Ready]);
    }

    #[test]
    fn an_event_without_a_caller_or_a_name_is_unknown() {
        let mut world = World::new("");
        world.add(
            "eu-west-1",
            Event { time: Some(time(NOW)), name: "X".to_owned(), source: "y".to_owned(), ..Event::default() },
        );
        assert_eq!(world.verdicts(), [Unknown, Ready, Ready, Ready]);
        let mut world = World::new("");
        world.add("us-east-1", Event { name: String::new(), ..call("", "IAMUser", NOW) });
        assert_eq!(world.verdicts(), [Ready, Unknown, Ready, Ready]);
    }

    #[test]
    fn credentials_that_the_report_only_counts_are_unknown() {
        let table = |root: &str, alice: &str| {
            let head = "user | additional_credentials_info";
            let mut world = World::new("alice | false | false | false | N/A | N/A | false | N/A");
            world.account = account(&format!("{head}\n<root_account> | {root}\nalice | {alice}"));
            world.verdicts()
        };
        assert_eq!(table("N/A", "N/A"), [Ready; 4]);
        assert_eq!(table("1 more", "N/A"), [Unknown, Ready, Ready, Ready]);
        assert_eq!(table("N/A", "1 more"), [Ready, Unknown, Ready, Unknown]);
    }

    /// Something that is not read.
    fn take_away(world: &mut World, what: usize) {
        let users: Vec<String> = world.ssh_keys.keys().cloned().collect();
        let regions: Vec<String> = world.events.keys().cloned().collect();
        match what % 9 {
            0 => world.membership = unavailable("Refused."),
            1 => world.regions = unavailable("Refused."),
            2 => world.account.report = unavailable("Refused."),
            3 => world.account.summary = unavailable("Refused."),
            4 => world.account.service_credentials = unavailable("Refused."),
            5 => drop(regions.get(what / 9 % regions.len().max(1)).map(|region| world.events.remove(region))),
            6 => {
                if let Some(lookup) = world.events.values_mut().nth(what / 9 % regions.len().max(1)) {
                    *lookup = Lookup { events: Vec::new(), missing: Some("Throttled.".to_owned()) };
                }
            }
            7 => drop(users.get(what / 9 % users.len().max(1)).map(|user| world.ssh_keys.remove(user))),
            _ => {
                if let Some(keys) = world.ssh_keys.values_mut().nth(what / 9 % users.len().max(1)) {
                    *keys = unavailable("Refused.");
                }
            }
        }
    }

    fn row() -> impl Strategy<Value = String> {
        let cell = |values: &'static [&'static str]| prop::sample::select(values);
        (
            cell(&["alice", "bob", "carol"]),
            cell(&["false", "false", "true", "?"]),
            cell(&["false", "true", "?"]),
            cell(&["false", "false", "true", "?"]),
            cell(&["N/A", "N/A", "2021-06-20T05:16:50Z", "2026-11-01T05:16:50Z", "?"]),
            cell(&["N/A", "2026-11-19T06:00:00Z", "2022-11-19T06:00:00Z", "?"]),
            cell(&["false", "false", "true", "?"]),
        )
            .prop_map(|(user, password, mfa, active, rotated, used, cert)| {
                format!("{user} | {password} | {mfa} | {active} | {rotated} | {used} | {cert} | N/A")
            })
    }

    fn world() -> impl Strategy<Value = World> {
        let event = (
            prop::sample::select(&DEFAULT_REGIONS[..]),
            prop::sample::select(&["CreateUser", "ConsoleLogin"][..]),
            prop::sample::select(&["Root", "IAMUser"][..]),
            prop::sample::select(&["2026-11-19T06:00:00Z", "2026-01-19T06:00:00Z"][..]),
        );
        let membership = prop_oneof![4 => Just(Membership::Member), 1 => Just(Membership::Management)];
        let parts = (
            prop::collection::vec(row(), 0..3),
            prop::collection::vec(event, 0..3),
            membership,
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.2),
        );
        parts.prop_map(|(mut rows, events, membership, has_api_key, has_ssh_key)| {
            rows.sort();
            rows.dedup_by(|one, other| one.split(' ').next() == other.split(' ').next());
            let mut world = World { membership: Ok(membership), ..World::new(&rows.join("\n")) };
            for (region, name, kind, when) in events {
                world.add(region, call(name, kind, when));
            }
            // A credential is of a user whom the report shows: without one, credentials are none.
            if has_api_key && rows.iter().any(|row| row.starts_with("alice")) {
                world.account.service_credentials = Ok(vec![service_credential("alice", "ACCAEXAMPLE")]);
            }
            if let (true, Some(keys)) = (has_ssh_key, world.ssh_keys.values_mut().next()) {
                *keys = Ok(vec![SshKey { id: "APKAEXAMPLE".to_owned(), is_active: false }]);
            }
            world
        })
    }

    proptest! {
        #[test]
        fn what_is_not_read_makes_no_statement_ready(world in world(), what in prop::collection::vec(0..1000_usize, 1..4)) {
            let before = world.verdicts();
            let mut less = world.clone();
            for one in what {
                take_away(&mut less, one);
            }
            for (before, after) in before.iter().zip(less.verdicts()) {
                prop_assert!(after != Verdict::Ready || *before == Verdict::Ready, "{before:?} {after:?}\n{less:?}");
            }
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(world in world()) {
            let mut turned = world.clone();
            if let Ok(report) = &mut turned.account.report {
                report.credentials.users.reverse();
            }
            turned.events.values_mut().for_each(|lookup| lookup.events.reverse());
            prop_assert_eq!(world.readiness(), turned.readiness());
        }
    }
}
