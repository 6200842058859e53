//! The one SNS message of a run: text for people, the result for machines, attributes for filter policies.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use hygiene::alert::Alert;
use hygiene::finding::FindingJson;
use hygiene::mail;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cause::CallError;
use crate::config::TopicArn;
use crate::patience::persist;
use crate::summary::Summary;

/// SNS takes 262,144 bytes, attributes included; the rest is room for its own envelope.
const MESSAGE_BYTES: usize = 248_000;
/// What a person can be asked to read.
const MAIL_BYTES: usize = 80_000;
/// What the machine-readable result lists.
const LISTED: usize = 100;
/// The protocols that get it.
const MACHINES: [&str; 4] = ["sqs", "lambda", "http", "https"];

/// The alert could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("could not send the alert")]
pub struct NotifyError(#[source] CallError);

/// A message as SNS takes it.
#[derive(Debug)]
pub struct Message {
    /// For mail: ASCII, under 100 characters.
    pub subject: String,
    /// A JSON object with a string a protocol.
    pub body: String,
    /// For filter policies: name, type, value.
    pub attributes: [(&'static str, &'static str, String); 5],
}

/// Words the message.
pub fn message(alert: &Alert<'_>, summary: &Summary) -> Message {
    let worst = alert.max_severity().map_or("NONE", |severity| severity.label());
    let attributes = [
        ("account_id", "String", summary.account_id.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("max_severity", "String", worst.to_owned()),
        ("new_findings", "Number", summary.new.to_string()),
        ("resolved_findings", "Number", summary.resolved.to_string()),
        ("errors", "Number", summary.errors.len().to_string()),
    ];
    Message { subject: mail::subject(alert), body: body(alert, summary), attributes }
}

fn body(alert: &Alert<'_>, summary: &Summary) -> String {
    let default = literal(&mail::summary(alert));
    let mut mail_bytes = MAIL_BYTES;
    loop {
        let email = literal(&mail::text(alert, mail_bytes));
        let room = MESSAGE_BYTES.saturating_sub(email.len() + default.len()) / MACHINES.len();
        // The largest part is put into words once.
        let machine = literal(&machine(alert, summary, room));
        let people = [("default", &default), ("email", &email)];
        let protocols = people.into_iter().chain(MACHINES.map(|protocol| (protocol, &machine)));
        let fields: Vec<String> = protocols.map(|(protocol, text)| format!("\"{protocol}\":{text}")).collect();
        let body = format!("{{{}}}", fields.join(","));
        // The mail's limit is about its own length; what it has to escape may double that.
        if body.len() <= MESSAGE_BYTES || mail_bytes < 1000 {
            return body;
        }
        mail_bytes /= 2;
    }
}

/// The result, with as many findings as there is room for.
fn machine(alert: &Alert<'_>, summary: &Summary, room: usize) -> String {
    let account = alert.evaluation.account_id.as_deref();
    let mut result = serde_json::to_value(summary).unwrap_or_else(|_| json!({}));
    let mut left = room.saturating_sub(literal(&result.to_string()).len() + 100);
    let mut findings = Vec::new();
    for failing in alert.new.iter().take(LISTED) {
        let Ok(finding) = serde_json::to_value(FindingJson::new(failing.finding, account)) else { break };
        let size = literal(&finding.to_string()).len() + 1;
        if left < size {
            break;
        }
        left -= size;
        findings.push(finding);
    }
    result["truncated"] = json!(alert.new.len() - findings.len());
    result["findings"] = Value::Array(findings);
    result.to_string()
}

/// A string as JSON has it.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// Sends the message.
pub async fn publish(sns: &Client, topic: &TopicArn, message: &Message, until: Instant) -> Result<(), NotifyError> {
    let send = persist("Publish", until, async || {
        let mut request = sns
            .publish()
            .topic_arn(&topic.arn)
            .subject(&message.subject)
            .message(&message.body)
            .message_structure("json");
        for (name, kind, value) in &message.attributes {
            let attribute = MessageAttributeValue::builder().data_type(*kind).string_value(value).build();
            let attribute = attribute.map_err(|error| CallError::other("Publish", error.to_string()))?;
            request = request.message_attributes(*name, attribute);
        }
        request.send().await.map_err(|error| CallError::new("Publish", &error))
    });
    send.await.map(|_| ()).map_err(NotifyError)
}
