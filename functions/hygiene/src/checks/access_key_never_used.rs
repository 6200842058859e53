use chrono::NaiveDate;

use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column, Row};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, escape, moment};
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "access-key-never-used",
    title: "An active access key was never used",
    severity: Severity::Medium,
    kind: Kind::Disuse,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey1LastUsedDate,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
        Column::AccessKey2LastUsedDate,
    ],
    fails_when: "An active key has no recorded use and is older than `NewCredentialGraceDays`.",
    rationale: "It was made for something that never came, and it works from wherever it was left.",
    recommendation: "Deactivate the key, and delete it when nothing has missed it.",
    remediation: |target| Remediation::Shell(commands::retire_key(target)),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
    requirements: requirements::UNUSED_CREDENTIAL,
    mappings: requirements::NEVER_USED_KEY_ELSEWHERE,
    rule: Rule::AccessKey(rule),
};

fn rule(user: &Row, key: &AccessKey, context: &Context<'_>) -> Source<Verdict> {
    if !key.active.clone()? {
        return Ok(Verdict::not_applicable("The access key is not active."));
    }
    if let Some(used) = key.last_used_date.clone()? {
        return Ok(Verdict::Passed(format!("The report records a use of the access key on {}.", moment(used)).into()));
    }
    let created = key.created()?;
    let grace = context.policy.new_credential_grace;
    if context.age(created) <= grace {
        return Ok(Verdict::passed("The access key is within the grace period for new keys."));
    }
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
    let before_tracking = created.date_naive() < TRACKING_BEGAN;
    let caveat =
        if before_tracking { " AWS records use since 2015-04-22 only; it may have been used before." } else { "" };
    let message = format!(
        "Access key {} of {} was created on {}, {} ago, and has no recorded use; the grace period for new keys is {}.{caveat}",
        key.slot,
        escape(&user.user),
        moment(created),
        age_beyond(grace, context.age(created)),
        age(grace)
    );
    Ok(Verdict::failed(
        message,
        evidence(user, &[key.columns().active, key.columns().last_rotated, key.columns().last_used_date]),
    ))
}

/// The day on which IAM began to record the use of access keys.
const TRACKING_BEGAN: NaiveDate = NaiveDate::from_ymd_opt(2015, 4, 22).expect("a real date");

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn a_key_that_was_never_used_fails_after_the_grace_period_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
alice | true                | 2026-11-13T06:00:00Z      | N/A
bob   | true                | 2026-11-13T05:59:59Z      | N/A
carol | true                | 2025-11-20T06:00:00Z      | no_information
dave  | true                | 2015-04-21T23:59:59Z      | N/A
erin  | true                | 2019-01-02T03:04:05Z      | 2019-01-02T03:04:05Z
frank | false               | 2019-01-02T03:04:05Z      | N/A
grace | true                | N/A                       | N/A
"), @"
        PASSED user/alice/key/20261113T060000Z: The access key is within the grace period for new keys.
        FAILED user/bob/key/20261113T055959Z: Access key 1 of bob was created on 2026-11-13 05:59 UTC, 7 days and 1 second ago, and has no recorded use; the grace period for new keys is 7 days.
        FAILED user/carol/key/20251120T060000Z: Access key 1 of carol was created on 2025-11-20 06:00 UTC, 365 days ago, and has no recorded use; the grace period for new keys is 7 days.
        FAILED user/dave/key/20150421T235959Z: Access key 1 of dave was created on 2015-04-21 23:59 UTC, 4,230 days ago, and has no recorded use; the grace period for new keys is 7 days. AWS records use since 2015-04-22 only; it may have been used before.
        PASSED user/erin/key/20190102T030405Z: The report records a use of the access key on 2019-01-02 03:04 UTC.
        NOT_APPLICABLE user/frank/key/20190102T030405Z: The access key is not active.
        UNKNOWN user/grace/key/slot-1: access_key_1_last_rotated is N/A though the key is there.
        ");
    }
}
