use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation, Step};
use crate::report::Column;
use crate::requirements;
use crate::source::{Source, SourceId};
use crate::text::escape;
use crate::verdict::{Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "console-user-mfa-disabled",
    title: "A console user has no MFA",
    severity: Severity::High,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[Column::PasswordEnabled, Column::MfaActive],
    fails_when: "`password_enabled` is true and `mfa_active` is false.",
    rationale: "A password alone can be phished, guessed, or reused from somebody else's breach.",
    recommendation: "Have the user add an MFA device, or take the password away.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_enable_virtual.html",
    requirements: requirements::CONSOLE_MFA,
    mappings: requirements::CONSOLE_MFA_ELSEWHERE,
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, _: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    if !row.password_enabled.clone()? {
        return Ok(Verdict::not_applicable("The report shows no enabled password of the user."));
    }
    if row.mfa_active.clone()? {
        return Ok(Verdict::passed("The report says that the user has MFA."));
    }
    let message = format!("{} can sign in to the console with a password alone: no MFA device.", escape(&user.name));
    Ok(Verdict::failed(message, evidence(row, &[Column::PasswordEnabled, Column::PasswordLastUsed, Column::MfaActive])))
}

fn remediation(target: &Target<'_>) -> Remediation {
    let create = [
        Argument::Value("--virtual-mfa-device-name", target.user_name().to_owned().into()),
        Argument::Value("--outfile", "mfa-qr.png".into()),
        Argument::Value("--bootstrap-method", "QRCodePNG".into()),
        Argument::NextLine,
        Argument::Query("VirtualMFADevice.SerialNumber".into()),
    ];
    let enable = [
        commands::user(target),
        Argument::Variable("--serial-number", "SERIAL"),
        Argument::NextLine,
        Argument::Variable("--authentication-code1", "1"),
        Argument::Variable("--authentication-code2", "2"),
    ];
    Remediation::Shell(vec![
        Step::Comment(
            "The user adds a passkey or an authenticator app under Security credentials in the console. Or you do:",
        ),
        Step::Assign("SERIAL", aws("iam create-virtual-mfa-device", create)),
        // The codes are arguments of a function: `read` would take the lines that are pasted after it as codes.
        Step::Define("enable_mfa", aws("iam enable-mfa-device", enable)),
        Step::Comment(
            "Scan mfa-qr.png with the app, then type, with two codes in a row from it: enable_mfa CODE1 CODE2",
        ),
        Step::Comment("Or, until then, no console:"),
        Step::Offer(commands::delete_password(target)),
    ])
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn a_password_without_mfa_fails() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_enabled | mfa_active
<root_account> | true             | false
alice          | true             | false
bob            | true             | true
carol          | false            | false
dave           | not_supported    | false
"), @"
        FAILED user/alice: alice can sign in to the console with a password alone: no MFA device.
        PASSED user/bob: The report says that the user has MFA.
        NOT_APPLICABLE user/carol: The report shows no enabled password of the user.
        UNKNOWN user/dave: password_enabled is `not_supported` in the credential report, not true or false.
        ");
    }
}
