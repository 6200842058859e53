use crate::check::{Check, Context, Kind, Rule};
use crate::commands;
use crate::requirements;
use crate::service_credential::{ServiceCredential, State};
use crate::source::{Source, SourceId};
use crate::text::{age, moment};
use crate::verdict::{Failure, ReportedEvidence, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "service-credential-without-expiry",
    title: "An active service-specific credential never expires",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::ServiceSpecificCredentials],
    listed_by: Some(SourceId::ServiceSpecificCredentials),
    columns: &[],
    fails_when: "A credential is active, has no `ExpirationDate`, and is for a service whose credentials can have one: \
        `bedrock.amazonaws.com` and `aws-external-anthropic.amazonaws.com` (HIGH), `logs.amazonaws.com`, \
        `cloudwatch.amazonaws.com`.",
    rationale: "It is a password that is sent with every request, works from anywhere, and is in no credential report. \
        A copy of it works until somebody deletes it.",
    recommendation: "Use a role, or a short-term API key. Where it must be a credential of this kind, create one that \
        expires, move its users to it, deactivate the old one, and delete that when nothing has missed it.",
    remediation: |target| {
        commands::rotate_service_credential(
            target,
            "Better than a new credential: a role, or a short-term API key. If it must be one (two for each service are \
             the limit):",
        )
    },
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_api_keys_for_aws_services.html",
    requirements: &[],
    mappings: requirements::LONG_TERM_CREDENTIAL_ELSEWHERE,
    rule: Rule::ServiceCredential(rule),
};

fn rule(credential: &ServiceCredential, context: &Context<'_>) -> Source<Verdict> {
    match credential.state(context)? {
        State::Inactive | State::Expired => return Ok(Verdict::not_applicable("The credential is not active.")),
        State::Active => {}
    }
    if !credential.can_expire() {
        return Ok(Verdict::not_applicable("Credentials of this service have no expiration date."));
    }
    if credential.expires.is_some() {
        return Ok(Verdict::passed("The credential has an expiration date."));
    }
    let created = credential.created;
    let message = format!(
        "{} was created on {}, {} ago, and never expires.",
        credential.called(),
        moment(created),
        age(context.age(created))
    );
    let severity = credential.is_for_models().then_some(Severity::High);
    let (evidence, reportable) = (credential.evidence(), ReportedEvidence::default());
    Ok(Verdict::Failed(Failure { severity, message, details: Vec::new(), evidence, reportable, is_live: true }))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe_credentials;

    #[test]
    fn an_active_credential_without_expiry_fails_if_its_service_supports_expiry() {
        insta::assert_snapshot!(observe_credentials(&CHECK, "
ACCA1 | bedrock.amazonaws.com                | Active   | 2026-11-13T06:00:00Z |
ACCA2 | aws-external-anthropic.amazonaws.com | Active   | 2026-11-13T06:00:00Z |
ACCA3 | logs.amazonaws.com                   | Active   | 2026-11-13T06:00:00Z |
ACCA4 | cloudwatch.amazonaws.com             | Active   | 2026-11-13T06:00:00Z |
ACCA5 | codecommit.amazonaws.com             | Active   | 2026-11-13T06:00:00Z |
ACCA6 | bedrock.amazonaws.com                | Active   | 2026-11-13T06:00:00Z | 2026-11-20T06:00:01Z
ACCA7 | bedrock.amazonaws.com                | Active   | 2026-11-13T06:00:00Z | 2026-11-20T06:00:00Z
ACCA8 | bedrock.amazonaws.com                | Inactive | 2026-11-13T06:00:00Z |
ACCA9 | bedrock.amazonaws.com                | Paused   | 2026-11-13T06:00:00Z |
"), @"
        FAILED HIGH user/alice/credential/ACCA1: Credential ACCA1 of alice for bedrock.amazonaws.com was created on 2026-11-13 06:00 UTC, 7 days ago, and never expires.
        FAILED HIGH user/alice/credential/ACCA2: Credential ACCA2 of alice for aws-external-anthropic.amazonaws.com was created on 2026-11-13 06:00 UTC, 7 days ago, and never expires.
        FAILED user/alice/credential/ACCA3: Credential ACCA3 of alice for logs.amazonaws.com was created on 2026-11-13 06:00 UTC, 7 days ago, and never expires.
        FAILED user/alice/credential/ACCA4: Credential ACCA4 of alice for cloudwatch.amazonaws.com was created on 2026-11-13 06:00 UTC, 7 days ago, and never expires.
        NOT_APPLICABLE user/alice/credential/ACCA5: Credentials of this service have no expiration date.
        PASSED user/alice/credential/ACCA6: The credential has an expiration date.
        NOT_APPLICABLE user/alice/credential/ACCA7: The credential is not active.
        NOT_APPLICABLE user/alice/credential/ACCA8: The credential is not active.
        UNKNOWN user/alice/credential/ACCA9: Status of ACCA9 is `Paused`, not Active, Inactive or Expired.
        ");
    }
}
