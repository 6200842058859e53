use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation, Step};
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::{age, counted, escape};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "console-user-with-access-keys",
    title: "A console user also has an active access key",
    severity: Severity::Low,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[Column::PasswordEnabled, Column::AccessKey1Active, Column::AccessKey2Active],
    fails_when: "A password is enabled and a key is active.",
    rationale: "A person and a program share one user: neither can be limited, rotated or removed without the other.",
    recommendation: "Give the person a sign-in through the identity provider and the program a role. Until then \
        take away whichever is not needed.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    if !row.password_enabled.clone()? {
        return Ok(Verdict::not_applicable("The report shows no enabled password of the user."));
    }
    let active: Vec<_> = row.access_keys.iter().filter(|key| key.active == Ok(true)).collect();
    if active.is_empty() {
        for key in &row.access_keys {
            key.active.clone()?;
        }
        return Ok(Verdict::passed("The report shows no active access key of the user."));
    }
    let oldest = active.iter().min_by_key(|key| key.created().ok()).and_then(|key| key.created().ok());
    let oldest = oldest.map_or_else(String::new, |created| format!(", the oldest {} old", age(context.age(created))));
    let message = format!(
        "{} has a console password and {}{oldest}.",
        escape(&user.name),
        counted(active.len() as u64, "active access key")
    );
    let columns = [
        Column::PasswordEnabled,
        Column::PasswordLastUsed,
        Column::AccessKey1Active,
        Column::AccessKey1LastUsedDate,
        Column::AccessKey2Active,
        Column::AccessKey2LastUsedDate,
    ];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

fn remediation(target: &Target<'_>) -> Remediation {
    let keys = |status: &str| {
        let query = Argument::Query(format!("AccessKeyMetadata[?Status=='{status}'].AccessKeyId").into());
        aws("iam list-access-keys", [commands::user(target), query])
    };
    let id = Argument::Variable("--access-key-id", "id");
    // Nothing runs when the whole is pasted: only a person knows which of the two is in use.
    Remediation::Shell(vec![
        Step::Comment("Which keys are there? get-access-key-last-used says when each was used."),
        commands::of_user(target, "iam list-access-keys"),
        Step::DefineEach {
            name: "deactivate_keys",
            list: keys("Active"),
            run: commands::deactivate_key(target, id.clone()),
        },
        Step::DefineEach { name: "delete_keys", list: keys("Inactive"), run: commands::delete_key(target, id) },
        Step::Comment("If it is a person, no keys. Type: deactivate_keys"),
        Step::Comment("When nothing has missed them for two weeks, type: delete_keys"),
        Step::Comment("If it is a program, no password:"),
        Step::Offer(commands::delete_password(target)),
    ])
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn a_password_and_an_active_key_fail() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | access_key_1_active | access_key_1_last_rotated | access_key_2_active
alice | true             | true                | 2019-01-02T03:04:05Z      | false
bob   | true             | false               | 2019-01-02T03:04:05Z      | false
carol | false            | true                | 2019-01-02T03:04:05Z      | false
dave  | true             | ?                   | N/A                       | true
erin  | true             | ?                   | N/A                       | false
"), @"
        FAILED user/alice: alice has a console password and 1 active access key, the oldest 2,879 days old.
        PASSED user/bob: The report shows no active access key of the user.
        NOT_APPLICABLE user/carol: The report shows no enabled password of the user.
        FAILED user/dave: dave has a console password and 1 active access key.
        UNKNOWN user/erin: access_key_1_active is `?` in the credential report, not true or false.
        ");
    }
}
