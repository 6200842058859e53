use super::{Check, Context, Rule, evidence};
use crate::finding::{Evidence, Severity, Verdict};
use crate::report::{AccessKey, CellError, Row};
use crate::snapshot::{Snapshot, Unavailable};
use crate::text::{age, counted};
use crate::{requirements, root_keys};

pub(super) static CHECK: Check = Check {
    id: "root-access-key-present",
    title: "The root user has an access key",
    severity: Severity::Critical,
    fails_when: "`AccountAccessKeysPresent` of the account summary is above 0, or the report has a root \
        `access_key_N_last_rotated` or an active root key. HIGH when the report shows keys and all of them are \
        inactive.",
    rationale: "A root access key that is inactive is one call away from being active. The account summary is live \
        where the report may be four hours old, so the two together miss nothing.",
    recommendation: "Delete the root access key, after deactivating it. AWS advises to have no root access key at \
        all.",
    remediation: |_| root_keys::STEPS.to_owned(),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
    requirements: requirements::ROOT_ACCESS_KEY,
    mappings: requirements::ROOT_ACCESS_KEY_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(snapshot: &Snapshot, context: &Context<'_>) -> Verdict {
    let summary = match &snapshot.summary {
        Ok(summary) => summary
            .account_access_keys_present
            .ok_or_else(|| Unavailable::from("The account summary has no AccountAccessKeysPresent.")),
        Err(reason) => Err(reason.clone()),
    };
    let root = snapshot.root();
    let shown = root.as_ref().map(|root| shown_keys(root)).unwrap_or_default();
    let unreadable = root.as_ref().map_or_else(
        |reason| Some(reason.clone()),
        |root| root.access_keys.iter().find_map(unreadable).map(Unavailable::from),
    );
    let in_summary = matches!(summary, Ok(count) if 0 < count);
    if !in_summary && shown.is_empty() {
        return match Unavailable::graver(summary.err(), unreadable) {
            Some(reason) => Verdict::unknown(reason),
            None => Verdict::passed("The root user has no access key, active or inactive."),
        };
    }

    let report_age =
        snapshot.report_generated_at().map_or_else(String::new, |time| format!(" of {} ago", age(context.age(time))));
    let mut message = match &root {
        Ok(root) if !shown.is_empty() => {
            let told = |key: &&AccessKey| {
                let state = match key.active {
                    Ok(true) => "active",
                    Ok(false) => "inactive",
                    Err(_) => "of unknown state",
                };
                format!("key {}, {state}, {}", key.slot, root_keys::history(root, key, context))
            };
            let tellings: Vec<_> = shown.iter().map(told).collect();
            format!(
                "The credential report{report_age} shows {}: {}.",
                counted(shown.len() as u64, "root access key"),
                tellings.join("; ")
            )
        }
        _ => "The account summary says that the root user has an access key.".to_owned(),
    };
    let comparison = match (&summary, shown.is_empty(), &unreadable) {
        (Ok(0), false, _) => {
            " The account summary, which is live, disagrees and says there is none: it may just have been deleted."
                .to_owned()
        }
        (Ok(_), false, _) => " The account summary confirms it.".to_owned(),
        (Ok(_), true, None) => format!(
            " The credential report{report_age} disagrees and shows none: the key is newer, or only the summary knows it."
        ),
        (Ok(_), true, Some(reason @ Unavailable::NotGiven(_))) | (Err(reason @ Unavailable::NotGiven(_)), ..) => {
            format!(" {reason}")
        }
        (Ok(_), true, Some(reason)) => format!(" The credential report could not tell: {reason}"),
        (Err(reason), ..) => format!(" The account summary could not tell: {reason}"),
    };
    message.push_str(&comparison);
    let mut rests_on = Evidence::new();
    let mut seen = None;
    if let Ok(root) = &root {
        let columns: Vec<_> = if shown.is_empty() {
            root.access_keys.iter().flat_map(|key| [key.columns().active, key.columns().last_rotated]).collect()
        } else {
            shown.iter().flat_map(|key| root_keys::columns(key)).collect()
        };
        rests_on = evidence(root, &columns);
        seen = Some(root_keys::novelties(root, &shown));
    }
    if let Ok(count) = summary {
        rests_on.push(("AccountAccessKeysPresent", count.to_string()));
    }
    let all_inactive = !shown.is_empty() && shown.iter().all(|key| key.active == Ok(false));
    Verdict { severity: all_inactive.then_some(Severity::High), novelties: seen, ..Verdict::failed(message, rests_on) }
}

fn shown_keys(root: &Row) -> Vec<&AccessKey> {
    root.access_keys.iter().filter(|key| key.active == Ok(true) || matches!(key.last_rotated, Ok(Some(_)))).collect()
}

fn unreadable(key: &AccessKey) -> Option<&CellError> {
    key.active.as_ref().err().or_else(|| key.last_rotated.as_ref().err())
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::snapshot::AccountSummary;
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
        let mut snapshot = account(table);
        snapshot.summary =
            Ok(AccountSummary { account_access_keys_present: keys_present, ..AccountSummary::default() });
        observe_in(&CHECK, &snapshot)
    }

    #[test]
    fn an_inactive_key_is_there_too_but_less_urgent() {
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
    fn the_sources_disagreement_is_told() {
        insta::assert_snapshot!(with_summary(INACTIVE, Some(0)), @"FAILED HIGH root: The credential report of 1 hour ago shows 1 root access key: key 1, inactive, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary, which is live, disagrees and says there is none: it may just have been deleted.");
        insta::assert_snapshot!(with_summary(NONE, Some(1)), @"FAILED root: The account summary says that the root user has an access key. The credential report of 1 hour ago disagrees and shows none: the key is newer, or only the summary knows it.");
    }

    #[test]
    fn either_source_is_enough_to_fail_and_both_are_needed_to_pass() {
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
    fn an_unreadable_state_is_not_called_inactive() {
        insta::assert_snapshot!(with_summary("
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | ?                   | 2019-01-02T03:04:05Z
", Some(1)), @"FAILED root: The credential report of 1 hour ago shows 1 root access key: key 1, of unknown state, created 2019-01-02 03:04 UTC (2,879 days ago), no use recorded. The account summary confirms it.");
    }
}
