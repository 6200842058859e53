//! Reads saved CloudTrail events, and what else readiness needs of the account: its Regions and its organization.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use hygiene::event::Event;
use hygiene::readiness::Membership;
use hygiene::text::{cut, escape};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::input::{InputError, What, bytes, name, utf8};

/// The maximum size of a log file, decompressed. CloudTrail's have at most 50 MB before compression.
const LARGEST: u64 = 256 * 1024 * 1024;

const LOOKUP_EVENTS: &str = "aws cloudtrail lookup-events";
const DESCRIBE_REGIONS: &str = "aws ec2 describe-regions";
const DESCRIBE_ORGANIZATION: &str = "aws organizations describe-organization";

/// The output of `aws cloudtrail lookup-events`, or a log file.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct EventsAnswer {
    events: Option<Vec<LookedUp>>,
    records: Option<Vec<Event>>,
    /// With `--max-items`.
    next_token: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct LookedUp {
    /// The record, as JSON in a string.
    cloud_trail_event: Option<String>,
}

/// Reads the events of one Region: the output of `aws cloudtrail lookup-events`, or a log file of CloudTrail, also compressed.
///
/// # Errors
///
/// When it is something else, incomplete, or of another Region.
pub fn events(path: &Path, region: &str) -> Result<Vec<Event>, InputError> {
    parse_events(&name(path), &bytes(path)?, region)
}

/// Parses the events of one Region.
///
/// # Errors
///
/// When the text is something else, incomplete, or of another Region.
pub fn parse_events(file: &str, bytes: &[u8], region: &str) -> Result<Vec<Event>, InputError> {
    saved_events(bytes, region).map_err(|what| what.of(file))
}

fn saved_events(bytes: &[u8], region: &str) -> Result<Vec<Event>, What> {
    let unpacked;
    let text = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut buffer = Vec::new();
        MultiGzDecoder::new(bytes).take(LARGEST + 1).read_to_end(&mut buffer)?;
        if buffer.len() as u64 > LARGEST {
            return Err(What::Unexpected(LOOKUP_EVENTS, "larger than 256 MiB when it is decompressed".to_owned()));
        }
        unpacked = buffer;
        utf8(&unpacked)
    } else {
        utf8(bytes)
    };
    let EventsAnswer { events, records, next_token } = serde_json::from_slice(&text)?;
    if next_token.is_some() {
        return Err(What::PartOfEvents);
    }
    let events = match (events, records) {
        (Some(looked_up), None) => (1..).zip(looked_up).map(record).collect::<Result<Vec<_>, _>>()?,
        (None, Some(records)) => records,
        (_, _) => {
            let what = "it has no \"Events\", and is no log file with \"Records\"";
            return Err(What::Unexpected(LOOKUP_EVENTS, what.to_owned()));
        }
    };
    // A trail of one Region also has the events of global services, which are of another Region.
    let of_others = events.iter().filter_map(|event| event.region.as_deref()).find(|other| *other != region);
    if let Some(other) = of_others
        && !events.iter().any(|event| event.region.as_deref() == Some(region))
    {
        let other = escape(other);
        return Err(What::Unexpected(LOOKUP_EVENTS, format!("its events are of {}, not of {region}", cut(&other, 64))));
    }
    Ok(events)
}

fn record((number, event): (usize, LookedUp)) -> Result<Event, What> {
    let what = || What::Unexpected(LOOKUP_EVENTS, format!("event {number} has no \"CloudTrailEvent\""));
    serde_json::from_str(&event.cloud_trail_event.ok_or_else(what)?).map_err(|error| What::Record(number, error))
}

/// Returns the first event that was recorded in another account.
pub fn of_another_account<'a>(events: &'a [Event], account: &str) -> Option<&'a str> {
    events.iter().filter_map(|event| event.account.as_deref()).find(|other| *other != account)
}

/// An error about the events of a file.
pub fn foreign_events(path: &Path, other: &str, account: &str) -> InputError {
    let other = escape(other);
    What::Unexpected(
        LOOKUP_EVENTS,
        format!("it has an event of account {}, and the report is of {account}", cut(&other, 64)),
    )
    .of(&name(path))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct RegionsAnswer {
    regions: Option<Vec<Region>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Region {
    region_name: String,
    opt_in_status: Option<String>,
}

/// Reads the enabled Regions from the output of `aws ec2 describe-regions`, also with `--all-regions`.
///
/// # Errors
///
/// When it is something else.
pub fn regions(path: &Path) -> Result<BTreeSet<String>, InputError> {
    parse_regions(&name(path), &bytes(path)?)
}

/// Parses the enabled Regions.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_regions(file: &str, bytes: &[u8]) -> Result<BTreeSet<String>, InputError> {
    saved_regions(bytes).map_err(|what| what.of(file))
}

fn saved_regions(bytes: &[u8]) -> Result<BTreeSet<String>, What> {
    let unexpected = |what: String| What::Unexpected(DESCRIBE_REGIONS, what);
    let RegionsAnswer { regions } = serde_json::from_slice(&utf8(bytes))?;
    let regions = regions.ok_or_else(|| unexpected("it has no \"Regions\"".to_owned()))?;
    let is_enabled = |region: &Region| region.opt_in_status.as_deref() != Some("not-opted-in");
    let regions: BTreeSet<String> = regions.into_iter().filter(is_enabled).map(|region| region.region_name).collect();
    if regions.is_empty() {
        return Err(unexpected("it has no enabled Region".to_owned()));
    }
    match regions.iter().find(|region| crate::arguments::region(region).is_err()) {
        Some(odd) => Err(unexpected(format!("`{}` is not a Region", cut(&escape(odd), 64)))),
        None => Ok(regions),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct OrganizationAnswer {
    organization: Option<Members>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Members {
    master_account_id: Option<String>,
    feature_set: Option<String>,
}

/// The organization, from the output of `aws organizations describe-organization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedOrganization {
    management_account: String,
    has_policies: bool,
}

impl SavedOrganization {
    /// The account's place in it.
    pub fn membership(&self, account: &str) -> Membership {
        Membership::of(account, &self.management_account, self.has_policies)
    }
}

/// Reads the organization from the output of `aws organizations describe-organization`.
///
/// # Errors
///
/// When it is something else.
pub fn organization(path: &Path) -> Result<SavedOrganization, InputError> {
    parse_organization(&name(path), &bytes(path)?)
}

/// Parses the organization.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_organization(file: &str, bytes: &[u8]) -> Result<SavedOrganization, InputError> {
    saved_organization(bytes).map_err(|what| what.of(file))
}

fn saved_organization(bytes: &[u8]) -> Result<SavedOrganization, What> {
    let unexpected = |what: &str| What::Unexpected(DESCRIBE_ORGANIZATION, what.to_owned());
    let OrganizationAnswer { organization } = serde_json::from_slice(&utf8(bytes))?;
    let members = organization.ok_or_else(|| unexpected("it has no \"Organization\""))?;
    let management_account = members.master_account_id.ok_or_else(|| unexpected("it has no \"MasterAccountId\""))?;
    if management_account.len() != 12 || !management_account.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(unexpected("\"MasterAccountId\" is not 12 digits"));
    }
    let has_policies = match members.feature_set.as_deref() {
        None | Some("ALL") => true,
        Some("CONSOLIDATED_BILLING") => false,
        Some(_) => return Err(unexpected("\"FeatureSet\" is neither ALL nor CONSOLIDATED_BILLING")),
    };
    Ok(SavedOrganization { management_account, has_policies })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use aws::error::chain;

    use super::*;

    const RECORD: &str = r#"{"eventName": "CreateUser", "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1",
        "eventTime": "2026-11-19T06:00:00Z", "recipientAccountId": "123456789012"}"#;

    fn looked_up(record: &str) -> String {
        format!(
            "{{\"Events\": [{{\"EventId\": \"e-1\", \"CloudTrailEvent\": {}}}]}}",
            serde_json::to_string(record).unwrap()
        )
    }

    fn refused(text: &str, region: &str) -> String {
        chain(&saved_events(text.as_bytes(), region).unwrap_err())
    }

    #[test]
    fn events_are_read_from_both_forms_and_compressed() {
        let log = format!("{{\"Records\": [{RECORD}]}}");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(log.as_bytes()).unwrap();
        for bytes in [looked_up(RECORD).into_bytes(), log.into_bytes(), gzip.finish().unwrap()] {
            let events = saved_events(&bytes, "us-east-1").unwrap();
            assert_eq!((events.len(), events[0].name.as_str()), (1, "CreateUser"));
            assert_eq!(of_another_account(&events, "123456789012"), None);
            assert_eq!(of_another_account(&events, "210987654321"), Some("123456789012"));
        }
        assert_eq!(saved_events(b"{\"Events\": []}", "eu-west-1").unwrap(), []);
    }

    #[test]
    fn what_is_no_list_of_events_is_refused() {
        insta::assert_snapshot!(refused("{}", "us-east-1"), @r#"not what `aws cloudtrail lookup-events` prints: it has no "Events", and is no log file with "Records""#);
        insta::assert_snapshot!(refused("[]", "us-east-1"), @"cannot be read as JSON: invalid length 0, expected a map at line 1 column 2");
        insta::assert_snapshot!(refused("{\"Events\": [{}]}", "us-east-1"), @r#"not what `aws cloudtrail lookup-events` prints: event 1 has no "CloudTrailEvent""#);
        insta::assert_snapshot!(refused(&looked_up("no JSON"), "us-east-1"), @"the record of event 1 cannot be read as JSON: expected ident at line 1 column 2");
        insta::assert_snapshot!(refused(&looked_up("[]"), "us-east-1"), @"the record of event 1 cannot be read as JSON: invalid type: sequence, expected a map at line 1 column 0");
        insta::assert_snapshot!(refused("{\"Events\": [], \"NextToken\": \"x\"}", "us-east-1"), @r#"the list is not whole ("NextToken"); `aws cloudtrail lookup-events` without --max-items is"#);
        insta::assert_snapshot!(refused(&looked_up(RECORD), "eu-west-1"), @"not what `aws cloudtrail lookup-events` prints: its events are of us-east-1, not of eu-west-1");
        let cut = chain(&saved_events(&[0x1f, 0x8b, 8], "us-east-1").unwrap_err());
        assert!(cut.starts_with("cannot be read: "), "{cut}");
    }

    #[test]
    fn the_regions_that_are_enabled_are_read() {
        let regions = saved_regions(
            br#"{"Regions": [{"RegionName": "eu-west-1", "OptInStatus": "opt-in-not-required"}, {"RegionName": "af-south-1",
                "OptInStatus": "opted-in"}, {"RegionName": "me-south-1", "OptInStatus": "not-opted-in"}]}"#,
        );
        assert_eq!(regions.unwrap().into_iter().collect::<Vec<_>>(), ["af-south-1", "eu-west-1"]);
        let refused = |text: &str| chain(&saved_regions(text.as_bytes()).unwrap_err());
        insta::assert_snapshot!(refused("{}"), @r#"not what `aws ec2 describe-regions` prints: it has no "Regions""#);
        insta::assert_snapshot!(refused("{\"Regions\": []}"), @"not what `aws ec2 describe-regions` prints: it has no enabled Region");
        insta::assert_snapshot!(refused("{\"Regions\": [{\"RegionName\": \"Frankfurt\"}]}"), @"not what `aws ec2 describe-regions` prints: `Frankfurt` is not a Region");
    }

    #[test]
    fn the_accounts_place_in_its_organization_is_read() {
        let place = |members: &str, account: &str| {
            saved_organization(format!("{{\"Organization\": {{{members}}}}}").as_bytes()).unwrap().membership(account)
        };
        let all = "\"MasterAccountId\": \"123456789012\", \"FeatureSet\": \"ALL\"";
        assert_eq!(place(all, "123456789012"), Membership::Management);
        assert_eq!(place(all, "210987654321"), Membership::Member);
        assert_eq!(place(&all.replace("ALL", "CONSOLIDATED_BILLING"), "210987654321"), Membership::None);
        let refused = |text: &str| chain(&saved_organization(text.as_bytes()).unwrap_err());
        insta::assert_snapshot!(refused("{}"), @r#"not what `aws organizations describe-organization` prints: it has no "Organization""#);
        insta::assert_snapshot!(refused("{\"Organization\": {}}"), @r#"not what `aws organizations describe-organization` prints: it has no "MasterAccountId""#);
        insta::assert_snapshot!(refused("{\"Organization\": {\"MasterAccountId\": \"1\"}}"), @r#"not what `aws organizations describe-organization` prints: "MasterAccountId" is not 12 digits"#);
    }
}
