//! Events as JSON lines, which CloudWatch Logs takes apart by itself. A run's summary is one of them, in the shape of the
//! answer: `$.counts.FAILED` in a metric filter is what it says.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The field whose JSON object becomes part of the line.
pub const SUMMARY: &str = "summary";

/// Begins to log at Lambda's configured level (INFO without one). The SDK's events stay at warnings: at TRACE it logs
/// requests as they are signed, session token and all.
pub fn start(level: Option<&str>) {
    let level = level.and_then(|level| LevelFilter::from_str(level).ok()).unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_target("checker", level).with_default(level.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().event_format(Lines);
    tracing_subscriber::registry().with(lines).with(targets).init();
}

/// One JSON object a line.
#[derive(Debug)]
pub struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line(Map::new());
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        line.0.insert("timestamp".to_owned(), now.into());
        line.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

struct Line(Map<String, Value>);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match (field.name(), serde_json::from_str(value)) {
            (SUMMARY, Ok(Value::Object(summary))) => self.0.extend(summary),
            (name, _) => _ = self.0.insert(name.to_owned(), value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
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

    #[test]
    fn a_summary_is_part_of_its_line() {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(summary = r#"{"counts":{"FAILED":2},"account_id":null}"#, "Run finished.");
            tracing::warn!(error = "two\nlines", count = 3, "Something \"went\" wrong.");
        });
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["counts"]["FAILED"], 2);
        assert_eq!(lines[0]["account_id"], Value::Null);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "Run finished.");
        assert_eq!((&lines[1]["error"], &lines[1]["count"]), (&"two\nlines".into(), &3.into()));
        assert_eq!(lines[1]["message"], "Something \"went\" wrong.");
        assert!(lines[1]["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
