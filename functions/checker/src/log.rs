//! Events as JSON lines, which CloudWatch Logs takes apart by itself. Each line of an invocation carries its request id, at
//! `$.span.requestId`: that of the span in which `lambda_runtime` calls the function. A run's summary is one of the lines, in
//! the shape of the answer: `$.counts.FAILED` in a metric filter is what it says.

use std::fmt;
use std::panic;
use std::str::FromStr;

use hygiene::text::inert;
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

/// The field whose JSON object becomes part of the line.
pub const SUMMARY: &str = "summary";

/// Begins to log at Lambda's configured level (INFO without one). The SDK's events stay at warnings: at TRACE it logs
/// requests as they are signed, session token and all.
pub fn start(level: Option<&str>) {
    tracing_subscriber::registry().with(layer(std::io::stdout)).with(targets(level)).init();
    // The standard hook's lines are no JSON, and carry no request id.
    panic::set_hook(Box::new(|panic| {
        let (error, place) = (panic.payload_as_str().map(inert), panic.location().map(ToString::to_string));
        tracing::error!(error = error.as_deref(), place, "The function panicked.");
    }));
}

/// What is logged at a level of Lambda's. Ours are all below FATAL.
fn targets(level: Option<&str>) -> Targets {
    let level = match level {
        Some("FATAL") => LevelFilter::OFF,
        Some(level) => LevelFilter::from_str(level).unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    };
    Targets::new()
        .with_target("checker", level)
        // The span with the request id, at every level.
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO)
        .with_default(level.min(LevelFilter::WARN))
}

/// Writes one JSON object a line.
pub fn layer<S, W>(to: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false);
    lines.map_event_format(Lines).with_writer(to)
}

/// The lines of `tracing-subscriber`. A value that is an object has no place in them, as fields of events are
/// strings, numbers or truth values: a summary comes as text, and is unpacked here.
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
        writeln!(to, "{}", Value::Object(line))
    }
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

    /// What is logged at that level, a line an event.
    fn logged(level: Option<&str>, log: impl FnOnce()) -> Vec<Value> {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = tracing_subscriber::registry().with(layer(move || writer.clone())).with(targets(level));
        tracing::subscriber::with_default(lines, log);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_summary_is_part_of_its_line() {
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
    fn a_line_carries_the_request_id_of_its_invocation_at_every_level() {
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
    fn levels_are_lambdas() {
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
}
