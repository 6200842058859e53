use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::remediation::{Remediation, Step};
use crate::report::{AccessKey, Column, Row};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, escape, moment};
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "access-key-not-rotated",
    title: "An active access key is old",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
    ],
    fails_when: "An active key is older than `AccessKeyMaxAgeDays`.",
    rationale: "The older a key, the more copies of it there are: in backups, images, laptops and chat logs.",
    recommendation: "Replace the key with a role where you can. Where you cannot, create a new key, move its users \
        to it, deactivate the old one, and delete that when nothing has missed it.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
    requirements: requirements::KEY_ROTATION,
    mappings: requirements::KEY_ROTATION_ELSEWHERE,
    rule: Rule::AccessKey(rule),
};

fn rule(user: &Row, key: &AccessKey, context: &Context<'_>) -> Source<Verdict> {
    if !key.active.clone()? {
        return Ok(Verdict::not_applicable("The access key is not active."));
    }
    let created = key.created()?;
    let limit = context.policy.access_key_max_age;
    if context.age(created) <= limit {
        return Ok(Verdict::passed("The access key is not older than the limit."));
    }
    let message = format!(
        "Access key {} of {} was created on {}, {} ago; the limit is {}.",
        key.slot,
        escape(&user.user),
        moment(created),
        age_beyond(limit, context.age(created)),
        age(limit)
    );
    Ok(Verdict::failed(
        message,
        evidence(user, &[key.columns().active, key.columns().last_rotated, key.columns().last_used_date]),
    ))
}

fn remediation(target: &Target<'_>) -> Remediation {
    let mut steps = vec![
        Step::Comment(
            "Better than a new key: a role. If it must be a key (delete an unused one first, two are the limit):",
        ),
        commands::of_user(target, "iam create-access-key"),
        Step::Comment("When everything uses the new key:"),
    ];
    steps.extend(commands::retire_key(target));
    Remediation::Shell(steps)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn the_limit_is_inclusive_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
alice | true                | 2026-08-22T06:00:00Z      | true                | 2026-08-22T05:59:59Z
"), @"
        PASSED user/alice/key/20260822T060000Z: The access key is not older than the limit.
        FAILED user/alice/key/20260822T055959Z: Access key 2 of alice was created on 2026-08-22 05:59 UTC, 90 days and 1 second ago; the limit is 90 days.
        ");
    }

    #[test]
    fn inactive_keys_are_not_applicable_and_active_keys_need_a_date() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
alice | false               | 2019-01-02T03:04:05Z      | true                | N/A
bob   | ?                   | 2019-01-02T03:04:05Z      | false               | 2.1.2019
carol | false               | N/A                       | false               | N/A
"), @"
        NOT_APPLICABLE user/alice/key/20190102T030405Z: The access key is not active.
        UNKNOWN user/alice/key/slot-2: access_key_2_last_rotated is N/A though the key is there.
        UNKNOWN user/bob/key/20190102T030405Z: access_key_1_active is `?` in the credential report, not true or false.
        NOT_APPLICABLE user/bob/key/slot-2: The access key is not active.
        ");
    }
}
