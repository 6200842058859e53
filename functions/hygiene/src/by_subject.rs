//! Findings by subject, for display: root, the account, and each user with the user's access keys and credentials.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::finding::Finding;
use crate::subject::Subject;
use crate::text::{cut, escape};
use crate::verdict::{Fact, Severity};

/// The owner of a group of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner<'a> {
    /// The root user.
    Root,
    /// The account as a whole.
    Account,
    /// The IAM user of that name, with the user's access keys and credentials.
    User(&'a str),
}

impl<'a> Owner<'a> {
    /// The owner of the subject.
    pub fn of(subject: &'a Subject) -> Self {
        match (subject, subject.owner()) {
            (_, Some(user)) => Self::User(&user.name),
            (Subject::Account, None) => Self::Account,
            (_, None) => Self::Root,
        }
    }
}

/// Escaped for display: `root user`, `account`, `user alice`.
impl fmt::Display for Owner<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("root user"),
            Self::Account => formatter.write_str("account"),
            Self::User(name) => write!(formatter, "user {}", cut(&escape(name), 64)),
        }
    }
}

/// The findings on one owner, worst first.
#[derive(Debug)]
pub struct Group<'a, T> {
    /// The owner.
    pub owner: Owner<'a>,
    /// The highest severity.
    pub worst: Severity,
    /// The findings; there is at least one.
    pub findings: Vec<T>,
}

/// The findings by owner: the root user first, then the owner with the worst finding. `finding` returns the finding of an item.
pub fn grouped<'a, T>(items: impl IntoIterator<Item = T>, finding: impl Fn(&T) -> &'a Finding) -> Vec<Group<'a, T>> {
    let mut owners: BTreeMap<Owner<'a>, Vec<T>> = BTreeMap::new();
    for item in items {
        owners.entry(Owner::of(&finding(&item).subject)).or_default().push(item);
    }
    let group = |(owner, mut findings): (Owner<'a>, Vec<T>)| {
        findings.sort_by_cached_key(|item| finding(item).urgency());
        let worst = findings.iter().map(|item| finding(item).severity()).max()?;
        Some(Group { owner, worst, findings })
    };
    let mut groups: Vec<_> = owners.into_iter().filter_map(group).collect();
    groups.sort_by_key(|group| (group.owner != Owner::Root, Reverse(group.worst)));
    groups
}

/// The findings' messages, in order. A detail that an earlier message has is not repeated.
pub fn messages<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Cow<'a, str>> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let message = |finding: &'a Finding| {
        let mut message = Cow::Borrowed(finding.message());
        let details = finding.failure().map_or(&[][..], |failure| &failure.details);
        for detail in details {
            if known.contains(detail.as_str()) {
                message = Cow::Owned(message.replacen(&format!(", {detail}"), "", 1));
            }
        }
        known.extend(details.iter().map(String::as_str));
        message
    };
    findings.into_iter().map(message).collect()
}

/// The evidence of findings on one owner, each fact once: first the facts of the owner, then the facts of each subject
/// whose values differ from those of other subjects.
pub fn evidence<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<(Option<&'a Subject>, Vec<&'a Fact>)> {
    let mut subjects: Vec<(&Subject, Vec<&Fact>)> = Vec::new();
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for finding in findings {
        let subject = &*finding.subject;
        let place = subjects.iter().position(|(known, _)| *known == subject).unwrap_or_else(|| {
            subjects.push((subject, Vec::new()));
            subjects.len() - 1
        });
        // The time of the report is shown once for all findings.
        for fact in finding.evidence().iter().filter(|fact| fact.name != "GeneratedTime") {
            values.entry(&fact.name).or_default().insert(&fact.value);
            if !subjects[place].1.contains(&fact) {
                subjects[place].1.push(fact);
            }
        }
    }
    let differs = |fact: &&Fact| values.get(&*fact.name).is_some_and(|values| values.len() > 1);
    let (own, shared): (Vec<_>, Vec<_>) = subjects.into_iter().partition(|(_, facts)| facts.iter().any(&differs));
    let mut of_owner: Vec<&Fact> = Vec::new();
    for fact in shared.into_iter().flat_map(|(_, facts)| facts) {
        if !of_owner.contains(&fact) {
            of_owner.push(fact);
        }
    }
    let own = own.into_iter().map(|(subject, facts)| (Some(subject), facts));
    std::iter::once((None, of_owner)).chain(own).filter(|(_, facts)| !facts.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{account, evaluated, service_credential};
    use crate::verdict::Status;

    const TABLE: &str = "
user           | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | true             | true       | true                | 2019-01-02T03:04:05Z      | false               | N/A
alice          | true             | true       | true                | 2021-06-20T05:16:50Z      | true                | 2022-06-20T05:16:50Z
bob            | true             | false      | false               | N/A                       | false               | N/A
";

    #[test]
    fn the_root_user_is_first_and_then_the_worst() {
        let evaluation = evaluated(&account(TABLE));
        let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let shown = |group: &Group<'_, &Finding>| {
            let finding = |one: &&Finding| format!("{}({})", one.check.id, one.subject.id());
            format!(
                "{} {}: {}",
                group.owner,
                group.worst,
                group.findings.iter().map(finding).collect::<Vec<_>>().join(" ")
            )
        };
        let groups = grouped(failing, |finding| finding);
        insta::assert_snapshot!(groups.iter().map(shown).collect::<Vec<_>>().join("\n"), @"
        root user CRITICAL: root-access-key-active(root) root-access-key-present(root) root-access-key-not-rotated(root)
        user bob HIGH: console-user-mfa-disabled(user/bob) console-password-unused(user/bob) console-user-not-federated(user/bob)
        user alice MEDIUM: console-password-unused(user/alice) access-key-not-rotated(user/alice/key/20210620T051650Z) access-key-never-used(user/alice/key/20210620T051650Z) access-key-not-rotated(user/alice/key/20220620T051650Z) access-key-never-used(user/alice/key/20220620T051650Z) user-multiple-active-access-keys(user/alice) console-user-with-access-keys(user/alice) console-user-not-federated(user/alice)
        ");
    }

    #[test]
    fn a_detail_is_in_the_first_message_only() {
        let evaluation = evaluated(&account(TABLE));
        let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let root = &grouped(failing, |finding| finding)[0].findings;
        insta::assert_snapshot!(messages(root.iter().copied()).join("\n"), @"
        The root user has 1 active access key: key 1, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded.
        The credential report of 1 hour ago shows 1 root access key: key 1, active. The account summary confirms it.
        The root user has an active access key older than 90 days: key 1.
        ");
        let last = root.iter().copied().rev();
        assert!(messages(last)[0].contains("2,879 days ago"), "whichever is first has it");
    }

    #[test]
    fn a_fact_is_shown_once_and_values_that_differ_are_shown_with_their_subject() {
        let mut account = account(TABLE);
        account.service_credentials =
            Ok(vec![service_credential("bob", "ACCAONE"), service_credential("bob", "ACCATWO")]);
        let evaluation = evaluated(&account);
        let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let lines = |group: &Group<'_, &Finding>| {
            let line = |(subject, facts): &(Option<&Subject>, Vec<&Fact>)| {
                let facts: Vec<_> = facts.iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
                format!("{}: {}", subject.map_or_else(|| group.owner.to_string(), Subject::called), facts.join(", "))
            };
            evidence(group.findings.iter().copied()).iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let groups = grouped(failing, |finding| finding);
        insta::assert_snapshot!(groups.iter().map(lines).collect::<Vec<_>>().join("\n"), @"
        root user: access_key_1_active=true, access_key_1_last_rotated=2019-01-02T03:04:05Z, access_key_1_last_used_date=N/A, access_key_1_last_used_region=N/A, access_key_1_last_used_service=N/A, AccountAccessKeysPresent=1
        user bob: password_enabled=true, password_last_used=N/A, mfa_active=false, password_last_changed=N/A, user_creation_time=2019-01-02T03:04:05Z
        credential ACCAONE of bob: ServiceName=bedrock.amazonaws.com, ServiceSpecificCredentialId=ACCAONE, Status=Active, CreateDate=2026-11-13T06:00:00Z
        credential ACCATWO of bob: ServiceName=bedrock.amazonaws.com, ServiceSpecificCredentialId=ACCATWO, Status=Active, CreateDate=2026-11-13T06:00:00Z
        user alice: password_enabled=true, password_last_used=N/A, password_last_changed=N/A, user_creation_time=2019-01-02T03:04:05Z, access_key_1_active=true, access_key_1_last_rotated=2021-06-20T05:16:50Z, access_key_1_last_used_date=N/A, access_key_2_active=true, access_key_2_last_rotated=2022-06-20T05:16:50Z, access_key_2_last_used_date=N/A
        ");
    }
}
