use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation};
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::{age, counted, escape, moment};
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "user-signing-certificate-active",
    title: "A user has an active X.509 signing certificate",
    severity: Severity::Low,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[Column::Cert1Active, Column::Cert2Active],
    fails_when: "`cert_1_active` or `cert_2_active` is true.",
    rationale: "A long-lived credential of a kind that almost nothing needs any more, and that key rotation does \
        not reach.",
    recommendation: "Deactivate the certificate, and delete it when nothing has missed it.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSigningCertificate.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    let [one, two] = &row.certificates;
    let active: Vec<_> = [one, two].into_iter().filter(|certificate| certificate.active == Ok(true)).collect();
    if active.is_empty() {
        one.active.clone()?;
        two.active.clone()?;
        return Ok(Verdict::passed("The report shows no active signing certificate of the user."));
    }
    let oldest = active.iter().filter_map(|certificate| certificate.last_rotated.clone().ok()?).min();
    let since = oldest.map_or_else(String::new, |oldest| {
        format!(", the oldest of {}, {} ago", moment(oldest), age(context.age(oldest)))
    });
    let message =
        format!("{} has {}{since}.", escape(&user.name), counted(active.len() as u64, "active signing certificate"));
    let columns = [Column::Cert1Active, Column::Cert1LastRotated, Column::Cert2Active, Column::Cert2LastRotated];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

fn remediation(target: &Target<'_>) -> Remediation {
    let certificates = |status: &str| {
        let query = Argument::Query(format!("Certificates[?Status=='{status}'].CertificateId").into());
        aws("iam list-signing-certificates", [commands::user(target), query])
    };
    let id = Argument::Variable("--certificate-id", "id");
    let deactivate = aws("iam update-signing-certificate", [commands::user(target), id.clone(), commands::INACTIVE]);
    let delete = aws("iam delete-signing-certificate", [commands::user(target), id]);
    Remediation::Shell(commands::retire_each(certificates, deactivate, delete).into())
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn an_active_certificate_fails() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | cert_1_active | cert_1_last_rotated  | cert_2_active | cert_2_last_rotated
alice | true          | 2019-01-02T03:04:05Z | true          | 2018-01-02T03:04:05Z
bob   | false         | 2019-01-02T03:04:05Z | false         | N/A
carol | ?             | N/A                  | false         | N/A
dave  | ?             | N/A                  | true          | N/A
"), @"
        FAILED user/alice: alice has 2 active signing certificates, the oldest of 2018-01-02 03:04 UTC, 3,244 days ago.
        PASSED user/bob: The report shows no active signing certificate of the user.
        UNKNOWN user/carol: cert_1_active is `?` in the credential report, not true or false.
        FAILED user/dave: dave has 1 active signing certificate.
        ");
    }
}
