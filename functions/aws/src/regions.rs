//! The Regions that are enabled in the account.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_smithy_xml::decode::{Document, XmlDecodeError};

use crate::error::CallError;
use crate::permission::Permission;
use crate::query::{Query, child};
use crate::retry::Retry;

/// The permissions to list the Regions.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "ec2:DescribeRegions",
    resource: "*",
    purpose: "lists the Regions in which the root user may have called",
    condition: None,
}];

const QUERY: Query = Query { service: "EC2", name: "ec2", version: "2016-11-15", operation: "DescribeRegions" };

/// Returns the enabled Regions.
///
/// # Errors
///
/// When the call fails.
pub async fn enabled(sdk: &SdkConfig, retry: impl Into<Retry>) -> Result<BTreeSet<String>, CallError> {
    QUERY.call(sdk, &[], regions, retry).await
}

/// The Regions of a response: without `AllRegions` those that are enabled.
fn regions(body: &[u8]) -> Result<BTreeSet<String>, XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    let mut regions = BTreeSet::new();
    while let Some(mut list) = root.next_tag() {
        if list.start_el().matches("regionInfo") {
            while let Some(mut item) = list.next_tag() {
                regions.extend(child(&mut item, "regionName")?);
            }
        }
    }
    if regions.is_empty() {
        return Err(XmlDecodeError::custom("it has no Region"));
    }
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_a_response_are_read() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><regionInfo>
            <item><regionName>eu-west-1</regionName><regionEndpoint>ec2.eu-west-1.amazonaws.com</regionEndpoint></item>
            <item><optInStatus>opted-in</optInStatus><regionName>af-south-1</regionName></item>
            </regionInfo></DescribeRegionsResponse>"#;
        assert_eq!(regions(body).unwrap().into_iter().collect::<Vec<_>>(), ["af-south-1", "eu-west-1"]);
        for other in [&b"<DescribeRegionsResponse/>"[..], b"{}"] {
            assert!(regions(other).is_err());
        }
    }
}
