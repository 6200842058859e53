//! Looks up what readiness needs of CloudTrail's event history.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudtrail::types::LookupAttributeKey;
use chrono::{DateTime as Time, Utc};
use futures_util::{StreamExt, stream};
use hygiene::event::{Lookup, Lookups};
use hygiene::readiness::{CREATING, PERIOD, global_region};

use crate::error::{CallError, chain};
use crate::history::{History, OPERATION, Page, Wanted};
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to read the event history.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "cloudtrail:LookupEvents",
    resource: "*",
    purpose: "finds the root user's calls and those that created long-lived credentials",
    condition: None,
}];

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
    let history = History::of(sdk, region);
    let mut lookup = Lookup::default();
    for (key, value) in attributes {
        let wanted = Wanted { key: key.clone(), value, since: now - PERIOD, until: None };
        if let Err(error) = pages(&history, &wanted, retry, &mut lookup).await {
            lookup.missing = Some(format!("{}.", chain(&error)));
            break;
        }
    }
    lookup
}

/// Reads all pages of one look-up.
async fn pages(history: &History, wanted: &Wanted<'_>, retry: &Retry, lookup: &mut Lookup) -> Result<(), CallError> {
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let Page { events, next_token } = with_retry(OPERATION, retry.clone(), async || {
            history.rate.turn().await;
            history.page(wanted, token.as_deref()).await
        })
        .await?;
        for event in events {
            let event = event?;
            // An IAM user can be named root.
            let is_of_user = wanted.key == LookupAttributeKey::Username;
            if !is_of_user || event.caller.kind.as_deref().is_none_or(|kind| kind == "Root") {
                lookup.events.push(event);
            }
        }
        token = next_token;
        if token.is_none() {
            return Ok(());
        }
    }
    Err(CallError::unexpected(OPERATION, format!("there are more than {} events; the newest were read", PAGES * 50)))
}
