use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column, Row};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, escape, moment};
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "access-key-unused",
    title: "An active access key is no longer used",
    severity: Severity::Medium,
    kind: Kind::Disuse,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastUsedDate,
        Column::AccessKey2Active,
        Column::AccessKey2LastUsedDate,
    ],
    fails_when: "An active key was last used longer than `CredentialUnusedDays` ago.",
    rationale: "Nobody would miss it, and nobody would notice its use by someone else.",
    recommendation: "Deactivate the key, and delete it when nothing has missed it.",
    remediation: |target| Remediation::Shell(commands::retire_key(target)),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
    requirements: requirements::UNUSED_CREDENTIAL,
    mappings: requirements::UNUSED_CREDENTIAL_ELSEWHERE,
    rule: Rule::AccessKey(rule),
};

fn rule(user: &Row, key: &AccessKey, context: &Context<'_>) -> Source<Verdict> {
    if !key.active.clone()? {
        return Ok(Verdict::not_applicable("The access key is not active."));
    }
    let limit = context.policy.credential_unused;
    let used = match key.last_used_date.clone()? {
        None => {
            return Ok(Verdict::passed(
                "The report records no use of the access key, which access-key-never-used is about.",
            ));
        }
        Some(used) if context.age(used) <= limit => {
            let message = format!("The report records a use of the access key on {}, within the limit.", moment(used));
            return Ok(Verdict::Passed(message.into()));
        }
        Some(used) => used,
    };
    let message = format!(
        "Access key {} of {} was last used on {}, {} ago; the limit is {}.",
        key.slot,
        escape(&user.user),
        moment(used),
        age_beyond(limit, context.age(used)),
        age(limit)
    );
    let columns = key.columns();
    let columns = [
        columns.active,
        columns.last_rotated,
        columns.last_used_date,
        columns.last_used_service,
        columns.last_used_region,
    ];
    Ok(Verdict::failed(message, evidence(user, &columns)))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn the_limit_is_inclusive_to_the_second_and_a_key_that_was_never_used_does_not_fail() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
alice | true                | 2019-01-02T03:04:05Z      | 2026-10-06T06:00:00Z
bob   | true                | 2019-01-02T03:04:05Z      | 2026-10-06T05:59:59Z
carol | true                | 2019-01-02T03:04:05Z      | N/A
dave  | false               | 2019-01-02T03:04:05Z      | 2019-01-03T03:04:05Z
erin  | true                | 2019-01-02T03:04:05Z      | unknown
"), @"
        PASSED user/alice/key/20190102T030405Z: The report records a use of the access key on 2026-10-06 06:00 UTC, within the limit.
        FAILED user/bob/key/20190102T030405Z: Access key 1 of bob was last used on 2026-10-06 05:59 UTC, 45 days and 1 second ago; the limit is 45 days.
        PASSED user/carol/key/20190102T030405Z: The report records no use of the access key, which access-key-never-used is about.
        NOT_APPLICABLE user/dave/key/20190102T030405Z: The access key is not active.
        UNKNOWN user/erin/key/20190102T030405Z: access_key_1_last_used_date is `unknown` in the credential report, not a date.
        ");
    }
}
