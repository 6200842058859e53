//! AWS CLI v2 commands that several checks share. What cannot be undone comes last, after a deactivation and a wait.

use crate::check::Target;
use crate::service_credential::can_expire;
use crate::text::{shell_option, shell_word};
use crate::time::to_seconds;

/// `--user-name alice`
pub(crate) fn user(target: &Target<'_>) -> String {
    shell_option("--user-name", target.user_name())
}

/// Deactivates the access key, then deletes it; looks its id up first where that is not known.
pub(crate) fn retire_key(target: &Target<'_>) -> String {
    let (lookup, id) = key_id(target);
    let user = user(target);
    format!(
        "{lookup}aws iam update-access-key {user} --access-key-id {id} --status Inactive\n\
         # When nothing has missed it for two weeks:\n\
         aws iam delete-access-key {user} --access-key-id {id}"
    )
}

/// Deletes an access key that is inactive already.
pub(crate) fn delete_key(target: &Target<'_>) -> String {
    let (lookup, id) = key_id(target);
    format!("{lookup}aws iam delete-access-key {} --access-key-id {id}", user(target))
}

/// The key's id as a word of a command, and what has to be run before to have it.
fn key_id(target: &Target<'_>) -> (String, String) {
    if let Some(id) = target.access_key_id {
        return (String::new(), shell_word(id).into_owned());
    }
    let key = target.subject.access_key();
    let status = match key.and_then(|key| key.active) {
        Some(true) => "Status=='Active'",
        Some(false) => "Status=='Inactive'",
        None => "Status!=''",
    };
    let created = key.and_then(|key| key.created).map_or_else(String::new, |created| {
        let second = to_seconds(created);
        format!(" && starts_with(CreateDate, '{}')", second.trim_end_matches('Z'))
    });
    let lookup = format!(
        "# The credential report has no key ids; this finds it by its date. Two ids: choose one.\n\
         KEY_ID=$(aws iam list-access-keys {} --query \"AccessKeyMetadata[?{status}{created}].AccessKeyId\" --output text)\n",
        user(target)
    );
    (lookup, "\"$KEY_ID\"".to_owned())
}

/// Creates another service-specific credential, then deactivates and deletes this one. `better` is what to prefer to that.
pub(crate) fn rotate_service_credential(target: &Target<'_>, better: &str) -> String {
    format!(
        "# Better than a new credential: {better}. If it must be one (two for each service are the limit):\n\
         {}\n\
         # When everything uses the new one:\n{}",
        replace_service_credential(target),
        retire_service_credential(target)
    )
}

/// Creates another service-specific credential for the same service, with an expiration date where it can have one.
fn replace_service_credential(target: &Target<'_>) -> String {
    let service = target.subject.service_credential().map_or("", |credential| &credential.service);
    let age = if can_expire(service) { " --credential-age-days 90" } else { "" };
    let (user, service) = (user(target), shell_option("--service-name", service));
    format!("aws iam create-service-specific-credential {user} {service}{age}")
}

/// Deactivates the service-specific credential, then deletes it.
fn retire_service_credential(target: &Target<'_>) -> String {
    let (user, id) = (user(target), service_credential_id(target));
    format!(
        "aws iam update-service-specific-credential {user} {id} --status Inactive\n\
         # When nothing has missed it for two weeks:\n\
         {}",
        delete_service_credential(target)
    )
}

/// Deletes a service-specific credential that cannot be used any more.
pub(crate) fn delete_service_credential(target: &Target<'_>) -> String {
    format!("aws iam delete-service-specific-credential {} {}", user(target), service_credential_id(target))
}

fn service_credential_id(target: &Target<'_>) -> String {
    let id = target.subject.service_credential().map_or("", |credential| &credential.id);
    shell_option("--service-specific-credential-id", id)
}

/// Takes the password, and with it the console, from a user. The user and the access keys stay.
pub(crate) fn delete_password(target: &Target<'_>) -> String {
    format!("aws iam delete-login-profile {}", user(target))
}
