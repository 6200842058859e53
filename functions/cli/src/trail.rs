//! Reads saved CloudTrail events, and what else readiness needs of the account: its Regions and its organization.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader, Cursor, Read as _};
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use flate2::read::MultiGzDecoder;
use hygiene::event::Event;
use hygiene::readiness::Membership;
use hygiene::text::{cut, escape};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::input::{InputError, What, bytes, name, reader, utf8};

/// The maximum size of a file of events, decompressed: half a million events. It bounds the time of reading a file that is made to be
/// decompressed for ever.
const LARGEST: u64 = 1024 * 1024 * 1024;

const LOOKUP_EVENTS: &str = "aws cloudtrail lookup-events";
const DESCRIBE_REGIONS: &str = "aws ec2 describe-regions";
const DESCRIBE_ORGANIZATION: &str = "aws organizations describe-organization";

/// What a file shows of the time that it covers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Whether it is a log file, which has the events of some minutes, not of 90 days.
    pub is_log: bool,
    /// The days of its events.
    pub days: BTreeSet<NaiveDate>,
    /// The time of its oldest event.
    pub oldest: Option<DateTime<Utc>>,
}

impl Covered {
    fn add(&mut self, event: &Event) {
        if let Some(time) = event.time {
            self.days.insert(time.date_naive());
            self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
        }
    }
}

/// Reads the events of one Region, one at a time: the output of `aws cloudtrail lookup-events`, or a log file of `CloudTrail`, also
/// compressed. If `account` is known, the events have to be of it.
///
/// # Errors
///
/// When it is something else, incomplete, or of another Region or account. `each` has seen some of the events then.
pub fn events(
    path: &Path,
    region: &str,
    account: Option<&str>,
    each: &mut dyn FnMut(Event),
) -> Result<Covered, InputError> {
    let what = |what: What| what.of(&name(path));
    let reader = reader(path).map_err(|error| what(error.into()))?;
    saved_events(reader, region, account, each).map_err(what)
}

/// Parses the events of one Region.
///
/// # Errors
///
/// When the text is something else, incomplete, or of another Region.
pub fn parse_events(
    file: &str,
    bytes: &[u8],
    region: &str,
    each: &mut dyn FnMut(Event),
) -> Result<Covered, InputError> {
    saved_events(bytes, region, None, each).map_err(|what| what.of(file))
}

fn saved_events(
    bytes: impl BufRead,
    region: &str,
    account: Option<&str>,
    each: &mut dyn FnMut(Event),
) -> Result<Covered, What> {
    let mut limited = unpacked(bytes)?.take(LARGEST);
    let (mut places, mut covered) = (Places::default(), Covered::default());
    let mut check = |event: Event| -> Result<(), What> {
        places.add(&event, region);
        covered.add(&event);
        let foreign = event.account.as_deref().zip(account).filter(|(other, account)| other != account);
        if let Some((other, account)) = foreign {
            let other = escape(other);
            let what = format!("it has an event of account {}, and the report is of {account}", cut(&other, 64));
            return Err(What::Unexpected(LOOKUP_EVENTS, what));
        }
        each(event);
        Ok(())
    };
    let mut found = Found { each: &mut check, error: None, lists: 0, is_log: false, is_part: false };
    let mut parser = serde_json::Deserializer::from_reader(&mut limited);
    let parsed = found.deserialize(&mut parser).and_then(|()| parser.end());
    let Found { error, lists, is_log, is_part, .. } = found;
    let is_cut = limited.limit() == 0;
    match (error, parsed) {
        (Some(error), _) => return Err(error),
        (None, Err(_)) if is_cut => {
            return Err(What::Unexpected(LOOKUP_EVENTS, "larger than 1 GiB when it is decompressed".to_owned()));
        }
        (None, Err(error)) => return Err(error.into()),
        (None, Ok(())) => {}
    }
    if is_part {
        return Err(What::PartOfAnswer(LOOKUP_EVENTS));
    }
    if lists != 1 {
        let what = "it has no \"Events\", and is no log file with \"Records\"";
        return Err(What::Unexpected(LOOKUP_EVENTS, what.to_owned()));
    }
    places.check(region)?;
    Ok(Covered { is_log, ..covered })
}

/// The text, decompressed, and in UTF-8.
fn unpacked<'r>(mut bytes: impl BufRead + 'r) -> Result<Box<dyn BufRead + 'r>, What> {
    let start = bytes.fill_buf()?;
    if start.is_empty() {
        return Err(What::Empty);
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(bytes))));
    }
    // Windows PowerShell writes UTF-16, or UTF-8 with a byte order mark.
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        let mut whole = Vec::new();
        bytes.take(LARGEST).read_to_end(&mut whole)?;
        return Ok(Box::new(Cursor::new(utf8(&whole).into_owned())));
    }
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.consume(3);
    }
    Ok(Box::new(bytes))
}

/// The Regions of the events: a trail of one Region also has the events of global services, which are of another Region.
#[derive(Default)]
struct Places {
    has_own: bool,
    other: Option<String>,
}

impl Places {
    fn add(&mut self, event: &Event, region: &str) {
        match event.region.as_deref() {
            Some(other) if other != region => {
                self.other.get_or_insert_with(|| other.to_owned());
            }
            Some(_) => self.has_own = true,
            None => {}
        }
    }

    fn check(self, region: &str) -> Result<(), What> {
        match self.other {
            Some(other) if !self.has_own => {
                let other = escape(&other);
                let what = format!("its events are of {}, not of {region}", cut(&other, 64));
                Err(What::Unexpected(LOOKUP_EVENTS, what))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What was found in the output of `aws cloudtrail lookup-events`, or in a log file, while its events are passed on.
struct Found<'f> {
    each: &'f mut dyn FnMut(Event) -> Result<(), What>,
    /// The error of an event.
    error: Option<What>,
    /// The number of lists of events.
    lists: u8,
    /// Whether it is a log file.
    is_log: bool,
    /// Whether there is a token for the next page, as with `--max-items`.
    is_part: bool,
}

impl Found<'_> {
    fn pass<E: de::Error>(&mut self, event: Result<Event, What>) -> Result<(), E> {
        if let Err(error) = event.and_then(|event| (self.each)(event)) {
            self.error = Some(error);
            return Err(E::custom("an event is refused"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Found<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Found<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "Events" => members.next_value_seed(Events { found: &mut *self, is_log: false })?,
                "Records" => members.next_value_seed(Events { found: &mut *self, is_log: true })?,
                "NextToken" => self.is_part |= members.next_value::<Option<IgnoredAny>>()?.is_some(),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A list of events: those of a log file are records, the others have one as JSON in a string.
struct Events<'e, 'f> {
    found: &'e mut Found<'f>,
    is_log: bool,
}

impl<'de> DeserializeSeed<'de> for Events<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.found.lists = self.found.lists.saturating_add(1);
        self.found.is_log = self.is_log;
        if self.is_log {
            while let Some(event) = items.next_element::<Event>()? {
                self.found.pass(Ok(event))?;
            }
            return Ok(());
        }
        let mut number = 0;
        while let Some(event) = items.next_element::<LookedUp>()? {
            number += 1;
            self.found.pass(record(number, event))?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct LookedUp {
    /// The record, as JSON in a string.
    cloud_trail_event: Option<String>,
    /// The access key that signed. A record may lack it.
    access_key_id: Option<String>,
}

fn record(number: usize, event: LookedUp) -> Result<Event, What> {
    let what = || What::Unexpected(LOOKUP_EVENTS, format!("event {number} has no \"CloudTrailEvent\""));
    let record = serde_json::from_str::<Event>(&event.cloud_trail_event.ok_or_else(what)?);
    let mut record = record.map_err(|error| What::Record(number, error))?;
    record.caller.access_key = record.caller.access_key.or(event.access_key_id);
    Ok(record)
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

    fn read(bytes: &[u8], region: &str, account: Option<&str>) -> Result<Vec<Event>, What> {
        let mut events = Vec::new();
        saved_events(bytes, region, account, &mut |event| events.push(event)).map(|_| events)
    }

    fn refused(text: &str, region: &str) -> String {
        chain(&read(text.as_bytes(), region, Some("123456789012")).unwrap_err())
    }

    #[test]
    fn events_are_read_from_both_forms_and_compressed() {
        let log = format!("{{\"Records\": [{RECORD}]}}");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(log.as_bytes()).unwrap();
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let utf16 = [vec![0xff, 0xfe], wide(&log)].concat();
        let marked = format!("\u{feff}{log}").into_bytes();
        let forms = [looked_up(RECORD).into_bytes(), log.into_bytes(), gzip.finish().unwrap(), utf16, marked];
        for bytes in forms {
            let events = read(&bytes, "us-east-1", Some("123456789012")).unwrap();
            assert_eq!((events.len(), events[0].name.as_str()), (1, "CreateUser"));
        }
        assert_eq!(read(b"{\"Events\": []}", "eu-west-1", None).unwrap(), []);
    }

    #[test]
    fn what_is_no_list_of_events_is_refused() {
        insta::assert_snapshot!(refused("{}", "us-east-1"), @r#"not what `aws cloudtrail lookup-events` prints: it has no "Events", and is no log file with "Records""#);
        insta::assert_snapshot!(refused("[]", "us-east-1"), @"cannot be read as JSON: invalid type: sequence, expected a map at line 1 column 1");
        insta::assert_snapshot!(refused("{\"Events\": [{}]}", "us-east-1"), @r#"not what `aws cloudtrail lookup-events` prints: event 1 has no "CloudTrailEvent""#);
        insta::assert_snapshot!(refused(&looked_up("no JSON"), "us-east-1"), @"the record of event 1 cannot be read as JSON: expected ident at line 1 column 2");
        insta::assert_snapshot!(refused(&looked_up("[]"), "us-east-1"), @"the record of event 1 cannot be read as JSON: invalid type: sequence, expected a map at line 1 column 0");
        insta::assert_snapshot!(refused("{\"Events\": [], \"NextToken\": \"x\"}", "us-east-1"), @r#"the list is not whole ("NextToken"); `aws cloudtrail lookup-events` without --max-items is"#);
        insta::assert_snapshot!(refused(&looked_up(RECORD), "eu-west-1"), @"not what `aws cloudtrail lookup-events` prints: its events are of us-east-1, not of eu-west-1");
        let foreign = looked_up(&RECORD.replace("123456789012", "210987654321"));
        insta::assert_snapshot!(refused(&foreign, "us-east-1"), @"not what `aws cloudtrail lookup-events` prints: it has an event of account 210987654321, and the report is of 123456789012");
        insta::assert_snapshot!(refused("{\"Events\": [], \"Records\": []}", "us-east-1"), @r#"not what `aws cloudtrail lookup-events` prints: it has no "Events", and is no log file with "Records""#);
        insta::assert_snapshot!(refused("{\"Events\": []} {}", "us-east-1"), @"cannot be read as JSON: trailing characters at line 1 column 16");
        insta::assert_snapshot!(refused("", "us-east-1"), @"the file is empty");
        let cut = chain(&read(&[0x1f, 0x8b, 8], "us-east-1", None).unwrap_err());
        assert!(cut.contains("unexpected end of file"), "{cut}");
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
