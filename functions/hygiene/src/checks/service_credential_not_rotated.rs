use crate::check::{Check, Context, Kind, Rule};
use crate::commands;
use crate::requirements;
use crate::service_credential::{ServiceCredential, State};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "service-credential-not-rotated",
    title: "An active service-specific credential is old",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::ServiceSpecificCredentials],
    listed_by: Some(SourceId::ServiceSpecificCredentials),
    columns: &[],
    fails_when: "An active credential is older than `AccessKeyMaxAgeDays`.",
    rationale: "The older a credential, the more copies of it there are: in configuration files, notebooks, laptops and \
        chat logs.",
    recommendation: "Use a role where the service allows one. Where it does not, create a new credential, move its users \
        to it, deactivate the old one, and delete that when nothing has missed it.",
    remediation: |target| {
        commands::rotate_service_credential(
            target,
            "Better than a new credential: a role. If it must be one (two for each service are the limit):",
        )
    },
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_service-specific-creds.html",
    requirements: &[],
    mappings: requirements::LONG_TERM_CREDENTIAL_ELSEWHERE,
    rule: Rule::ServiceCredential(rule),
};

fn rule(credential: &ServiceCredential, context: &Context<'_>) -> Source<Verdict> {
    match credential.state(context)? {
        State::Inactive | State::Expired => return Ok(Verdict::not_applicable("The credential is not active.")),
        State::Active => {}
    }
    let (created, limit) = (credential.created, context.policy.access_key_max_age);
    if context.age(created) <= limit {
        return Ok(Verdict::passed("The credential is young enough."));
    }
    let message = format!(
        "{} was created on {}, {} ago; the limit is {}.",
        credential.called(),
        moment(created),
        age_beyond(limit, context.age(created)),
        age(limit)
    );
    Ok(Verdict::failed(message, credential.evidence()))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe_credentials;

    #[test]
    fn the_limit_is_inclusive_to_the_second() {
        insta::assert_snapshot!(observe_credentials(&CHECK, "
ACCA1 | codecommit.amazonaws.com | Active   | 2026-08-22T06:00:00Z |
ACCA2 | codecommit.amazonaws.com | Active   | 2026-08-22T05:59:59Z |
ACCA3 | bedrock.amazonaws.com    | Active   | 2026-08-22T05:59:59Z | 2027-08-22T05:59:59Z
ACCA4 | bedrock.amazonaws.com    | Expired  | 2019-01-02T03:04:05Z | 2020-01-02T03:04:05Z
ACCA5 | bedrock.amazonaws.com    | Inactive | 2019-01-02T03:04:05Z |
"), @"
        PASSED user/alice/credential/ACCA1: The credential is young enough.
        FAILED user/alice/credential/ACCA2: Credential ACCA2 of alice for codecommit.amazonaws.com was created on 2026-08-22 05:59 UTC, 90 days and 1 second ago; the limit is 90 days.
        FAILED user/alice/credential/ACCA3: Credential ACCA3 of alice for bedrock.amazonaws.com was created on 2026-08-22 05:59 UTC, 90 days and 1 second ago; the limit is 90 days.
        NOT_APPLICABLE user/alice/credential/ACCA4: The credential is not active.
        NOT_APPLICABLE user/alice/credential/ACCA5: The credential is not active.
        ");
    }
}
