//! Uses of a key that CloudTrail's event history does not show: it has no data events, and no SMTP.

/// The services with data events, by IAM's namespace. Some of their calls are management events, which are shown.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>
const WITH_DATA_EVENTS: [&str; 1] = ["s3"];

/// Whether the event history may not show a call of the service.
pub(super) fn has_data_events(service: &str) -> bool {
    WITH_DATA_EVENTS.iter().any(|known| known.eq_ignore_ascii_case(service))
}

/// Whether SES's console made the user, for SMTP: its password is derived from an access key.
///
/// <https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html>
pub(super) fn is_smtp_user(name: &str) -> bool {
    name.starts_with("ses-smtp-user.")
}
