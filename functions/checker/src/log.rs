//! The log: JSON lines, which CloudWatch Logs parses. Each line of an invocation has its request id at `$.span.requestId`, from
//! the span in which `lambda_runtime` calls the function. A run's summary is one line, with the members of the function's
//! result, so that a metric filter can use `$.counts.FAILED`.
//!
//! User names are removed at every level: from the identities of findings, and from AWS's messages in the forms in which IAM is
//! known to name a user (`BEFORE_NAME`); it can have others. This applies to the lines of dependencies, too:
//! `lambda_runtime` logs the error with which a run ends.

use std::borrow::Cow;
use std::fmt;
use std::panic;
use std::str::FromStr;

use hygiene::text::escape;
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The field whose JSON object is merged into the line.
pub const SUMMARY: &str = "summary";

/// Texts that precede a user name: in an ARN or the identity of a finding, in an IAM error that denies access or does not find
/// the user, and in the error about a report with a repeated user.
const BEFORE_NAME: [&str; 4] = ["user/", "resource: user ", "user with name ", "the user `"];

/// Initializes the log at Lambda's configured level (default: INFO). The SDK is limited to warnings: at TRACE it logs signed
/// requests with their session token.
pub fn start(level: Option<&str>) {
    tracing_subscriber::registry().with(layer(std::io::stdout)).with(targets(level)).init();
    // The default hook's lines are not JSON and have no request id.
    panic::set_hook(Box::new(|panic| {
        let (error, place) = (panic.payload_as_str().map(escape), panic.location().map(ToString::to_string));
        tracing::error!(error = error.as_deref(), place, "The function panicked.");
    }));
}

/// The filter for a level of Lambda. credwarden logs nothing at FATAL.
fn targets(level: Option<&str>) -> Targets {
    let level = match level {
        Some("FATAL") => LevelFilter::OFF,
        Some(level) => LevelFilter::from_str(level).unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    };
    Targets::new()
        .with_target("checker", level)
        .with_target("aws::", level)
        // The span has the request id, which is needed at every level.
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO)
        .with_default(level.min(LevelFilter::WARN))
}

/// A layer that writes one JSON object per line.
pub fn layer<S, W>(to: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false);
    lines.map_event_format(Lines).with_writer(to)
}

/// The format of `tracing-subscriber` without user names. An event's fields cannot be objects, so a summary is logged as a
/// string, which is parsed and merged here.
struct Lines(Format<Json>);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let mut line: Map<String, Value> = serde_json::from_str(&line).map_err(|_| fmt::Error)?;
        if let Some(Value::String(summary)) = line.get(SUMMARY)
            && let Ok(Value::Object(summary)) = serde_json::from_str(summary)
        {
            line.remove(SUMMARY);
            line.extend(summary);
        }
        line.values_mut().for_each(cut_names);
        writeln!(to, "{}", Value::Object(line))
    }
}

fn cut_names(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(cut) = nameless(text) {
                *text = cut;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut_names),
        Value::Object(members) => members.values_mut().for_each(cut_names),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces the words after each [`BEFORE_NAME`] up to white space, which no user name or path contains.
fn nameless(text: &str) -> Cow<'_, str> {
    let name_in = |text: &str| BEFORE_NAME.iter().filter_map(|before| Some(text.find(before)? + before.len())).min();
    let mut cut = String::new();
    let mut rest = text;
    while let Some(name) = name_in(rest) {
        let (before, after) = rest.split_at(name);
        cut.extend([before, "…"]);
        rest = after.trim_start_matches(|character: char| !character.is_whitespace());
    }
    if cut.is_empty() { text.into() } else { (cut + rest).into() }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged at the level.
    fn logged(level: Option<&str>, log: impl FnOnce()) -> Vec<Value> {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = tracing_subscriber::registry().with(layer(move || writer.clone())).with(targets(level));
        tracing::subscriber::with_default(lines, log);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_summary_is_merged_into_its_line() {
        let lines = logged(None, || {
            tracing::info!(summary = r#"{"counts":{"FAILED":2},"account_id":null}"#, "Run finished.");
            tracing::warn!(error = "two\nlines", count = 3, "Something \"went\" wrong.");
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["counts"]["FAILED"], 2);
        assert_eq!(lines[0]["account_id"], Value::Null);
        assert_eq!(lines[0].get(SUMMARY), None);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "Run finished.");
        assert_eq!((&lines[1]["error"], &lines[1]["count"]), (&"two\nlines".into(), &3.into()));
        assert_eq!(lines[1]["message"], "Something \"went\" wrong.");
        assert!(lines[1]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn each_line_has_the_request_id_at_every_level() {
        let log = || {
            let mut context = lambda_runtime::Context::default();
            context.request_id = "8476a536".to_owned();
            let _invocation = lambda_runtime::layers::trace::request_span(&context).entered();
            tracing::error!("Something went wrong.");
        };
        for level in [None, Some("TRACE"), Some("ERROR")] {
            let lines = logged(level, log);
            assert_eq!((lines.len(), &lines[0]["span"]["requestId"]), (1, &"8476a536".into()), "{level:?}");
        }
        assert_eq!(logged(Some("FATAL"), log), Vec::<Value>::new());
    }

    #[test]
    fn lambdas_levels_are_applied() {
        let log = || {
            tracing::error!("1");
            tracing::warn!("2");
            tracing::info!("3");
            tracing::debug!("4");
            tracing::trace!("5");
            tracing::info!(target: "aws_smithy_runtime", "6");
            tracing::warn!(target: "aws_smithy_runtime", "7");
        };
        let at = |level| -> String {
            let lines = logged(level, log);
            lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
        };
        assert_eq!(at(None), "1237");
        assert_eq!(at(Some("loud")), "1237");
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].map(|level| at(Some(level)));
        assert_eq!(levels, ["123457", "12347", "1237", "127", "1", ""]);
    }

    #[test]
    fn user_names_are_removed() {
        let cut = [
            (
                "ListAccessKeys failed: AccessDenied: User: arn:aws:sts::123456789012:assumed-role/credwarden/checker is not \
                 authorized to perform: iam:ListAccessKeys on resource: user alice because no policy allows it",
                "ListAccessKeys failed: AccessDenied: User: arn:aws:sts::123456789012:assumed-role/credwarden/checker is not \
                 authorized to perform: iam:ListAccessKeys on resource: user … because no policy allows it",
            ),
            (
                "on resource: arn:aws:iam::123456789012:user/\"team\"/alice",
                "on resource: arn:aws:iam::123456789012:user/…",
            ),
            (
                "credwarden/access-key-unused/123456789012/user/alice/key/1",
                "credwarden/access-key-unused/123456789012/user/…",
            ),
            ("The user with name alice cannot be found.", "The user with name … cannot be found."),
            ("line 7 has the user `alice` again", "line 7 has the user `… again"),
            ("of user/a and user/b", "of user/… and user/…"),
            ("the access keys of 3 users", "the access keys of 3 users"),
        ];
        for (text, expected) in cut {
            let lines = logged(None, || {
                tracing::warn!(error = text, "Something went wrong.");
                let summary = serde_json::json!({ "errors": [text] }).to_string();
                tracing::info!(summary, "Run finished.");
                tracing::error!("{text:?}");
            });
            assert_eq!((&lines[0]["error"], &lines[1]["errors"][0]), (&expected.into(), &expected.into()));
            assert!(!lines[2]["message"].as_str().unwrap().contains("alice"));
        }
    }
}
