use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::Remediation;
use crate::report::{CellError, Certificate, Column};
use crate::requirements;
use crate::source::{SourceId, Unavailable};
use crate::verdict::{Evidence, Fact, Failure, ReportedEvidence, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "root-signing-certificate-present",
    title: "The root user has an X.509 signing certificate",
    severity: Severity::High,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport, SourceId::AccountSummary],
    listed_by: None,
    columns: &[Column::Cert1Active, Column::Cert1LastRotated, Column::Cert2Active, Column::Cert2LastRotated],
    fails_when: "`AccountSigningCertificatesPresent` is above 0, or the report has a root `cert_N_last_rotated` or an \
        active root certificate.",
    rationale: "A signing certificate signs SOAP calls as root: a long-lived root credential that nobody remembers, \
        since nothing has needed it for years.",
    recommendation: "Deactivate the root user's signing certificates, then delete them.",
    remediation: |_| REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
    requirements: &[],
    mappings: requirements::ROOT_CERTIFICATE_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, _: &Context<'_>) -> Verdict {
    let summary = account
        .summary_entry("AccountSigningCertificatesPresent", |summary| summary.account_signing_certificates_present);
    let root = account.root();
    let in_report = root.as_ref().is_ok_and(|root| root.certificates.iter().any(is_shown));
    let in_summary = matches!(summary, Ok(count) if count > 0);
    if !in_summary && !in_report {
        let unreadable =
            root.map_or_else(Some, |root| root.certificates.iter().find_map(unreadable).map(Unavailable::from));
        return match Unavailable::graver(summary.err(), unreadable) {
            Some(reason) => Verdict::unknown(reason),
            None => Verdict::passed("The root user has no signing certificate."),
        };
    }
    let says = match (in_summary, in_report) {
        (true, true) => "the account summary and the credential report say",
        (true, false) => "the account summary says",
        (false, _) => "the credential report says",
    };
    let mut rests_on = Evidence::new();
    if let Ok(root) = root {
        let columns = [Column::Cert1Active, Column::Cert1LastRotated, Column::Cert2Active, Column::Cert2LastRotated];
        rests_on = evidence(root, &columns);
    }
    rests_on.extend(summary.map(|count| Fact::of_summary("AccountSigningCertificatesPresent", count)));
    let message = format!("The root user has an X.509 signing certificate, {says}.");
    let reportable = ReportedEvidence::default();
    Verdict::Failed(Failure {
        severity: None,
        message,
        details: Vec::new(),
        evidence: rests_on,
        reportable,
        is_live: in_summary,
    })
}

fn is_shown(certificate: &Certificate) -> bool {
    certificate.active == Ok(true) || matches!(certificate.last_rotated, Ok(Some(_)))
}

fn unreadable(certificate: &Certificate) -> Option<&CellError> {
    certificate.active.as_ref().err().or_else(|| certificate.last_rotated.as_ref().err())
}

const REMEDIATION: Remediation = Remediation::Console {
    steps: &[
        "Sign in as the root user, open Security credentials, X.509 certificates.",
        "Deactivate each certificate; when nothing has missed it, delete it.",
    ],
    note: Some(
        "In a member account of an organization with centralized root access, the management account can delete them: \
         IAM console, Root access management.",
    ),
};

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::account::AccountSummary;
    use crate::testing::{account, observe, observe_in, unavailable};

    #[test]
    fn an_active_or_inactive_certificate_in_any_source_fails() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | cert_2_active | cert_2_last_rotated
<root_account> | false         | 2015-01-02T03:04:05Z
"), @"FAILED root: The root user has an X.509 signing certificate, the credential report says.");
        let mut account = account("user\n<root_account>");
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"PASSED root: The root user has no signing certificate.");
        account.summary =
            Ok(AccountSummary { account_signing_certificates_present: Some(1), ..AccountSummary::default() });
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"FAILED root: The root user has an X.509 signing certificate, the account summary says.");
        account.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"UNKNOWN root: GetAccountSummary failed: AccessDenied.");
    }
}
