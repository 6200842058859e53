use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule};
use crate::report::{CellError, Column};
use crate::source::{SourceId, Unavailable};
use crate::text::age;
use crate::verdict::{Severity, Verdict};
use crate::{requirements, root_keys};

pub(super) static CHECK: Check = Check {
    id: "root-access-key-not-rotated",
    title: "An active access key of the root user is old",
    severity: Severity::High,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport, SourceId::AccountSummary],
    listed_by: None,
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
    ],
    fails_when: "An active root key is older than `AccessKeyMaxAgeDays`.",
    rationale: "The older a key, the more copies of it there are: in backups, images, laptops and chat logs.",
    recommendation: "Do not rotate the root access key: replace it with a role, deactivate it, and delete it when \
        nothing has missed it.",
    remediation: |_| root_keys::REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
    requirements: requirements::KEY_ROTATION,
    mappings: requirements::OLD_ROOT_ACCESS_KEY_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, context: &Context<'_>) -> Verdict {
    let root = match account.root() {
        Ok(root) => root,
        Err(reason) => return Verdict::unknown(reason),
    };
    let limit = context.policy.access_key_max_age;
    let mut unreadable: Option<Unavailable> = None;
    let mut old = Vec::new();
    let mut active = false;
    for key in &root.access_keys {
        match (&key.active, &key.last_rotated) {
            (Ok(false), _) => {}
            (Ok(true), Ok(Some(created))) => {
                active = true;
                if limit < context.age(*created) {
                    old.push(key);
                }
            }
            (Ok(true), Ok(None)) => {
                unreadable = Some(CellError::KeyWithoutDate { column: key.columns().last_rotated }.into());
            }
            (Ok(true), Err(reason)) | (Err(reason), _) => unreadable = Some(reason.into()),
        }
    }
    if old.is_empty() {
        return match unreadable {
            Some(reason) => Verdict::unknown(reason),
            None if let Some(reason) = root_keys::only_in_summary(account, root, context) => Verdict::Unknown(reason),
            None if active => Verdict::passed("The root user's active access keys are young enough."),
            None => Verdict::not_applicable("The root user has no active access key."),
        };
    }
    let problem = format!("The root user has an active access key older than {}", age(limit));
    root_keys::failed(account, root, &old, &problem, context)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{account, observe, observe_in};

    #[test]
    fn the_limit_is_inclusive_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | true                | 2026-08-22T06:00:00Z
"), @"PASSED root: The root user's active access keys are young enough.");
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | true                | 2026-08-22T05:59:59Z
"), @"FAILED root: The root user has an active access key older than 90 days: key 1, created 2026-08-22 05:59 UTC (90 days ago), no use recorded.");
    }

    #[test]
    fn inactive_keys_are_not_applicable() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | false               | 2019-01-02T03:04:05Z
"), @"NOT_APPLICABLE root: The root user has no active access key.");
    }

    #[test]
    fn an_active_key_without_a_date_is_unknown() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | true                | N/A
"), @"UNKNOWN root: access_key_1_last_rotated is N/A though the key is there.");
    }

    #[test]
    fn a_key_that_only_the_summary_shows_is_unknown() {
        let mut account =
            account("user           | access_key_1_active | access_key_1_last_rotated\n<root_account> | false | N/A");
        account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"UNKNOWN root: The account summary, which is live, shows an access key of the root user that the credential report of 1 hour ago does not show.");
    }
}
