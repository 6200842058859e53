use crate::check::{Check, Context, Kind, Rule};
use crate::commands;
use crate::remediation::{Remediation, Step};
use crate::service_credential::{ServiceCredential, State};
use crate::source::{Source, SourceId};
use crate::text::{age, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "service-credential-inactive",
    title: "An inactive or expired service-specific credential was left behind",
    severity: Severity::Informational,
    kind: Kind::State,
    sources: &[SourceId::ServiceSpecificCredentials],
    listed_by: Some(SourceId::ServiceSpecificCredentials),
    columns: &[],
    fails_when: "A credential is inactive or expired, by its `Status` or its `ExpirationDate`, and still there.",
    rationale: "One call makes an inactive credential active again, and an expired one takes one of the two places that a \
        user has for a service.",
    recommendation: "Delete the credential.",
    remediation: |target| Remediation::Shell(vec![Step::Run(commands::delete_service_credential(target))]),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_service-specific-creds.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::ServiceCredential(rule),
};

fn rule(credential: &ServiceCredential, context: &Context<'_>) -> Source<Verdict> {
    let (what, expired) = match (credential.state(context)?, credential.expires) {
        (State::Active, _) => return Ok(Verdict::passed("The credential is active.")),
        (State::Inactive, _) => ("is inactive", String::new()),
        (State::Expired, None) => ("has expired", String::new()),
        (State::Expired, Some(expired)) => ("has expired", format!(" on {}", moment(expired))),
    };
    let created = credential.created;
    let message = format!(
        "{}, created on {}, {} ago, {what}{expired} and was not deleted.",
        credential.called(),
        moment(created),
        age(context.age(created))
    );
    Ok(Verdict::failed(message, credential.evidence()))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe_credentials;

    #[test]
    fn a_credential_that_cannot_be_used_fails() {
        insta::assert_snapshot!(observe_credentials(&CHECK, "
ACCA1 | bedrock.amazonaws.com | Active   | 2019-01-02T03:04:05Z |
ACCA2 | bedrock.amazonaws.com | Inactive | 2019-01-02T03:04:05Z |
ACCA3 | bedrock.amazonaws.com | Expired  | 2019-01-02T03:04:05Z |
ACCA4 | bedrock.amazonaws.com | Active   | 2019-01-02T03:04:05Z | 2026-11-20T06:00:00Z
ACCA5 | bedrock.amazonaws.com | Paused   | 2019-01-02T03:04:05Z |
"), @"
        PASSED user/alice/credential/ACCA1: The credential is active.
        FAILED user/alice/credential/ACCA2: Credential ACCA2 of alice for bedrock.amazonaws.com, created on 2019-01-02 03:04 UTC, 2,879 days ago, is inactive and was not deleted.
        FAILED user/alice/credential/ACCA3: Credential ACCA3 of alice for bedrock.amazonaws.com, created on 2019-01-02 03:04 UTC, 2,879 days ago, has expired and was not deleted.
        FAILED user/alice/credential/ACCA4: Credential ACCA4 of alice for bedrock.amazonaws.com, created on 2019-01-02 03:04 UTC, 2,879 days ago, has expired on 2026-11-20 06:00 UTC and was not deleted.
        UNKNOWN user/alice/credential/ACCA5: Status of ACCA5 is `Paused`, not Active, Inactive or Expired.
        ");
    }
}
