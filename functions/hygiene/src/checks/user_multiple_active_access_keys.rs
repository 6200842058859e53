use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation, Step};
use crate::report::{AccessKey, Column};
use crate::requirements;
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, escape, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "user-multiple-active-access-keys",
    title: "A user has two active access keys",
    severity: Severity::Low,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
    ],
    fails_when: "Both keys are active and the younger is older than `NewCredentialGraceDays`: a rotation in \
        progress is fine.",
    rationale: "The second slot is there for rotation. Two keys for good are two secrets to lose, and rotation is \
        blocked.",
    recommendation: "Find out which of the two is not needed, deactivate it, and delete it when nothing has missed \
        it.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
    requirements: requirements::TWO_KEYS,
    mappings: requirements::TWO_KEYS_ELSEWHERE,
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    let [one, two] = &row.access_keys;
    if one.active == Ok(false) || two.active == Ok(false) {
        return Ok(Verdict::passed("The report shows at most one active access key of the user."));
    }
    one.active.clone()?;
    two.active.clone()?;
    let grace = context.policy.new_credential_grace;
    let young = |key: &AccessKey| key.created().is_ok_and(|created| context.age(created) <= grace);
    if young(one) || young(two) {
        return Ok(Verdict::passed("One of the two active access keys is within the grace period for a rotation."));
    }
    let younger = one.created()?.max(two.created()?);
    let message = format!(
        "Both access keys of {} are active, and the younger was created on {}, {} ago; the grace period for a rotation is {}.",
        escape(&user.name),
        moment(younger),
        age_beyond(grace, context.age(younger)),
        age(grace)
    );
    let columns = [
        Column::AccessKey1Active,
        Column::AccessKey1LastRotated,
        Column::AccessKey1LastUsedDate,
        Column::AccessKey2Active,
        Column::AccessKey2LastRotated,
        Column::AccessKey2LastUsedDate,
    ];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

fn remediation(target: &Target<'_>) -> Remediation {
    let all = [commands::user(target), Argument::Query("AccessKeyMetadata[].AccessKeyId".into())];
    let older = [
        commands::user(target),
        Argument::NextLine,
        Argument::Query("sort_by(AccessKeyMetadata[?Status=='Active'], &CreateDate)[:-1].AccessKeyId".into()),
    ];
    let mut steps = vec![
        Step::Comment("Which of the two is used, and when?"),
        Step::ForEach {
            list: aws("iam list-access-keys", all),
            run: aws("iam get-access-key-last-used", [Argument::Variable("--access-key-id", "id")]),
        },
        Step::Comment("The older one. Put the other id here if that is the one to go."),
        Step::Assign("KEY_ID", aws("iam list-access-keys", older)),
    ];
    steps.extend(commands::retire(
        commands::deactivate_key(target, commands::KEY_ID),
        commands::delete_key(target, commands::KEY_ID),
    ));
    Remediation::Shell(steps)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn two_active_keys_fail_unless_one_is_new() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
alice | true                | 2019-01-02T03:04:05Z      | true                | 2026-11-13T05:59:59Z
bob   | true                | 2026-11-13T06:00:00Z      | true                | 2019-01-02T03:04:05Z
carol | true                | 2019-01-02T03:04:05Z      | false               | 2019-01-02T03:04:05Z
dave  | true                | 2019-01-02T03:04:05Z      | true                | ?
erin  | true                | 2026-11-19T06:00:00Z      | true                | ?
frank | ?                   | 2019-01-02T03:04:05Z      | false               | N/A
grace | ?                   | 2019-01-02T03:04:05Z      | true                | 2019-01-02T03:04:05Z
"), @"
        FAILED user/alice: Both access keys of alice are active, and the younger was created on 2026-11-13 05:59 UTC, 7 days and 1 second ago; the grace period for a rotation is 7 days.
        PASSED user/bob: One of the two active access keys is within the grace period for a rotation.
        PASSED user/carol: The report shows at most one active access key of the user.
        UNKNOWN user/dave: access_key_2_last_rotated is `?` in the credential report, not a date.
        PASSED user/erin: One of the two active access keys is within the grace period for a rotation.
        PASSED user/frank: The report shows at most one active access key of the user.
        UNKNOWN user/grace: access_key_1_active is `?` in the credential report, not true or false.
        ");
    }
}
