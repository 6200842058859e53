use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::report::{AccessKey, CellError, Column, Row};
use crate::source::{Source, SourceId, Unavailable};
use crate::text::counted;
use crate::verdict::{Evidence, Fact, Failure, Severity, Verdict};
use crate::{requirements, root_keys};

pub(super) static CHECK: Check = Check {
    id: "root-access-key-present",
    title: "The root user has an access key",
    severity: Severity::Critical,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport, SourceId::AccountSummary],
    listed_by: None,
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
    ],
    fails_when: "`AccountAccessKeysPresent` of the account summary is above 0, or the report has a root \
        `access_key_N_last_rotated` or an active root key. HIGH when the report shows keys and all of them are \
        inactive.",
    rationale: "A root access key that is inactive is one call away from being active. The account summary is live \
        where the report may be four hours old, so the two together miss nothing.",
    recommendation: "Delete the root access key, after deactivating it. AWS advises to have no root access key at \
        all.",
    remediation: |_| root_keys::REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
    requirements: requirements::ROOT_ACCESS_KEY,
    mappings: requirements::ROOT_ACCESS_KEY_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, context: &Context<'_>) -> Verdict {
    let seen = Seen::in_sources(account);
    let in_summary = matches!(seen.summary, Ok(count) if count > 0);
    if !in_summary && seen.shown.is_empty() {
        return match Unavailable::graver(seen.summary.err(), seen.unreadable) {
            Some(reason) => Verdict::unknown(reason),
            None => Verdict::passed("The root user has no access key, active or inactive."),
        };
    }
    let all_inactive = !seen.shown.is_empty() && seen.shown.iter().all(|key| key.active == Ok(false));
    Verdict::Failed(Failure {
        severity: all_inactive.then_some(Severity::High),
        message: seen.message(account, context),
        details: seen.details(context),
        evidence: seen.evidence(),
        reportable: seen.root.as_ref().map(|root| root_keys::reportable(root, &seen.shown)).unwrap_or_default(),
        is_live: in_summary,
    })
}

/// The data of the two sources on root's access keys.
struct Seen<'a> {
    summary: Source<i32>,
    root: Source<&'a Row>,
    /// The keys that the report shows.
    shown: Vec<&'a AccessKey>,
    /// The reason why the report may not show all keys.
    unreadable: Option<Unavailable>,
}

impl<'a> Seen<'a> {
    fn in_sources(account: &'a Account) -> Self {
        let summary = account.summary_entry("AccountAccessKeysPresent", |summary| summary.account_access_keys_present);
        let root = account.root();
        let (shown, unreadable) = match &root {
            Ok(root) => (root_keys::shown(root), root.access_keys.iter().find_map(unreadable).map(Unavailable::from)),
            Err(reason) => (Vec::new(), Some(reason.clone())),
        };
        Self { summary, root, shown, unreadable }
    }

    /// Describes the keys, and whether the sources agree.
    fn message(&self, account: &Account, context: &Context<'_>) -> String {
        let report_age = root_keys::report_age(account, context);
        let found = match &self.root {
            Ok(root) if !self.shown.is_empty() => {
                let keys = self.shown.iter().map(|key| described(root, key, context)).collect::<Vec<_>>().join("; ");
                let count = counted(self.shown.len() as u64, "root access key");
                format!("The credential report{report_age} shows {count}: {keys}.")
            }
            Ok(_) | Err(_) => "The account summary says that the root user has an access key.".to_owned(),
        };
        let comparison = match (&self.summary, self.shown.is_empty(), &self.unreadable) {
            (Ok(0), false, _) => {
                "The account summary, which is live, disagrees and says there is none: it may just have been deleted."
                    .to_owned()
            }
            (Ok(_), false, _) => "The account summary confirms it.".to_owned(),
            (Ok(_), true, None) => format!(
                "The credential report{report_age} disagrees and shows none: the key is newer, or only the summary knows it."
            ),
            (Ok(_), true, Some(reason @ Unavailable::NotAsked(_))) | (Err(reason @ Unavailable::NotAsked(_)), ..) => {
                reason.to_string()
            }
            (Ok(_), true, Some(reason)) => format!("The credential report could not tell: {reason}"),
            (Err(reason), ..) => format!("The account summary could not tell: {reason}"),
        };
        format!("{found} {comparison}")
    }

    /// The dates of the keys, which are in the message.
    fn details(&self, context: &Context<'_>) -> Vec<String> {
        let Ok(root) = &self.root else { return Vec::new() };
        self.shown.iter().map(|key| root_keys::history(root, key, context)).collect()
    }

    fn evidence(&self) -> Evidence {
        let empty = |key: &AccessKey| [key.columns().active, key.columns().last_rotated];
        let mut rests_on = match &self.root {
            Ok(root) if self.shown.is_empty() => {
                evidence(root, &root.access_keys.iter().flat_map(empty).collect::<Vec<_>>())
            }
            Ok(root) => evidence(root, &self.shown.iter().flat_map(|key| root_keys::columns(key)).collect::<Vec<_>>()),
            Err(_) => Evidence::new(),
        };
        rests_on.extend(self.summary.as_ref().map(|count| Fact::of_summary("AccountAccessKeysPresent", *count)));
        rests_on
    }
}

/// Describes a key that the report shows.
fn described(root: &Row, key: &AccessKey, context: &Context<'_>) -> String {
    let state = match key.active {
        Ok(true) => "active",
        Ok(false) => "inactive",
        Err(_) => "of unknown state",
    };
    format!("key {}, {state}, {}", key.slot, root_keys::history(root, key, context))
}

fn unreadable(key: &AccessKey) -> Option<&CellError> {
    key.active.as_ref().err().or_else(|| key.last_rotated.as_ref().err())
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::account::AccountSummary;
    use crate::testing::{account, observe_in, unavailable};

    const INACTIVE: &str = "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | false               | 2019-01-02T03:04:05Z
";
    const NONE: &str = "
user
<root_account>
";

    fn with_summary(table: &str, keys_present: Option<i32>) -> String {
        let mut account = account(table);
        account.summary = Ok(AccountSummary { account_access_keys_present: keys_present, ..AccountSummary::default() });
        observe_in(&CHECK, &account)
    }

    #[test]
    fn an_inactive_key_fails_with_a_lower_severity() {
        insta::assert_snapshot!(with_summary(INACTIVE, Some(1)), @"FAILED HIGH root: The credential report of 1 hour ago shows 1 root access key: key 1, inactive, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary confirms it.");
    }

    #[test]
    fn an_active_key_is_critical() {
        insta::assert_snapshot!(with_summary("
user           | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | false               | 2019-01-02T03:04:05Z      | true                | 2026-11-19T06:00:00Z
", Some(2)), @"FAILED root: The credential report of 1 hour ago shows 2 root access keys: key 1, inactive, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded; key 2, active, created 2026-11-19 06:00 UTC (1 day ago), no use recorded. The account summary confirms it.");
    }

    #[test]
    fn a_disagreement_of_the_sources_is_reported() {
        insta::assert_snapshot!(with_summary(INACTIVE, Some(0)), @"FAILED HIGH root: The credential report of 1 hour ago shows 1 root access key: key 1, inactive, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary, which is live, disagrees and says there is none: it may just have been deleted.");
        insta::assert_snapshot!(with_summary(NONE, Some(1)), @"FAILED root: The account summary says that the root user has an access key. The credential report of 1 hour ago disagrees and shows none: the key is newer, or only the summary knows it.");
    }

    #[test]
    fn one_source_is_enough_to_fail_and_both_are_needed_to_pass() {
        let mut no_report = account(NONE);
        no_report.report = unavailable("GetCredentialReport failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &no_report), @"UNKNOWN root: GetCredentialReport failed: AccessDenied.");
        no_report.summary = Ok(AccountSummary { account_access_keys_present: Some(1), ..AccountSummary::default() });
        insta::assert_snapshot!(observe_in(&CHECK, &no_report), @"FAILED root: The account summary says that the root user has an access key. The credential report could not tell: GetCredentialReport failed: AccessDenied.");
        insta::assert_snapshot!(with_summary(NONE, None), @"UNKNOWN root: The account summary has no AccountAccessKeysPresent.");
        insta::assert_snapshot!(with_summary(INACTIVE, None), @"FAILED HIGH root: The credential report of 1 hour ago shows 1 root access key: key 1, inactive, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary could not tell: The account summary has no AccountAccessKeysPresent.");
        insta::assert_snapshot!(with_summary(NONE, Some(0)), @"PASSED root: The root user has no access key, active or inactive.");
    }

    #[test]
    fn an_unreadable_state_is_not_reported_as_inactive() {
        insta::assert_snapshot!(with_summary("
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | ?                   | 2019-01-02T03:04:05Z
", Some(1)), @"FAILED root: The credential report of 1 hour ago shows 1 root access key: key 1, of unknown state, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary confirms it.");
    }
}
