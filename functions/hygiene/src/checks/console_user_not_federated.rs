use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::remediation::{Remediation, Step};
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::escape;
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "console-user-not-federated",
    title: "A person signs in with an IAM user",
    severity: Severity::Informational,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[Column::PasswordEnabled],
    fails_when: "A password is enabled: a person who should sign in through the identity provider.",
    rationale: "An IAM user outlives its person: no leaver process reaches it, and its password is one more to lose.",
    recommendation: "Give the person access through IAM Identity Center or your identity provider, then take the \
        password away.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
    requirements: requirements::FEDERATION,
    mappings: requirements::FEDERATION_ELSEWHERE,
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, _: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    if !row.password_enabled.clone()? {
        return Ok(Verdict::not_applicable("The report shows no enabled password of the user."));
    }
    let message = format!(
        "{} signs in to the console with an IAM password, not through an identity provider.",
        escape(&user.name)
    );
    Ok(Verdict::failed(message, evidence(row, &[Column::PasswordEnabled, Column::PasswordLastUsed])))
}

fn remediation(target: &Target<'_>) -> Remediation {
    Remediation::Shell(vec![
        Step::Comment("When the person can sign in through IAM Identity Center or your identity provider:"),
        Step::Run(commands::delete_password(target)),
    ])
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn a_user_with_a_password_fails() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_enabled
<root_account> | true
alice          | true
bob            | false
carol          |
"), @"
        FAILED user/alice: alice signs in to the console with an IAM password, not through an identity provider.
        NOT_APPLICABLE user/bob: The report shows no enabled password of the user.
        UNKNOWN user/carol: password_enabled is `` in the credential report, not true or false.
        ");
    }
}
