//! The SNS message of a run: text for people, the result for machines, attributes for filter policies.

use std::cmp::Reverse;

use aws::permission::Permission;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use hygiene::alert::Alert;
use hygiene::chat::{self, Content};
use hygiene::closed::{ClosedJson, closed};
use hygiene::decision::Failing;
use hygiene::finding::FindingJson;
use hygiene::mail;
use hygiene::outcome::{Delivery, Outcome};
use hygiene::verdict::Severity;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use crate::config::TopicArn;
use crate::summary::Summary;
use aws::error::CallError;
use aws::retry::{Retry, with_retry};

/// The permissions to send the message.
pub const PERMISSIONS: &[Permission] = &[
    Permission { action: "sns:Publish", resource: "the topic", purpose: "sends the alert", condition: None },
    Permission {
        action: "kms:Decrypt",
        resource: "the topic's key",
        purpose: "publishes to an encrypted topic",
        condition: Some("`KmsKeyArn` is set"),
    },
    Permission {
        action: "kms:GenerateDataKey*",
        resource: "the topic's key",
        purpose: "publishes to an encrypted topic",
        condition: Some("`KmsKeyArn` is set"),
    },
];

/// SNS accepts 262,144 bytes, including attributes. The difference is room for its own envelope.
const MESSAGE_BYTES: usize = 248_000;
/// The maximum length of a mail that a person can be expected to read.
const MAIL_BYTES: usize = 80_000;
/// The maximum number of items of each list in the machine-readable result.
const LISTED: usize = 100;
/// The maximum number of retries when it is unknown whether SNS accepted the message.
const TRIES_AFTER_A_LOST_ANSWER: u32 = 2;
/// The number of protocols that receive the machine-readable result.
const MACHINES: usize = 4;

/// How many of them are HTTP.
const HTTP: usize = 2;
/// The length of the members that only HTTP subscribers get, without the text.
const HTTP_MEMBERS: usize = 100;

/// The alert could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("could not send the alert")]
pub struct NotifyError(#[source] CallError);

/// A message in the form that SNS accepts.
#[derive(Debug)]
pub struct Message {
    /// The subject of a mail: ASCII, less than 100 characters.
    pub subject: String,
    /// A JSON object with one string for each protocol.
    pub body: String,
    /// For filter policies: name, type, value.
    pub attributes: [(&'static str, &'static str, String); 5],
}

/// The text for each protocol.
#[derive(Debug, Serialize)]
struct Body<'a> {
    default: &'a str,
    email: &'a str,
    sqs: &'a str,
    lambda: &'a str,
    http: &'a str,
    https: &'a str,
}

/// The result for HTTP subscribers, which is a custom notification of Amazon Q Developer in chat applications too.
#[derive(Debug, Serialize)]
struct Http<'a> {
    version: &'static str,
    source: &'static str,
    content: &'a Content,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// The message about the outcomes. `None` if there is nothing to report.
pub fn message(outcomes: &[Outcome]) -> Option<Message> {
    let alerts: Vec<Alert<'_>> = outcomes.iter().map(Alert::of).collect();
    if !alerts.iter().any(Alert::is_due) {
        return None;
    }
    let imported = outcomes.iter().map(|outcome| outcome.receipts.imported).sum();
    let summary = Summary::of(&alerts, imported, Delivery::Sent)?;
    let worst = alerts.iter().filter_map(Alert::max_severity).max().map_or("NONE", Severity::label);
    let attributes = [
        ("account_id", "String", summary.account_id.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("max_severity", "String", worst.to_owned()),
        ("new_findings", "Number", summary.new.to_string()),
        ("resolved_findings", "Number", summary.resolved.to_string()),
        ("errors", "Number", summary.errors.len().to_string()),
    ];
    Some(Message { subject: mail::subject(&alerts), body: body(&alerts, summary), attributes })
}

/// The text for people is rendered first; the result for machines gets the remaining room.
fn body(alerts: &[Alert<'_>], summary: Summary) -> String {
    let default = mail::summary(alerts);
    let content = chat::content(alerts);
    let room = MESSAGE_BYTES.saturating_sub(escaped_length(&default));
    let chat = escaped_length(&serde_json::to_string(&content).unwrap_or_default()) + HTTP_MEMBERS;
    let room = room.saturating_sub(HTTP * chat);
    let bare = MACHINES * bare_length(&summary);
    // Escaping may double the length of the mail.
    let mail_room = room.saturating_sub(bare);
    let email = mail::text(alerts, MAIL_BYTES.min(mail_room / 2));
    let email = cut_escaped(&email, mail_room);
    let summary = with_lists(alerts, summary, room.saturating_sub(escaped_length(email)) / MACHINES);
    let machine = serde_json::to_string(&summary).unwrap_or_default();
    let http = Http { version: "1.0", source: "custom", content: &content, summary: &summary };
    let http = serde_json::to_string(&http).unwrap_or_default();
    let body = Body { default: &default, email, sqs: &machine, lambda: &machine, http: &http, https: &http };
    serde_json::to_string(&body).unwrap_or_default()
}

/// The result, with as many new findings as fit, then as many closed findings as fit.
fn with_lists(alerts: &[Alert<'_>], summary: Summary, room: usize) -> Summary {
    let mut left = room.saturating_sub(bare_length(&summary));
    let json = |(failing, account): (&Failing, Option<&str>)| {
        to_raw_value(&FindingJson::new(&failing.finding, account, failing.access_key_id.as_deref()))
    };
    let findings = listed(worst_first(alerts).map(json), &mut left);
    let all_closed = closed(alerts);
    let closed = listed(all_closed.iter().map(|closing| to_raw_value(&ClosedJson::new(closing))), &mut left);
    Summary {
        truncated: Some(summary.new - findings.len()),
        findings: Some(findings),
        closed_truncated: Some(all_closed.len() - closed.len()),
        closed: Some(closed),
        ..summary
    }
}

/// Serializes at most `LISTED` items, as many as fit into the remaining bytes.
fn listed(all: impl Iterator<Item = serde_json::Result<Box<RawValue>>>, left: &mut usize) -> Vec<Box<RawValue>> {
    let mut listed = Vec::new();
    for one in all.take(LISTED) {
        let Ok(one) = one else { break };
        let Some(rest) = left.checked_sub(escaped_length(one.get()) + 1) else { break };
        *left = rest;
        listed.push(one);
    }
    listed
}

/// The new findings with their accounts, worst first.
fn worst_first<'a>(alerts: &'a [Alert<'a>]) -> impl Iterator<Item = (&'a Failing, Option<&'a str>)> {
    let of_one =
        |alert: &'a Alert<'a>| alert.new.iter().map(|failing| (*failing, alert.decision.account_id.as_deref()));
    let mut all: Vec<(&Failing, Option<&str>)> = alerts.iter().flat_map(of_one).collect();
    if alerts.len() > 1 {
        all.sort_by_key(|(failing, _)| Reverse(failing.severity()));
    }
    all.into_iter()
}

/// The length of the result with empty lists, as a JSON string.
fn bare_length(summary: &Summary) -> usize {
    const LISTS: usize = 200;
    escaped_length(&serde_json::to_string(summary).unwrap_or_default()) + LISTS
}

/// The length of a text as a JSON string.
fn escaped_length(text: &str) -> usize {
    2 + text.chars().map(escaped_character).sum::<usize>()
}

fn escaped_character(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        character if character < ' ' => 6,
        character => character.len_utf8(),
    }
}

/// Truncates a text so that it fits into this many bytes of JSON.
fn cut_escaped(text: &str, room: usize) -> &str {
    let mut length = 2;
    let end = text.char_indices().find(|(_, character)| {
        length += escaped_character(*character);
        room < length
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// Sends the message.
pub async fn send(sns: &Client, topic: &TopicArn, message: &Message, until: Instant) -> Result<(), NotifyError> {
    // Each retry after a lost response may send the message again to all subscribers.
    let retry = Retry { after_ambiguous: Some(TRIES_AFTER_A_LOST_ANSWER), ..Retry::from(until) };
    let sent = with_retry("Publish", retry, async || {
        let mut request = sns
            .publish()
            .topic_arn(&topic.arn)
            .subject(&message.subject)
            .message(&message.body)
            .message_structure("json");
        for (name, kind, value) in &message.attributes {
            let attribute = MessageAttributeValue::builder().data_type(*kind).string_value(value).build();
            let attribute = attribute.map_err(|error| CallError::unexpected("Publish", error.to_string()))?;
            request = request.message_attributes(*name, attribute);
        }
        request.send().await.map_err(|error| CallError::new("Publish", &error))
    });
    sent.await.map(|_| ()).map_err(NotifyError)
}
