//! Why an account was not audited, with advice, in one line.

use aws::error::{CallError, chain};
use aws::stack_set::Instance;
use hygiene::text::escape;

/// The role that the `StackSet` makes, with its path.
pub(crate) const STACK_SET_ROLE: &str = "credwarden/credwarden-member";

/// What is known of the `StackSet` that makes the role.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deployment<'a> {
    /// It could not be asked.
    Unknown,
    /// The run was interrupted before it was asked.
    Interrupted,
    /// It has no instance in the account.
    Missing,
    /// Its instance in the account.
    Instance(&'a Instance),
}

/// Why the role could not be assumed.
pub(crate) fn not_assumed(error: &CallError, role: &str, region: &str, deployment: Deployment<'_>) -> String {
    let said = said(error);
    let advice = match error.code() {
        Some("RegionDisabledException") => format!(
            "STS is off in {region} for this account; use a Region that is on in all accounts, such as --region us-east-1"
        ),
        Some("AccessDenied" | "AccessDeniedException") if names_policy(&said) => {
            "an organization's policy denies it; exempt the audit from the policy".to_owned()
        }
        Some("AccessDenied" | "AccessDeniedException") if role != STACK_SET_ROLE => format!(
            "the role {role} is missing, or does not trust this caller: check --role, which needs the role's path, and the role's \
             trust policy"
        ),
        Some("AccessDenied" | "AccessDeniedException") => match deployment {
            Deployment::Unknown => format!(
                "the role {role} is missing, or does not trust this caller: deploy infra/organization/member-stackset.yaml, \
                 with this caller's role in AuditorArns"
            ),
            Deployment::Interrupted => format!(
                "the role {role} is missing, or does not trust this caller; the run was interrupted before the StackSet said why"
            ),
            Deployment::Missing => format!(
                "the StackSet has no instance in this account, so the role {role} is missing: add its organizational unit to the \
                 StackSet's targets"
            ),
            Deployment::Instance(instance) if instance.status == "CURRENT" => format!(
                "the StackSet made the role {role} in this account: this caller's role has to be one of its AuditorArns, and may \
                 need sts:AssumeRole"
            ),
            Deployment::Instance(instance) => {
                let parts = [Some(&instance.status), instance.detailed_status.as_ref(), instance.reason.as_ref()];
                let parts: Vec<_> = parts.into_iter().flatten().map(|part| escape(part)).collect();
                format!("the StackSet could not make the role {role} in this account ({})", parts.join(", "))
            }
        },
        _ => return said,
    };
    format!("{said}; {advice}")
}

/// Why nothing was read with the role. `code` is AWS's code of the first error.
pub(crate) fn not_read(errors: &[String], code: Option<&str>, region: &str) -> String {
    let Some(first) = errors.first() else { return "nothing was read".to_owned() };
    // The session's ARN has the account's number.
    let first = without(&without(first.trim_end_matches('.'), " on resource: "), "User: ").replace(": is not", ": not");
    let advice = if names_policy(&first) {
        "; an organization's policy denies it to the member role: exempt the role from the policy".to_owned()
    } else if code == Some("InvalidClientTokenId") {
        format!(
            "; {region} may be off in this account: use a Region that is on in all accounts, such as --region us-east-1"
        )
    } else {
        String::new()
    };
    format!("{first}{advice}")
}

/// AWS's words without the role's ARN: accounts with the same reason are listed together.
fn said(error: &CallError) -> String {
    without(chain(error).trim_end_matches('.'), " on resource: ")
}

/// Removes a word and what introduces it.
fn without(text: &str, introduction: &str) -> String {
    let Some((before, rest)) = text.split_once(introduction) else { return text.to_owned() };
    let after = rest.split_once(' ').map_or("", |(_, after)| after);
    let before = before.trim_end();
    if after.is_empty() { before.to_owned() } else { format!("{before} {after}") }
}

/// Whether AWS names a policy of the organization.
fn names_policy(text: &str) -> bool {
    ["service control policy", "resource control policy"].iter().any(|policy| text.contains(policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_accounts_with_the_same_problem_is_the_same() {
        let denied = |account: &str| {
            let error = format!(
                "could not read the account summary: GetAccountSummary failed: AccessDenied: User: arn:aws:sts::{account}:\
                 assumed-role/credwarden-member/credwarden is not authorized to perform: iam:GetAccountSummary on resource: * with \
                 an explicit deny in a service control policy"
            );
            not_read(&[error], Some("AccessDenied"), "eu-west-1")
        };
        assert_eq!(denied("111122223333"), denied("444455556666"));
        assert_eq!(
            denied("111122223333"),
            "could not read the account summary: GetAccountSummary failed: AccessDenied: not authorized to perform: \
             iam:GetAccountSummary with an explicit deny in a service control policy; an organization's policy denies it to the \
             member role: exempt the role from the policy"
        );
    }
}
