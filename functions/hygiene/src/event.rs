//! CloudTrail events: who called which operation, when and where.
//!
//! See <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>. Fields that
//! are not needed are skipped: of the request parameters, which can contain personal data, only the ARN of a role is kept.

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
    /// The address that it came from, or the name of the service that called: `sourceIPAddress`.
    pub address: Option<String>,
    /// The user agent, of at most 1 KB: what the caller says of itself.
    pub agent: Option<String>,
    /// The VPC endpoint that it came through.
    pub endpoint: Option<String>,
    /// The account of that endpoint.
    pub endpoint_account: Option<String>,
    /// The ARN of the role, in a call that starts a session of one.
    pub role: Option<String>,
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
    /// The id of the access key that signed. "Might not be present, or an empty string":
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>.
    pub access_key: Option<String>,
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

/// A member of a record, whatever its type: one that is not needed for a verdict must not make a record unreadable.
#[derive(Debug, Default)]
enum Value {
    Text(String),
    Map {
        /// Its member `roleArn`.
        role_arn: Option<String>,
    },
    #[default]
    Other,
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Map { .. } | Self::Other => None,
        }
    }

    /// The text, unless it is empty.
    fn given(self) -> Option<String> {
        self.text().filter(|text| !text.is_empty())
    }

    fn role_arn(self) -> Option<String> {
        match self {
            Self::Map { role_arn } => role_arn,
            Self::Text(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut role_arn = None;
        while let Some(name) = members.next_key::<Value>()? {
            if name.text().as_deref() == Some("roleArn") {
                role_arn = members.next_value::<Value>()?.given();
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Map { role_arn })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default, rename = "eventID")]
    event_id: Value,
    #[serde(default)]
    event_name: Value,
    #[serde(default)]
    event_source: Value,
    #[serde(default)]
    event_time: Value,
    #[serde(default)]
    aws_region: Value,
    #[serde(default)]
    recipient_account_id: Value,
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    error_message: Value,
    #[serde(default, rename = "sourceIPAddress")]
    source_ip_address: Value,
    #[serde(default)]
    user_agent: Value,
    #[serde(default)]
    vpc_endpoint_id: Value,
    #[serde(default)]
    vpc_endpoint_account_id: Value,
    #[serde(default)]
    request_parameters: Value,
    #[serde(default)]
    user_identity: Option<UserIdentity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    #[serde(default, rename = "type")]
    kind: Value,
    #[serde(default)]
    arn: Value,
    #[serde(default)]
    account_id: Value,
    #[serde(default)]
    user_name: Value,
    #[serde(default)]
    access_key_id: Value,
    #[serde(default)]
    invoked_by: Value,
    #[serde(default)]
    session_context: Option<SessionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext {
    #[serde(default)]
    assumed_root: Value,
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
        let assumed_root = identity.session_context.and_then(|context| context.assumed_root.text());
        Ok(Self {
            time: record.event_time.text().as_deref().and_then(rfc3339),
            id: record.event_id.text(),
            name: record.event_name.text().unwrap_or_default(),
            source: record.event_source.text().unwrap_or_default(),
            region: record.aws_region.text(),
            account: record.recipient_account_id.text(),
            // A sign-in that failed has no code.
            error: record.error_code.text().or(record.error_message.text()),
            address: record.source_ip_address.given(),
            agent: record.user_agent.given(),
            endpoint: record.vpc_endpoint_id.given(),
            endpoint_account: record.vpc_endpoint_account_id.given(),
            role: record.request_parameters.role_arn(),
            caller: Caller {
                kind: identity.kind.text(),
                arn: identity.arn.text(),
                account: identity.account_id.text(),
                user: identity.user_name.text(),
                access_key: identity.access_key_id.given(),
                invoked_by: identity.invoked_by.text(),
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
