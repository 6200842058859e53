use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column};
use crate::requirements;
use crate::root_keys;
use crate::source::SourceId;
use crate::subject::stamp;
use crate::text::{age, moment};
use crate::uses::{PASSWORD, Uses};
use crate::verdict::{Failure, ReportedEvidence, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "root-user-recently-used",
    title: "The root user was used recently",
    severity: Severity::High,
    kind: Kind::Event,
    sources: &[SourceId::CredentialReport],
    listed_by: None,
    columns: &[Column::PasswordLastUsed, Column::AccessKey1LastUsedDate, Column::AccessKey2LastUsedDate],
    fails_when: "The latest of root's `password_last_used` and both keys' `last_used_date`, inactive keys too, is \
        within `RootUsedWithinDays`.",
    rationale: "Daily work does not need root, and root cannot be limited. Each use is either a habit to break or a \
        break-in.",
    recommendation: "Find out who used the root user, when and for what. If that is not known to you, treat it as \
        an incident. Give the task to a role.",
    remediation: |_| REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-tasks.html",
    requirements: requirements::ROOT_USE,
    mappings: requirements::ROOT_USE_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, context: &Context<'_>) -> Verdict {
    let root = match account.root() {
        Ok(root) => root,
        Err(reason) => return Verdict::unknown(reason),
    };
    let uses = [
        (&root.password_last_used, Column::PasswordLastUsed, None),
        (&root.access_keys[0].last_used_date, Column::AccessKey1LastUsedDate, Some(&root.access_keys[0])),
        (&root.access_keys[1].last_used_date, Column::AccessKey2LastUsedDate, Some(&root.access_keys[1])),
    ];
    let unreadable = uses.iter().find_map(|(used, ..)| used.as_ref().err());
    let latest = uses
        .iter()
        .filter_map(|(used, column, key)| Some(((**used).clone().ok()??, *column, *key)))
        .max_by_key(|(used, ..)| *used);
    let limit = context.policy.root_used_within;
    let recent = latest.filter(|(used, ..)| context.age(*used) <= limit);
    let Some((used, column, key)) = recent else {
        return match (unreadable, latest) {
            (Some(reason), _) => Verdict::unknown(reason),
            (None, Some(_)) => Verdict::passed(
                "The latest use that an existing credential of the root user records is older than the limit.",
            ),
            (None, None) => Verdict::passed("No credential of the root user that exists records a use."),
        };
    };
    let mut shown = vec![column];
    let mut with = "its password".to_owned();
    if let Some(key) = key {
        let state = if key.active == Ok(false) { " (inactive now)" } else { "" };
        let columns = key.columns();
        with = format!("access key {}{state}{}", key.slot, root_keys::purpose(root, key));
        shown.extend([columns.last_used_service, columns.last_used_region]);
    }
    let message = format!(
        "The root user was last used on {}, {} ago, with {with}; root use is reported for {}.",
        moment(used),
        age(context.age(used)),
        age(limit)
    );
    let by_credential = uses.iter().filter_map(|(used, _, key)| Some(((**used).clone().ok()??, *key)));
    let by_credential = by_credential.filter(|(used, _)| context.age(*used) <= limit);
    let by_credential = by_credential.map(|(used, key)| (credential(key), used)).collect();
    let uses = Uses { by_credential, of_any: None };
    let reportable = ReportedEvidence { uses, ..ReportedEvidence::default() };
    Verdict::Failed(Failure {
        severity: None,
        message,
        details: Vec::new(),
        evidence: evidence(root, &shown),
        reportable,
        is_live: false,
    })
}

/// The name of the credential under which a use is stored.
fn credential(key: Option<&AccessKey>) -> String {
    match key {
        None => PASSWORD.to_owned(),
        Some(key) => key.created().map_or_else(|_| format!("slot-{}", key.slot), stamp),
    }
}

const REMEDIATION: Remediation = Remediation::Console {
    steps: &[
        "Look the use up in CloudTrail: event history, user name root, at the time above. Root console sign-ins are \
         recorded in us-east-1.",
        "If nobody can explain it, treat it as an incident: change the root password, delete root's access keys, check \
         the root e-mail address.",
        "If it was for a task: give the task to a role. Few tasks need root, and the documentation lists them.",
    ],
    note: Some("The finding resolves by itself when the last use is older than the limit."),
};

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn a_recent_use_of_a_key_fails_despite_an_old_use_of_the_password() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used   | access_key_2_active | access_key_2_last_used_date | access_key_2_last_used_region | access_key_2_last_used_service
<root_account> | 2025-11-20T06:00:00Z | true                | 2026-11-20T04:00:00Z        | eu-central-1                  | s3
"), @"FAILED root: The root user was last used on 2026-11-20 04:00 UTC, 2 hours ago, with access key 2 for s3 in eu-central-1; root use is reported for 30 days.");
    }

    #[test]
    fn the_use_of_an_inactive_key_fails() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | access_key_1_active | access_key_1_last_used_date
<root_account> | false               | 2026-11-19T06:00:00Z
"), @"FAILED root: The root user was last used on 2026-11-19 06:00 UTC, 1 day ago, with access key 1 (inactive now); root use is reported for 30 days.");
    }

    #[test]
    fn the_limit_is_inclusive_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | 2026-10-21T06:00:00Z
"), @"FAILED root: The root user was last used on 2026-10-21 06:00 UTC, 30 days ago, with its password; root use is reported for 30 days.");
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | 2026-10-21T05:59:59Z
"), @"PASSED root: The latest use that an existing credential of the root user records is older than the limit.");
    }

    #[test]
    fn a_use_after_the_report_is_unreadable_beyond_the_clock_skew() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | 2026-11-20T05:05:00Z
"), @"FAILED root: The root user was last used on 2026-11-20 05:05 UTC, 55 minutes ago, with its password; root use is reported for 30 days.");
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | 2026-11-20T05:05:01Z
"), @"UNKNOWN root: password_last_used is `2026-11-20T05:05:01Z` in the credential report, a date later than the report itself.");
    }

    #[test]
    fn no_use_passes_and_an_unreadable_one_is_unknown() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | no_information
"), @"PASSED root: No credential of the root user that exists records a use.");
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_last_used
<root_account> | yesterday
"), @"UNKNOWN root: password_last_used is `yesterday` in the credential report, not a date.");
    }
}
