use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands;
use crate::remediation::{Remediation, Step};
use crate::report::{CellError, Column};
use crate::service_credential::State;
use crate::source::{Source, SourceId, Unavailable};
use crate::text::{age, escape, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "user-without-credentials",
    title: "A user has no credentials",
    severity: Severity::Low,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport, SourceId::ServiceSpecificCredentials],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::UserCreationTime,
        Column::PasswordEnabled,
        Column::AccessKey1Active,
        Column::AccessKey2Active,
        Column::Cert1Active,
        Column::Cert2Active,
    ],
    fails_when: "No password, no active key, no active certificate, nothing in `additional_credentials_info`, no active \
        service-specific credential, and the user is older than `NewCredentialGraceDays`.",
    rationale: "A user that cannot do anything has permissions that wait for the first credential someone gives it.",
    recommendation: "Delete the user, after a look at what is not in the report: SSH keys and service-specific \
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
    let service_specific = has_active_service_credential(user, context);
    if service_specific == Ok(true) {
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
        return Err(CellError::NoDate { column: Column::UserCreationTime }.into());
    };
    let (has_none, unseen) = match service_specific {
        Ok(_) => (", no active certificate and no active service-specific credential", "SSH keys"),
        Err(Unavailable::NotAsked(_)) => {
            (" and no active certificate", "Service-specific credentials were not looked at, and SSH keys")
        }
        Err(unreadable @ (Unavailable::Unreadable(_) | Unavailable::BlindSpot { .. })) => return Err(unreadable),
    };
    let message = format!(
        "{} was created on {}, {} ago, and has no password, no active access key{has_none}. {unseen} are not in any list: \
         look before you delete.",
        escape(&user.name),
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

fn has_active_service_credential(user: &User<'_>, context: &Context<'_>) -> Source<bool> {
    let mut unknown = None;
    for credential in user.service_credentials.as_ref().map_err(|reason| (*reason).clone())? {
        match credential.state(context) {
            Ok(State::Active) => return Ok(true),
            Ok(State::Inactive | State::Expired) => {}
            Err(reason) => unknown = Some(reason),
        }
    }
    unknown.map_or(Ok(false), Err)
}

fn remediation(target: &Target<'_>) -> Remediation {
    let run = |operation| commands::of_user(target, operation);
    Remediation::Shell(vec![
        Step::Comment("Not in the report. Whoever has one of these is no leftover:"),
        run("iam list-ssh-public-keys"),
        run("iam list-service-specific-credentials"),
        Step::Comment("What has to go before the user can:"),
        run("iam list-access-keys"),
        run("iam list-signing-certificates"),
        run("iam list-mfa-devices"),
        run("iam list-groups-for-user"),
        run("iam list-attached-user-policies"),
        run("iam list-user-policies"),
        Step::Comment("When all of these are empty:"),
        run("iam delete-user"),
    ])
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::service_credential::ServiceCredential;
    use crate::source::{Source, Unavailable};
    use crate::testing::{account, observe, observe_in, service_credential, unavailable};

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
        FAILED user/alice: alice was created on 2019-01-02 03:04 UTC, 2,879 days ago, and has no password, no active access key, no active certificate and no active service-specific credential. SSH keys are not in any list: look before you delete.
        PASSED user/bob: The user is new, or has a credential.
        FAILED user/carol: carol was created on 2026-11-13 05:59 UTC, 7 days ago, and has no password, no active access key, no active certificate and no active service-specific credential. SSH keys are not in any list: look before you delete.
        PASSED user/dave: The user has a credential.
        PASSED user/erin: The user has a credential.
        PASSED user/frank: The user has a credential.
        UNKNOWN user/grace: access_key_1_active is `?` in the credential report, not true or false.
        UNKNOWN user/heidi: user_creation_time is `?` in the credential report, not a date.
        ");
    }

    const USERS: &str = "
user  | password_enabled
alice | false
bob   | true
carol | ?
";

    fn with(credentials: Source<Vec<ServiceCredential>>) -> String {
        let mut account = account(USERS);
        account.service_credentials = credentials;
        observe_in(&CHECK, &account)
    }

    #[test]
    fn an_active_service_specific_credential_passes() {
        let of = |status: &str| ServiceCredential { status: status.to_owned(), ..service_credential("alice", "ACCA1") };
        let other = service_credential("bob", "ACCA2");
        let alice = |credentials| with(Ok(credentials)).lines().next().unwrap().to_owned();
        insta::assert_snapshot!(alice(vec![of("Active"), other.clone()]), @"PASSED user/alice: The user has a credential.");
        insta::assert_snapshot!(alice(vec![of("Inactive"), other]), @"FAILED user/alice: alice was created on 2019-01-02 03:04 UTC, 2,879 days ago, and has no password, no active access key, no active certificate and no active service-specific credential. SSH keys are not in any list: look before you delete.");
        insta::assert_snapshot!(alice(vec![of("Paused")]), @"UNKNOWN user/alice: Status of ACCA1 is `Paused`, not Active, Inactive or Expired.");
    }

    #[test]
    fn an_unreadable_list_is_unknown_only_for_users_who_would_fail() {
        insta::assert_snapshot!(with(unavailable("ListServiceSpecificCredentials failed: AccessDenied.")), @"
        UNKNOWN user/alice: ListServiceSpecificCredentials failed: AccessDenied.
        PASSED user/bob: The user has a credential.
        UNKNOWN user/carol: password_enabled is `?` in the credential report, not true or false.
        ");
        let not_asked = Err(Unavailable::NotAsked("The service-specific credentials were not given.".to_owned()));
        insta::assert_snapshot!(with(not_asked), @"
        FAILED user/alice: alice was created on 2019-01-02 03:04 UTC, 2,879 days ago, and has no password, no active access key and no active certificate. Service-specific credentials were not looked at, and SSH keys are not in any list: look before you delete.
        PASSED user/bob: The user has a credential.
        UNKNOWN user/carol: password_enabled is `?` in the credential report, not true or false.
        ");
    }
}
