use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, Target, evidence};
use crate::report::Column;
use crate::source::{Source, SourceId};
use crate::text::{inert, shell_option};
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

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
    let message = format!("{} can sign in to the console with a password alone: no MFA device.", inert(&user.name));
    Ok(Verdict::failed(message, evidence(row, &[Column::PasswordEnabled, Column::PasswordLastUsed, Column::MfaActive])))
}

fn remediation(target: &Target<'_>) -> String {
    let user = commands::user(target);
    let device = shell_option("--virtual-mfa-device-name", target.user_name());
    // The codes are arguments of a function: `read` would take the lines that are pasted after it for them.
    format!(
        "# The user adds a passkey or an authenticator app under Security credentials in the console; or you do:\n\
         SERIAL=$(aws iam create-virtual-mfa-device {device} --outfile mfa-qr.png --bootstrap-method QRCodePNG \\\n\
         \x20 --query VirtualMFADevice.SerialNumber --output text)\n\
         enable_mfa() {{\n\
         \x20 aws iam enable-mfa-device {user} --serial-number \"$SERIAL\" \\\n\
         \x20   --authentication-code1 \"$1\" --authentication-code2 \"$2\"\n\
         }}\n\
         # Scan mfa-qr.png with the app, then type, with two codes in a row from it: enable_mfa CODE1 CODE2\n\
         # Or, until then, no console:\n\
         # {}",
        commands::delete_password(target)
    )
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
