//! AWS CLI v2 commands that several checks share. Irreversible commands come last, after a deactivation and a wait.

use std::borrow::Cow;

use crate::check::Target;
use crate::remediation::{Argument, Command, Remediation, Step};
use crate::service_credential::can_expire;
use crate::time::to_seconds;

/// `aws iam delete-access-key …`
pub(crate) fn aws(operation: &'static str, arguments: impl Into<Vec<Argument>>) -> Command {
    Command { operation, arguments: arguments.into() }
}

/// `--user-name alice`
pub(crate) fn user(target: &Target<'_>) -> Argument {
    Argument::Value("--user-name", target.user_name().to_owned().into())
}

/// A command that needs only the user's name.
pub(crate) fn of_user(target: &Target<'_>, operation: &'static str) -> Step {
    Step::Run(aws(operation, [user(target)]))
}

pub(crate) const INACTIVE: Argument = Argument::Value("--status", Cow::Borrowed("Inactive"));

/// The id of the access key, as assigned by an earlier step.
pub(crate) const KEY_ID: Argument = Argument::Variable("--access-key-id", "KEY_ID");

/// Deactivates one credential, then deletes it.
pub(crate) fn retire(deactivate: Command, delete: Command) -> [Step; 3] {
    [Step::Run(deactivate), Step::Comment("When nothing has missed it for two weeks:"), Step::Run(delete)]
}

/// Deactivates all credentials of a user that the command lists as `Active`, then deletes those that it lists as `Inactive`.
pub(crate) fn retire_each(list: impl Fn(&str) -> Command, deactivate: Command, delete: Command) -> [Step; 3] {
    [
        Step::ForEach { list: list("Active"), run: deactivate },
        Step::Comment("When nothing has missed them for two weeks:"),
        Step::ForEach { list: list("Inactive"), run: delete },
    ]
}

/// Deactivates the access key, then deletes it. Looks up its id before each if it is not known: the variable of the first look-up
/// is gone after the wait, or has another key's id by then.
pub(crate) fn retire_key(target: &Target<'_>) -> Vec<Step> {
    let active = target.subject.access_key().and_then(|key| key.active);
    let (mut steps, id) = key_id(target, active);
    let [deactivate, wait, delete] = retire(deactivate_key(target, id.clone()), delete_key(target, id));
    steps.extend([deactivate, wait]);
    steps.extend(key_id(target, Some(false)).0.into_iter().filter(|step| !matches!(step, Step::Comment(_))));
    steps.push(delete);
    steps
}

/// Deactivates the access key, and looks up its id if it is not known.
pub(crate) fn deactivate(target: &Target<'_>) -> Vec<Step> {
    let (mut steps, id) = key_id(target, Some(true));
    steps.push(Step::Run(deactivate_key(target, id)));
    steps
}

/// Deletes an access key that is already inactive.
pub(crate) fn delete_inactive_key(target: &Target<'_>) -> Vec<Step> {
    let (mut steps, id) = key_id(target, Some(false));
    steps.push(Step::Run(delete_key(target, id)));
    steps
}

pub(crate) fn deactivate_key(target: &Target<'_>, id: Argument) -> Command {
    aws("iam update-access-key", [user(target), id, INACTIVE])
}

pub(crate) fn delete_key(target: &Target<'_>, id: Argument) -> Command {
    aws("iam delete-access-key", [user(target), id])
}

/// The steps to look up the id of the key, which is `active` then, and the argument with the id.
fn key_id(target: &Target<'_>, active: Option<bool>) -> (Vec<Step>, Argument) {
    if let Some(id) = target.access_key_id {
        return (Vec::new(), Argument::Value("--access-key-id", id.to_owned().into()));
    }
    let key = target.subject.access_key();
    let status = match active {
        Some(true) => "Status=='Active'",
        Some(false) => "Status=='Inactive'",
        None => "Status!=''",
    };
    let created = key.and_then(|key| key.created).map_or_else(String::new, |created| {
        let second = to_seconds(created);
        format!(" && starts_with(CreateDate, '{}')", second.trim_end_matches('Z'))
    });
    let query = Argument::Query(format!("AccessKeyMetadata[?{status}{created}].AccessKeyId").into());
    let lookup = vec![
        Step::Comment(
            "The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.",
        ),
        Step::Assign("KEY_ID", aws("iam list-access-keys", [user(target), query])),
    ];
    (lookup, KEY_ID)
}

/// Creates another service-specific credential for the same service, with an expiration date if the service supports
/// it, then deactivates and deletes this one. `better` describes the preferred alternative.
pub(crate) fn rotate_service_credential(target: &Target<'_>, better: &'static str) -> Remediation {
    let service = target.subject.service_credential().map_or("", |credential| &credential.service);
    let mut create = vec![user(target), Argument::Value("--service-name", service.to_owned().into())];
    if can_expire(service) {
        create.push(Argument::Value("--credential-age-days", "90".into()));
    }
    let mut steps = vec![
        Step::Comment(better),
        Step::Run(aws("iam create-service-specific-credential", create)),
        Step::Comment("When everything uses the new one:"),
    ];
    let this = [user(target), service_credential_id(target), INACTIVE];
    steps.extend(retire(aws("iam update-service-specific-credential", this), delete_service_credential(target)));
    Remediation::Shell(steps)
}

/// Deactivates the service-specific credential if it is active, then deletes it.
pub(crate) fn retire_service_credential(target: &Target<'_>, is_active: bool) -> Vec<Step> {
    if !is_active {
        return vec![Step::Run(delete_service_credential(target))];
    }
    let this = [user(target), service_credential_id(target), INACTIVE];
    let mut steps = vec![Step::Comment("First give a role, or a short-term API key, to what uses it. Then:")];
    steps.extend(retire(aws("iam update-service-specific-credential", this), delete_service_credential(target)));
    steps
}

/// Deletes a service-specific credential that can no longer be used.
pub(crate) fn delete_service_credential(target: &Target<'_>) -> Command {
    aws("iam delete-service-specific-credential", [user(target), service_credential_id(target)])
}

fn service_credential_id(target: &Target<'_>) -> Argument {
    let id = target.subject.service_credential().map_or("", |credential| &credential.id);
    Argument::Value("--service-specific-credential-id", id.to_owned().into())
}

/// Deletes the user's password, and with it console access. The user and the access keys remain.
pub(crate) fn delete_password(target: &Target<'_>) -> Command {
    aws("iam delete-login-profile", [user(target)])
}
