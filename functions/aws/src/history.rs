//! CloudTrail's event history: management events of the last 90 days, of one Region at a time.
//!
//! See <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>. The history needs no trail and costs
//! nothing. Only one attribute can be looked up in a call.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use chrono::{DateTime as Time, Utc};
use hygiene::event::Event;

use crate::error::{CallError, Kind};
use crate::rate::RateLimit;

pub(crate) const OPERATION: &str = "LookupEvents";
/// The maximum number of events of a page, which is AWS's.
const PAGE: i32 = 50;
/// The timeout of one try: people measured up to 35 seconds.
const ATTEMPT: Duration = Duration::from_mins(1);

/// The event history of a Region.
#[derive(Debug)]
pub(crate) struct History {
    client: aws_sdk_cloudtrail::Client,
    /// The rate of the calls, which has to be kept by those who call.
    pub(crate) rate: RateLimit,
}

/// The events to look up.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    /// The attribute that they have.
    pub(crate) key: LookupAttributeKey,
    /// Its value.
    pub(crate) value: &'a str,
    /// The time of the first.
    pub(crate) since: Time<Utc>,
    /// The time of the last; `None`: now.
    pub(crate) until: Option<Time<Utc>>,
}

/// Up to 50 events, newest first.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The events; an error if the record of one is not JSON.
    pub(crate) events: Vec<Result<Event, CallError>>,
    /// The token of the next page, of older events.
    pub(crate) next_token: Option<String>,
}

impl History {
    pub(crate) fn of(sdk: &SdkConfig, region: &str) -> Self {
        let timeouts = sdk.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let config = aws_sdk_cloudtrail::config::Builder::from(sdk)
            .region(Region::new(region.to_owned()))
            .timeout_config(timeouts.operation_attempt_timeout(ATTEMPT).build());
        Self { client: aws_sdk_cloudtrail::Client::from_conf(config.build()), rate: RateLimit::look_up_events() }
    }

    /// Reads a page, in one try. If CloudTrail throttles, the rate is halved from then on.
    pub(crate) async fn page(&self, wanted: &Wanted<'_>, token: Option<&str>) -> Result<Page, CallError> {
        let attribute = LookupAttribute::builder().attribute_key(wanted.key.clone()).attribute_value(wanted.value);
        let attribute = attribute.build().map_err(|error| CallError::unexpected(OPERATION, error.to_string()))?;
        let seconds = |time: Time<Utc>| DateTime::from_secs(time.timestamp());
        let request = self
            .client
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(seconds(wanted.since))
            .set_end_time(wanted.until.map(seconds))
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned));
        let page = request.send().await.map_err(|error| CallError::new(OPERATION, &error));
        let page = page.inspect_err(|error| {
            if error.kind == Kind::Throttled {
                self.rate.slow_down();
            }
        })?;
        // Without the check, an answer that says nothing would be an empty history.
        let Some(events) = page.events else {
            return Err(CallError::unexpected(OPERATION, "the answer has no list of events"));
        };
        let next_token = page.next_token.filter(|token| !token.is_empty());
        if next_token.is_some() && next_token.as_deref() == token {
            return Err(CallError::unexpected(OPERATION, "AWS returned the same page again"));
        }
        let read = |event: aws_sdk_cloudtrail::types::Event| {
            let record = event.cloud_trail_event().unwrap_or_default();
            let record = serde_json::from_str::<Event>(record).map_err(|error| {
                CallError::unexpected(OPERATION, format!("the record of an event is not JSON: {error}"))
            });
            record.map(|mut record| {
                // A record may lack the key that signed.
                record.caller.access_key =
                    record.caller.access_key.or_else(|| event.access_key_id().map(str::to_owned));
                record
            })
        };
        Ok(Page { events: events.into_iter().map(read).collect(), next_token })
    }
}
