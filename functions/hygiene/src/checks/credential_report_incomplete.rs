use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands;
use crate::remediation::Remediation;
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::{cut, escape};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "credential-report-incomplete",
    title: "The credential report does not show all of a user's credentials",
    severity: Severity::Informational,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[],
    fails_when: "`additional_credentials_info` is neither empty nor `N/A`, `no_information` or `not_supported`: \
        some credentials are not in the report.",
    rationale: "What the report does not show, no check on it can see.",
    recommendation: "List the user's credentials, and take away what is not needed.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, _: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    let Some(info) = row.additional_credentials() else {
        return Ok(Verdict::passed("The report names no credentials of the user that it does not show."));
    };
    let info = escape(info);
    let message =
        format!("{} has credentials that are not in the report, which says: {}", escape(&user.name), cut(&info, 200));
    Ok(Verdict::failed(message, evidence(row, &[Column::AdditionalCredentialsInfo])))
}

fn remediation(target: &Target<'_>) -> Remediation {
    Remediation::Shell(vec![
        commands::of_user(target, "iam list-access-keys"),
        commands::of_user(target, "iam list-signing-certificates"),
        commands::of_user(target, "iam list-ssh-public-keys"),
        commands::of_user(target, "iam list-service-specific-credentials"),
    ])
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn the_text_of_the_column_is_reported_and_an_empty_cell_passes() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | additional_credentials_info
alice | 1 access key: use ListAccessKeys
bob   |
carol | n/a
dave  | No_Information
erin  | not_supported
"), @"
        FAILED user/alice: alice has credentials that are not in the report, which says: 1 access key: use ListAccessKeys
        PASSED user/bob: The report names no credentials of the user that it does not show.
        PASSED user/carol: The report names no credentials of the user that it does not show.
        PASSED user/dave: The report names no credentials of the user that it does not show.
        PASSED user/erin: The report names no credentials of the user that it does not show.
        ");
        insta::assert_snapshot!(observe(&CHECK, "
user
alice
"), @"PASSED user/alice: The report names no credentials of the user that it does not show.");
    }
}
