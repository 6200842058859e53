//! CloudTrail events: who called which operation, when and where.
//!
//! See <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>. Fields that
//! are not needed are skipped: request parameters can contain personal data.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::time::{Time, rfc3339};

/// A call that CloudTrail recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When it was called; `None` if the record has no readable time.
    pub time: Option<Time>,
    /// The event's id.
    pub id: Option<String>,
    /// The operation, such as `CreateAccessKey`. Untrusted text, as all text here.
    pub name: String,
    /// The service, such as `iam.amazonaws.com`.
    pub source: String,
    /// The Region that recorded it.
    pub region: Option<String>,
    /// The account that it was recorded in.
    pub account: Option<String>,
    /// The error, if the call failed.
    pub error: Option<String>,
    /// Who called.
    pub caller: Caller,
}

/// The caller of an operation, the record's `userIdentity`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// `Root`, `IAMUser`, `AssumedRole` and others.
    pub kind: Option<String>,
    /// The ARN.
    pub arn: Option<String>,
    /// The caller's account.
    pub account: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// The service that called on the caller's behalf.
    pub invoked_by: Option<String>,
    /// Whether the session is one of `sts:AssumeRoot`: a privileged task that the management account started.
    pub is_assume_root: bool,
}

impl Event {
    /// Whether the account's root user called, with its own credentials. A sign-in that failed and a request for a new password can
    /// be anybody's.
    pub fn is_of_root(&self) -> bool {
        let Caller { kind, arn, account, is_assume_root, .. } = &self.caller;
        let is_root = match kind.as_deref() {
            Some(kind) => kind == "Root",
            None => arn.as_deref().is_some_and(|arn| arn.ends_with(":root")),
        };
        let is_foreign = account.is_some() && self.account.is_some() && *account != self.account;
        let is_anybodys =
            self.source == "signin.amazonaws.com" && (self.error.is_some() || self.name == "PasswordRecoveryRequested");
        is_root && !is_assume_root && !is_foreign && !is_anybodys
    }
}

impl Caller {
    /// Who it is, as short as it is unambiguous. Untrusted text: escape it where it is shown.
    pub fn called(&self) -> &str {
        let known = [&self.arn, &self.user, &self.invoked_by, &self.kind];
        known.into_iter().flatten().map(String::as_str).find(|text| !text.is_empty()).unwrap_or("unknown")
    }
}

/// The events of a Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lookup {
    /// The events that were found.
    #[serde(skip)]
    pub events: Vec<Event>,
    /// The reason why there may be more, as a sentence; `None` if all of the last 90 days were found.
    pub missing: Option<String>,
}

/// The look-ups by Region.
pub type Lookups = BTreeMap<String, Lookup>;

/// Text, or nothing where a record has another type: a field that is not needed for a verdict must not make a record unreadable.
#[derive(Debug, Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Text, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default, rename = "eventID")]
    event_id: Text,
    #[serde(default)]
    event_name: Text,
    #[serde(default)]
    event_source: Text,
    #[serde(default)]
    event_time: Text,
    #[serde(default)]
    aws_region: Text,
    #[serde(default)]
    recipient_account_id: Text,
    #[serde(default)]
    error_code: Text,
    #[serde(default)]
    error_message: Text,
    #[serde(default)]
    user_identity: Option<UserIdentity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    arn: Text,
    #[serde(default)]
    account_id: Text,
    #[serde(default)]
    user_name: Text,
    #[serde(default)]
    invoked_by: Text,
    #[serde(default)]
    session_context: Option<SessionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext {
    #[serde(default)]
    assumed_root: Text,
}

/// A record is a map. Without the visitor, serde would also read a list, whose items are the members in order.
struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Record, A::Error> {
        Record::deserialize(MapAccessDeserializer::new(members))
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = deserializer.deserialize_map(RecordVisitor)?;
        let identity = record.user_identity.unwrap_or_default();
        let assumed_root = identity.session_context.and_then(|context| context.assumed_root.0);
        Ok(Self {
            time: record.event_time.0.as_deref().and_then(rfc3339),
            id: record.event_id.0,
            name: record.event_name.0.unwrap_or_default(),
            source: record.event_source.0.unwrap_or_default(),
            region: record.aws_region.0,
            account: record.recipient_account_id.0,
            // A sign-in that failed has no code.
            error: record.error_code.0.or(record.error_message.0),
            caller: Caller {
                kind: identity.kind.0,
                arn: identity.arn.0,
                account: identity.account_id.0,
                user: identity.user_name.0,
                invoked_by: identity.invoked_by.0,
                // Records of AWS have the string, its documentation a boolean.
                is_assume_root: assumed_root.as_deref() == Some("true"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(record: &str) -> Event {
        serde_json::from_str(record).unwrap()
    }

    #[test]
    fn a_record_is_read_without_what_is_not_needed() {
        let read = event(
            r#"{"eventVersion": "9.99", "eventID": "e-1", "eventName": "ConsoleLogin", "eventSource": "signin.amazonaws.com",
                "eventTime": "2026-11-20T06:00:00Z", "awsRegion": "us-east-1", "recipientAccountId": "123456789012",
                "requestParameters": {"password": "x"}, "userIdentity": {"type": "Root", "arn": "arn:aws:iam::123456789012:root",
                "sessionContext": {"attributes": {"mfaAuthenticated": "false"}}}, "future": [1, {"a": 2}]}"#,
        );
        assert_eq!((read.name.as_str(), read.id.as_deref()), ("ConsoleLogin", Some("e-1")));
        assert_eq!(read.time, rfc3339("2026-11-20T06:00:00Z"));
        assert_eq!(read.caller.called(), "arn:aws:iam::123456789012:root");
        assert!(read.is_of_root());
    }

    #[test]
    fn a_session_of_assume_root_is_not_the_root_user() {
        for value in ["true", "\"true\""] {
            let record =
                format!(r#"{{"userIdentity": {{"type": "Root", "sessionContext": {{"assumedRoot": {value}}}}}}}"#);
            assert!(!event(&record).is_of_root(), "{record}");
        }
        for value in ["false", "\"false\"", "null", "1", "{}"] {
            let record =
                format!(r#"{{"userIdentity": {{"type": "Root", "sessionContext": {{"assumedRoot": {value}}}}}}}"#);
            assert!(event(&record).is_of_root(), "{record}");
        }
        assert!(!event(r#"{"userIdentity": {"type": "IAMUser", "userName": "root"}}"#).is_of_root());
    }

    #[test]
    fn what_anybody_can_cause_is_no_call_of_the_root_user() {
        let root = |members: &str| {
            event(&format!(
                r#"{{"eventSource": "signin.amazonaws.com", "recipientAccountId": "123456789012", {members}}}"#
            ))
            .is_of_root()
        };
        let identity = r#""userIdentity": {"type": "Root", "accountId": "123456789012"}"#;
        assert!(root(&format!(r#""eventName": "ConsoleLogin", {identity}"#)));
        assert!(!root(&format!(r#""eventName": "ConsoleLogin", "errorMessage": "Failed authentication", {identity}"#)));
        assert!(!root(&format!(r#""eventName": "PasswordRecoveryRequested", {identity}"#)));
        assert!(!root(r#""eventName": "ConsoleLogin", "userIdentity": {"type": "Root", "accountId": "999999999999"}"#));
        assert!(root(r#""eventName": "ConsoleLogin", "userIdentity": {"arn": "arn:aws:iam::123456789012:root"}"#));
    }

    #[test]
    fn a_field_of_another_type_is_as_if_it_were_missing() {
        let read = event(
            r#"{"eventTime": 1, "eventName": [1], "awsRegion": {"a": 1}, "errorCode": null, "userIdentity": null}"#,
        );
        assert_eq!(read, Event::default());
        assert_eq!(read.caller.called(), "unknown");
    }
}
