use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule};
use crate::report::Column;
use crate::source::SourceId;
use crate::text::counted;
use crate::verdict::{Severity, Verdict};
use crate::{requirements, root_keys};

pub(super) static CHECK: Check = Check {
    id: "root-access-key-active",
    title: "The root user has an active access key",
    severity: Severity::Critical,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport, SourceId::AccountSummary],
    listed_by: None,
    columns: &[Column::AccessKey1Active, Column::AccessKey2Active],
    fails_when: "`access_key_1_active` or `access_key_2_active` of the root row is true.",
    rationale: "A root access key can do everything in the account, no policy can narrow it, and it has no MFA. \
        Whoever finds it owns the account.",
    recommendation: "Replace the key with a role, deactivate it, and delete it when nothing has missed it. AWS \
        advises to have no root access key at all.",
    remediation: |_| root_keys::REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
    requirements: requirements::ROOT_ACCESS_KEY,
    mappings: requirements::ROOT_ACCESS_KEY_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, context: &Context<'_>) -> Verdict {
    let root = match account.root() {
        Ok(root) => root,
        Err(reason) => return Verdict::unknown(reason),
    };
    let active: Vec<_> = root.access_keys.iter().filter(|key| key.active == Ok(true)).collect();
    if active.is_empty() {
        return match root.access_keys.iter().find_map(|key| key.active.as_ref().err()) {
            Some(unreadable) => Verdict::unknown(unreadable),
            None if let Some(reason) = root_keys::only_in_summary(account, root, context) => Verdict::Unknown(reason),
            None => Verdict::passed("The root user has no active access key."),
        };
    }
    let problem = format!("The root user has {}", counted(active.len() as u64, "active access key"));
    root_keys::failed(account, root, &active, &problem, context)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{account, observe, observe_in};

    #[test]
    fn any_active_key_of_root_fails_and_users_keys_are_ignored() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_2_active | access_key_2_last_rotated | access_key_2_last_used_date
<root_account> | false               | TRUE                | 2019-01-02T03:04:05Z      | 2026-11-19T06:00:00Z
alice          | true                | true                | 2019-01-02T03:04:05Z      | N/A
"), @"FAILED root: The root user has 1 active access key: key 2, created 2019-01-02 03:04 UTC (2,879 days ago), last used 2026-11-19 06:00 UTC (1 day ago).");
    }

    #[test]
    fn an_inactive_key_passes() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | false               | 2019-01-02T03:04:05Z
"), @"PASSED root: The root user has no active access key.");
    }

    #[test]
    fn one_active_key_fails_even_if_the_other_cannot_be_read() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_2_active
<root_account> | true                | maybe
"), @"FAILED root: The root user has 1 active access key: key 1, created at an unknown time, no use recorded.");
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_2_active
<root_account> | false               | maybe
"), @"UNKNOWN root: access_key_2_active is `maybe` in the credential report, not true or false.");
    }

    #[test]
    fn a_missing_root_row_is_unknown() {
        insta::assert_snapshot!(observe(&CHECK, "
user
alice
"), @"UNKNOWN root: The credential report has no row for the root user.");
    }

    #[test]
    fn a_key_that_only_the_summary_shows_is_unknown() {
        let verdict = |present, table: &str| {
            let mut account = account(table);
            account.summary.as_mut().unwrap().account_access_keys_present = Some(present);
            observe_in(&CHECK, &account)
        };
        let no_key = "user           | access_key_1_active | access_key_1_last_rotated\n<root_account> | false | N/A";
        let inactive = no_key.replace("N/A", "2019-01-02T03:04:05Z");
        let active = inactive.replace("false", "true");
        insta::assert_snapshot!(verdict(1, no_key), @"UNKNOWN root: The account summary, which is live, shows an access key of the root user that the credential report of 1 hour ago does not show.");
        insta::assert_snapshot!(verdict(0, no_key), @"PASSED root: The root user has no active access key.");
        insta::assert_snapshot!(verdict(1, &inactive), @"PASSED root: The root user has no active access key.");
        insta::assert_snapshot!(verdict(0, &active), @"FAILED root: The root user has 1 active access key: key 1, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary, which is live, shows no access key; the credential report of 1 hour ago does. The key may have been deleted since.");
    }
}
