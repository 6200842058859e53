//! AWS CLI v2 commands that several checks share. What cannot be undone comes last, after a deactivation and a wait.

use chrono::SecondsFormat;

use crate::finding::Subject;
use crate::text::{shell_option, shell_word};

/// `--user-name alice`
pub(crate) fn user(subject: &Subject) -> String {
    shell_option("--user-name", subject.user.as_deref().unwrap_or_default())
}

/// Deactivates the access key, then deletes it; looks its id up first where that is not known.
pub(crate) fn retire_key(subject: &Subject) -> String {
    let (lookup, id) = key_id(subject);
    let user = user(subject);
    format!(
        "{lookup}aws iam update-access-key {user} --access-key-id {id} --status Inactive\n\
         # When nothing has missed it for two weeks:\n\
         aws iam delete-access-key {user} --access-key-id {id}"
    )
}

/// Deletes an access key that is inactive already.
pub(crate) fn delete_key(subject: &Subject) -> String {
    let (lookup, id) = key_id(subject);
    format!("{lookup}aws iam delete-access-key {} --access-key-id {id}", user(subject))
}

/// The key's id as a word of a command, and what has to be run before to have it.
fn key_id(subject: &Subject) -> (String, String) {
    if let Some(id) = &subject.access_key_id {
        return (String::new(), shell_word(id).into_owned());
    }
    let status = match subject.active {
        Some(true) => "Status=='Active'",
        Some(false) => "Status=='Inactive'",
        None => "Status!=''",
    };
    let created = subject.created.map_or_else(String::new, |created| {
        let second = created.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!(" && starts_with(CreateDate, '{}')", second.trim_end_matches('Z'))
    });
    let lookup = format!(
        "# The credential report has no key ids; this finds it by its date. Two ids: choose one.\n\
         KEY_ID=$(aws iam list-access-keys {} --query \"AccessKeyMetadata[?{status}{created}].AccessKeyId\" --output text)\n",
        user(subject)
    );
    (lookup, "\"$KEY_ID\"".to_owned())
}

/// Takes the password, and with it the console, from a user. The user and the access keys stay.
pub(crate) fn delete_password(subject: &Subject) -> String {
    format!("aws iam delete-login-profile {}", user(subject))
}
