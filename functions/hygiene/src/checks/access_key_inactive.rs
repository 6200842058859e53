use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::commands;
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column, Row};
use crate::source::{Source, SourceId};
use crate::text::{age, escape, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "access-key-inactive",
    title: "An inactive access key was left behind",
    severity: Severity::Informational,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
    ],
    fails_when: "A key is inactive and still there: its `last_rotated` is a date.",
    rationale: "One call makes it active again, by anyone who may update keys, and the copies of its secret still \
        exist.",
    recommendation: "Delete the key.",
    remediation: |target| Remediation::Shell(commands::delete_inactive_key(target)),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::AccessKey(rule),
};

fn rule(user: &Row, key: &AccessKey, context: &Context<'_>) -> Source<Verdict> {
    if key.active.clone()? {
        return Ok(Verdict::passed("The access key is active."));
    }
    let created = key.created()?;
    let message = format!(
        "Access key {} of {}, created on {}, {} ago, is inactive and was not deleted.",
        key.slot,
        escape(&user.user),
        moment(created),
        age(context.age(created))
    );
    Ok(Verdict::failed(
        message,
        evidence(user, &[key.columns().active, key.columns().last_rotated, key.columns().last_used_date]),
    ))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn an_inactive_key_fails_and_an_empty_slot_is_not_a_subject() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
alice | false               | 2019-01-02T03:04:05Z      | true                | 2019-01-02T03:04:05Z
bob   | false               | N/A                       | false               | ?
"), @"
        FAILED user/alice/key/20190102T030405Z: Access key 1 of alice, created on 2019-01-02 03:04 UTC, 2,879 days ago, is inactive and was not deleted.
        PASSED user/alice/key/20190102T030405Z-2: The access key is active.
        UNKNOWN user/bob/key/slot-2: access_key_2_last_rotated is `?` in the credential report, not a date.
        ");
    }
}
