//! Reads CloudTrail's event history: management events of the last 90 days, of one Region at a time.
//!
//! See <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>. The history needs no trail and costs
//! nothing. Only one attribute can be looked up in a call.

use std::collections::BTreeMap;

use aws_config::{Region, SdkConfig};
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use chrono::{DateTime as Time, Utc};
use futures_util::{StreamExt, stream};
use hygiene::event::{Event, Lookup, Lookups};
use hygiene::readiness::{CREATING, PERIOD, global_region};

use crate::error::{CallError, chain};
use crate::permission::Permission;
use crate::rate::RateLimit;
use crate::retry::{Retry, with_retry};

/// The permissions to read the event history.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "cloudtrail:LookupEvents",
    resource: "*",
    purpose: "finds the root user's calls and those that created long-lived credentials",
    condition: None,
}];

const OPERATION: &str = "LookupEvents";
/// The maximum number of Regions at once.
const AT_ONCE: usize = 32;
/// The maximum number of pages of one look-up, with 50 events each: at two calls a second, 100 seconds.
const PAGES: usize = 200;

/// An attribute and its value.
type Attribute = (LookupAttributeKey, &'static str);

/// Looks up the root user's events in all Regions, and the creation of long-lived credentials in the partition's global one.
pub async fn look_up(
    sdk: &SdkConfig,
    regions: &[String],
    partition: &str,
    now: Time<Utc>,
    retry: impl Into<Retry>,
) -> Lookups {
    let retry = retry.into();
    let global = global_region(partition);
    let mut regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    if !regions.contains(&global) {
        regions.push(global);
    }
    let of_region = |region: &str| {
        let region = region.to_owned();
        let retry = retry.clone();
        async move {
            let mut attributes = vec![(LookupAttributeKey::Username, "root")];
            if region == global {
                attributes.extend(CREATING.map(|name| (LookupAttributeKey::EventName, name)));
            }
            let lookup = in_region(sdk, &region, &attributes, now, &retry).await;
            (region, lookup)
        }
    };
    stream::iter(regions).map(of_region).buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>().await
}

async fn in_region(sdk: &SdkConfig, region: &str, attributes: &[Attribute], now: Time<Utc>, retry: &Retry) -> Lookup {
    let config = aws_sdk_cloudtrail::config::Builder::from(sdk).region(Region::new(region.to_owned())).build();
    let client = aws_sdk_cloudtrail::Client::from_conf(config);
    // Two calls a second for each account and Region.
    let rate = RateLimit::look_up_events();
    let mut lookup = Lookup::default();
    for attribute in attributes {
        if let Err(error) = pages(&client, attribute, now, &rate, retry, &mut lookup).await {
            lookup.missing = Some(format!("{}.", chain(&error)));
            break;
        }
    }
    lookup
}

/// Reads all pages of one look-up.
async fn pages(
    client: &aws_sdk_cloudtrail::Client,
    (key, value): &Attribute,
    now: Time<Utc>,
    rate: &RateLimit,
    retry: &Retry,
    lookup: &mut Lookup,
) -> Result<(), CallError> {
    let attribute = LookupAttribute::builder().attribute_key(key.clone()).attribute_value(*value).build();
    let attribute = attribute.map_err(|error| CallError::unexpected(OPERATION, error.to_string()))?;
    let start = DateTime::from_secs((now - PERIOD).timestamp());
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let page = with_retry(OPERATION, retry.clone(), async || {
            rate.turn().await;
            let request = client.lookup_events().lookup_attributes(attribute.clone()).start_time(start).max_results(50);
            let page = request.set_next_token(token.clone()).send().await;
            page.map_err(|error| CallError::new(OPERATION, &error))
        })
        .await?;
        // Without the check, an answer that says nothing would be an empty history.
        if page.events.is_none() {
            return Err(CallError::unexpected(OPERATION, "the answer has no list of events"));
        }
        for event in page.events() {
            let record = event.cloud_trail_event().unwrap_or_default();
            let event: Event = serde_json::from_str(record).map_err(|error| {
                CallError::unexpected(OPERATION, format!("the record of an event is not JSON: {error}"))
            })?;
            // An IAM user can be named root.
            if *key != LookupAttributeKey::Username || event.caller.kind.as_deref().is_none_or(|kind| kind == "Root") {
                lookup.events.push(event);
            }
        }
        match page.next_token().filter(|token| !token.is_empty()) {
            Some(next) if token.as_deref() == Some(next) => {
                return Err(CallError::unexpected(OPERATION, "AWS returned the same page again"));
            }
            Some(next) => token = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
    Err(CallError::unexpected(OPERATION, format!("there are more than {} events; the newest were read", PAGES * 50)))
}
