use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands;
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::{age, inert, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "user-without-credentials",
    title: "A user has no credentials",
    severity: Severity::Low,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    fails_when: "No password, no active key, no active certificate, nothing in `additional_credentials_info`, and \
        the user is older than `NewCredentialGraceDays`.",
    rationale: "A user that cannot do anything has permissions that wait for the first credential someone gives it.",
    recommendation: "Delete the user, after a look at what the report does not show: SSH keys and service-specific \
        credentials.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    let flags = [
        &row.password_enabled,
        &row.access_keys[0].active,
        &row.access_keys[1].active,
        &row.certificates[0].active,
        &row.certificates[1].active,
    ];
    if flags.iter().any(|flag| **flag == Ok(true)) || row.additional_credentials().is_some() {
        return Ok(Verdict::passed("The user has a credential."));
    }
    let grace = context.policy.new_credential_grace;
    let created = row.user_creation_time.clone();
    if matches!(created, Ok(Some(created)) if context.age(created) <= grace) {
        return Ok(Verdict::passed("The user is new, or has a credential."));
    }
    for flag in flags {
        flag.clone()?;
    }
    let Some(created) = created? else {
        return Ok(Verdict::unknown("user_creation_time is N/A in the credential report."));
    };
    let message = format!(
        "{} was created on {}, {} ago, and has no password, no active access key and no active certificate. SSH keys and \
         service-specific credentials are not in the report: look before you delete.",
        inert(&user.name),
        moment(created),
        age(context.age(created))
    );
    let columns = [
        Column::UserCreationTime,
        Column::PasswordEnabled,
        Column::AccessKey1Active,
        Column::AccessKey2Active,
        Column::Cert1Active,
        Column::Cert2Active,
    ];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

fn remediation(target: &Target<'_>) -> String {
    let user = commands::user(target);
    format!(
        "# Not in the report; whoever has one of these is no leftover:\n\
         aws iam list-ssh-public-keys {user}\n\
         aws iam list-service-specific-credentials {user}\n\
         # What has to go before the user can:\n\
         aws iam list-access-keys {user}\n\
         aws iam list-signing-certificates {user}\n\
         aws iam list-mfa-devices {user}\n\
         aws iam list-groups-for-user {user}\n\
         aws iam list-attached-user-policies {user}\n\
         aws iam list-user-policies {user}\n\
         # When all of these are empty:\n\
         aws iam delete-user {user}"
    )
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn any_credential_passes_and_so_does_a_new_user() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | user_creation_time   | password_enabled | access_key_1_active | access_key_1_last_rotated | cert_1_active | additional_credentials_info
alice | 2019-01-02T03:04:05Z | false            | false               | N/A                       | false         |
bob   | 2026-11-13T06:00:00Z | false            | false               | N/A                       | false         |
carol | 2026-11-13T05:59:59Z | false            | false               | 2019-01-02T03:04:05Z      | false         | N/A
dave  | 2019-01-02T03:04:05Z | true             | ?                   | N/A                       | false         |
erin  | 2019-01-02T03:04:05Z | false            | false               | N/A                       | true          |
frank | 2019-01-02T03:04:05Z | false            | false               | N/A                       | false         | 1
grace | 2019-01-02T03:04:05Z | false            | ?                   | N/A                       | false         |
heidi | ?                    | false            | false               | N/A                       | false         |
"), @"
        FAILED user/alice: alice was created on 2019-01-02 03:04 UTC, 2,879 days ago, and has no password, no active access key and no active certificate. SSH keys and service-specific credentials are not in the report: look before you delete.
        PASSED user/bob: The user is new, or has a credential.
        FAILED user/carol: carol was created on 2026-11-13 05:59 UTC, 7 days ago, and has no password, no active access key and no active certificate. SSH keys and service-specific credentials are not in the report: look before you delete.
        PASSED user/dave: The user has a credential.
        PASSED user/erin: The user has a credential.
        PASSED user/frank: The user has a credential.
        UNKNOWN user/grace: access_key_1_active is `?` in the credential report, not true or false.
        UNKNOWN user/heidi: user_creation_time is `?` in the credential report, not a date.
        ");
    }
}
