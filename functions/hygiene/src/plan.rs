//! What to do about all of an account's keys: the traced keys by plan, and the users that can go with them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::account::{Account, User};
use crate::check::{Context, Target};
use crate::checks::find;
use crate::evaluate::Evaluation;
use crate::policy::Policy;
use crate::remediation::Remediation;
use crate::report::Row;
use crate::service_credential::State;
use crate::subject::{Subject, UserSubject};
use crate::time::{Time, seconds};
use crate::trace::{Advice, Trace, TracedKey};
use crate::verdict::Status;

/// The plan for an account, in the contract's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The time of the evaluation.
    #[serde(serialize_with = "seconds")]
    pub evaluated_at: Time,
    /// The groups with a key or a user, in the order in which one would do them.
    pub groups: Vec<Group>,
    /// The first time whose events were looked at.
    #[serde(skip)]
    pub since: Time,
}

/// Keys with the same plan, or users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Group {
    /// Keys.
    Keys {
        /// Their plan.
        plan: Advice,
        /// Their number.
        count: usize,
        /// The keys, by user and slot.
        keys: Vec<TracedKey>,
    },
    /// Users that nothing is left of.
    Users {
        /// `remove-user`
        plan: &'static str,
        /// Their number.
        count: usize,
        /// The users, by name.
        users: Vec<LeftUser>,
    },
}

/// A user of whom nothing is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftUser {
    /// The name. Untrusted text.
    pub user: String,
    /// Why the user can go, as a sentence.
    pub reason: String,
    /// The user.
    #[serde(skip)]
    pub subject: Subject,
}

/// The name of the group of users.
pub const REMOVE_USER: &str = "remove-user";

/// The check on users without credentials.
const WITHOUT_CREDENTIALS: &str = "user-without-credentials";

impl Group {
    /// `remove`, `remove-user`
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keys { plan, .. } => plan.name(),
            Self::Users { plan, .. } => plan,
        }
    }

    /// The number of keys or users.
    pub fn count(&self) -> usize {
        match self {
            Self::Keys { count, .. } | Self::Users { count, .. } => *count,
        }
    }

    /// What it would take, as a sentence.
    pub fn effort(&self) -> &'static str {
        match self {
            Self::Users { .. } => "Look for SSH public keys, which are in no list, and delete the user.",
            Self::Keys { plan, .. } => plan.effort(),
        }
    }
}

impl Advice {
    /// What it would take for a key, as a sentence.
    pub fn effort(self) -> &'static str {
        match self {
            Self::Incident => "Now: deactivate the key, and look at what was done with it.",
            Self::Remove => "Deactivate the key, wait for two weeks, and delete it.",
            Self::SignIn => "Let the person sign in without a key, and remove the key.",
            Self::ReplaceByRole => "Give what uses the key a role, and remove the key.",
            Self::Rotate => "Create another key, and remove this one.",
            Self::AskOwner => "Ask the owner what uses the key: what AWS shows does not say it.",
        }
    }
}

impl LeftUser {
    /// The commands that delete the user.
    pub fn remedy(&self) -> Remediation {
        let target = Target { subject: &self.subject, access_key_id: None };
        find(WITHOUT_CREDENTIALS).map_or(Remediation::Shell(Vec::new()), |check| (check.remediation)(&target))
    }
}

/// Groups the keys of a trace, and finds the users that can go: those without a credential, and those whose only credentials are
/// keys that can be removed; if the keys are `chosen`, only users of them.
pub fn plan(trace: Trace, account: &Account, evaluation: &Evaluation, policy: &Policy, chosen: bool) -> Plan {
    let Trace { account_id, evaluated_at, keys, since } = trace;
    let mut users = left_users(&keys, account, evaluation, policy);
    if chosen {
        users.retain(|left| keys.iter().any(|key| key.user == left.user));
    }
    let mut by_plan: BTreeMap<Advice, Vec<TracedKey>> = BTreeMap::new();
    for key in keys {
        by_plan.entry(key.plan).or_default().push(key);
    }
    let users = (!users.is_empty()).then_some(Group::Users { plan: REMOVE_USER, count: users.len(), users });
    let (before, after): (Vec<_>, Vec<_>) = by_plan.into_iter().partition(|(plan, _)| *plan <= Advice::Remove);
    let group = |(plan, keys): (Advice, Vec<TracedKey>)| Group::Keys { plan, count: keys.len(), keys };
    let groups = before.into_iter().map(group).chain(users).chain(after.into_iter().map(group)).collect();
    Plan { account_id, evaluated_at, groups, since }
}

fn left_users(keys: &[TracedKey], account: &Account, evaluation: &Evaluation, policy: &Policy) -> Vec<LeftUser> {
    let failing: BTreeMap<&str, &str> = evaluation
        .findings
        .iter()
        .filter(|finding| finding.check.id == WITHOUT_CREDENTIALS && finding.status() == Status::Failed)
        .filter_map(|finding| Some((finding.subject.owner()?.name.as_str(), finding.message())))
        .collect();
    let removed: BTreeSet<(&str, u8)> = keys
        .iter()
        .filter(|key| key.plan == Advice::Remove)
        .filter_map(|key| Some((key.user.as_str(), key.subject.access_key()?.slot)))
        .collect();
    let kept: BTreeSet<&str> =
        keys.iter().filter(|key| key.plan != Advice::Remove).map(|key| key.user.as_str()).collect();
    let context = Context { now: evaluation.evaluated_at, policy };
    let mut users = Vec::new();
    for user in account.users() {
        let Ok(row) = user.row else { continue };
        // With the user would go a key that is to be asked about first.
        if kept.contains(user.name.as_ref()) {
            continue;
        }
        let reason = match failing.get(user.name.as_ref()) {
            Some(message) => (*message).to_owned(),
            None if has_only(&user, row, &removed, &context) => {
                "The user has no credentials but access keys that can be removed.".to_owned()
            }
            None => continue,
        };
        let subject = UserSubject { name: user.name.clone().into_owned(), arn: user.arn.clone(), created: None };
        users.push(LeftUser { user: user.name.into_owned(), reason, subject: Subject::User(subject) });
    }
    users.sort_by(|one, other| one.user.cmp(&other.user));
    users
}

/// Whether the user's only credentials are keys that can be removed. What could not be read may be a credential.
fn has_only(user: &User<'_>, row: &Row, removed: &BTreeSet<(&str, u8)>, context: &Context<'_>) -> bool {
    let mut keys = row.access_keys.iter().filter(|key| !key.is_empty()).peekable();
    let service_credentials = user.service_credentials.as_ref();
    keys.peek().is_some()
        && keys.all(|key| removed.contains(&(user.name.as_ref(), key.slot)))
        && row.password_enabled == Ok(false)
        && row.certificates.iter().all(|one| one.active == Ok(false) && one.last_rotated == Ok(None))
        && row.additional_credentials().is_none()
        && service_credentials
            .is_ok_and(|list| list.iter().all(|one| one.state(context).is_ok_and(|state| state != State::Active)))
}
