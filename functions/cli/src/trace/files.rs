//! Reads what else tracing takes from files: network interfaces, Elastic IP addresses, and the ids of access keys.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use chrono::{DateTime, Utc};
use hygiene::text::{cut, escape};
use hygiene::time::rfc3339;
use hygiene::trace::{Address, Interface, Listed, Networks, Prefix, owns_instance};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::input::{InputError, What, bytes, name, utf8};

const DESCRIBE_INTERFACES: &str = "aws ec2 describe-network-interfaces";
const DESCRIBE_ADDRESSES: &str = "aws ec2 describe-addresses";
const LIST_ACCESS_KEYS: &str = "aws iam list-access-keys";

/// The output of the AWS CLI's commands.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Answer {
    network_interfaces: Option<Vec<SavedInterface>>,
    addresses: Option<Vec<SavedAddress>>,
    access_key_metadata: Option<Vec<SavedKey>>,
    /// With `--max-items`.
    next_token: Option<IgnoredAny>,
    #[serde(default)]
    is_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct SavedInterface {
    network_interface_id: String,
    owner_id: Option<String>,
    availability_zone: Option<String>,
    vpc_id: Option<String>,
    #[serde(default)]
    interface_type: String,
    #[serde(default)]
    description: String,
    attachment: Option<Attachment>,
    association: Option<Association>,
    #[serde(default)]
    private_ip_addresses: Vec<Private>,
    #[serde(default, rename = "Ipv6Addresses")]
    ipv6_addresses: Vec<Ipv6>,
    #[serde(default, rename = "Ipv6Prefixes")]
    ipv6_prefixes: Vec<Ipv6>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Attachment {
    instance_id: Option<String>,
    instance_owner_id: Option<String>,
    attach_time: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Association {
    public_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Private {
    association: Option<Association>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct Ipv6 {
    #[serde(rename = "Ipv6Address")]
    address: Option<String>,
    #[serde(rename = "Ipv6Prefix")]
    prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct SavedAddress {
    public_ip: Option<String>,
    carrier_ip: Option<String>,
    allocation_id: Option<String>,
    network_interface_owner_id: Option<String>,
    network_border_group: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct SavedKey {
    user_name: String,
    access_key_id: String,
    status: String,
    create_date: String,
}

/// Reads network interfaces from the output of `aws ec2 describe-network-interfaces`. Returns the Regions that they are in.
///
/// # Errors
///
/// When it is something else, or only a part of the list.
pub(super) fn interfaces(path: &Path, networks: &mut Networks) -> Result<BTreeSet<String>, InputError> {
    parse_interfaces(&name(path), &bytes(path)?, networks)
}

/// Parses network interfaces. Returns the Regions that they are in.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_interfaces(file: &str, bytes: &[u8], networks: &mut Networks) -> Result<BTreeSet<String>, InputError> {
    saved_interfaces(bytes, networks).map_err(|what| what.of(file))
}

fn saved_interfaces(bytes: &[u8], networks: &mut Networks) -> Result<BTreeSet<String>, What> {
    let list = list(bytes, DESCRIBE_INTERFACES, "NetworkInterfaces", |answer| answer.network_interfaces)?;
    let mut regions = BTreeSet::new();
    for saved in list {
        let interface = interface(saved)?;
        networks.add_interface(&interface);
        regions.extend(interface.region);
    }
    Ok(regions)
}

fn interface(saved: SavedInterface) -> Result<Interface, What> {
    let SavedInterface { attachment, association, private_ip_addresses, ipv6_addresses, ipv6_prefixes, .. } = saved;
    let prefix = |text: String| {
        let what = || What::Unexpected(DESCRIBE_INTERFACES, format!("`{}` is not a prefix", cut(&escape(&text), 64)));
        Prefix::parse(&text).ok_or_else(what)
    };
    let prefixes = ipv6_prefixes.into_iter().filter_map(|one| one.prefix).map(prefix);
    let prefixes = prefixes.collect::<Result<Vec<_>, _>>()?;
    let associations = private_ip_addresses.into_iter().map(|private| private.association).chain([association]);
    let public = associations.filter_map(|association| association?.public_ip);
    let public = public.chain(ipv6_addresses.into_iter().filter_map(|one| one.address));
    let mut public = public.map(|text| address(&text, DESCRIBE_INTERFACES)).collect::<Result<Vec<_>, _>>()?;
    public.sort_unstable();
    public.dedup();
    let is_attached = |attachment: &Attachment| attachment.status.as_deref().is_none_or(|status| status == "attached");
    let attachment = attachment.filter(is_attached);
    let attached = attachment.as_ref().and_then(|attachment| attachment.attach_time.as_deref());
    let attached = attached.map(|text| moment(text, DESCRIBE_INTERFACES)).transpose()?;
    let is_own =
        |attachment: &Attachment| owns_instance(saved.owner_id.as_deref(), attachment.instance_owner_id.as_deref());
    Ok(Interface {
        id: saved.network_interface_id,
        region: saved.availability_zone.as_deref().and_then(region_of),
        vpc: saved.vpc_id,
        kind: saved.interface_type,
        description: saved.description,
        attached,
        instance: attachment.filter(is_own).and_then(|attachment| attachment.instance_id),
        owner: saved.owner_id,
        public,
        prefixes,
    })
}

/// Reads Elastic IP addresses from the output of `aws ec2 describe-addresses`.
///
/// # Errors
///
/// When it is something else.
pub(super) fn addresses(path: &Path, networks: &mut Networks) -> Result<(), InputError> {
    parse_addresses(&name(path), &bytes(path)?, networks)
}

/// Parses Elastic IP addresses.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_addresses(file: &str, bytes: &[u8], networks: &mut Networks) -> Result<(), InputError> {
    saved_addresses(bytes, networks).map_err(|what| what.of(file))
}

fn saved_addresses(bytes: &[u8], networks: &mut Networks) -> Result<(), What> {
    for saved in list(bytes, DESCRIBE_ADDRESSES, "Addresses", |answer| answer.addresses)? {
        for text in [&saved.public_ip, &saved.carrier_ip].into_iter().flatten() {
            networks.add_address(Address {
                address: address(text, DESCRIBE_ADDRESSES)?,
                owner: saved.network_interface_owner_id.clone(),
                region: saved.network_border_group.as_deref().and_then(region_of),
                id: saved.allocation_id.clone(),
            });
        }
    }
    Ok(())
}

/// Reads the ids of a user's access keys from the output of `aws iam list-access-keys`.
///
/// # Errors
///
/// When it is something else, or only a part of the list.
pub(super) fn access_keys(path: &Path) -> Result<Vec<Listed>, InputError> {
    parse_access_keys(&name(path), &bytes(path)?)
}

/// Parses the ids of access keys.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_access_keys(file: &str, bytes: &[u8]) -> Result<Vec<Listed>, InputError> {
    saved_keys(bytes).map_err(|what| what.of(file))
}

fn saved_keys(bytes: &[u8]) -> Result<Vec<Listed>, What> {
    let listed = list(bytes, LIST_ACCESS_KEYS, "AccessKeyMetadata", |answer| answer.access_key_metadata)?;
    let key = |saved: SavedKey| {
        let created = moment(&saved.create_date, LIST_ACCESS_KEYS)?;
        let active = saved.status == "Active";
        if crate::arguments::key_id(&saved.access_key_id).is_err() {
            let what = format!("`{}` is not the id of an access key", cut(&escape(&saved.access_key_id), 64));
            return Err(What::Unexpected(LIST_ACCESS_KEYS, what));
        }
        Ok(Listed { user: saved.user_name, id: saved.access_key_id, created, active })
    };
    listed.into_iter().map(key).collect()
}

/// The list in the output of the command.
fn list<T>(
    bytes: &[u8],
    command: &'static str,
    member: &str,
    list: impl Fn(Answer) -> Option<Vec<T>>,
) -> Result<Vec<T>, What> {
    let answer: Answer = serde_json::from_slice(&utf8(bytes))?;
    if answer.next_token.is_some() || answer.is_truncated {
        return Err(What::PartOfAnswer(command));
    }
    list(answer).ok_or_else(|| What::Unexpected(command, format!("it has no \"{member}\"")))
}

fn address(text: &str, command: &'static str) -> Result<IpAddr, What> {
    text.parse().map_err(|_| What::Unexpected(command, format!("`{}` is not an address", cut(&escape(text), 64))))
}

fn moment(text: &str, command: &'static str) -> Result<DateTime<Utc>, What> {
    let what = || What::Unexpected(command, format!("`{}` is not a time", cut(&escape(text), 64)));
    rfc3339(text).ok_or_else(what)
}

/// The Region of an Availability Zone, a Local Zone or a border group: `eu-central-1a`, `us-west-2-lax-1a`.
fn region_of(zone: &str) -> Option<String> {
    let mut end = 0;
    for part in zone.split('-') {
        end += part.len() + 1;
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            return zone.get(..end - 1 - (part.len() - digits)).map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use aws::error::chain;

    use super::*;

    #[test]
    fn the_region_is_that_of_the_zone() {
        let zones = ["eu-central-1a", "us-west-2-lax-1a", "us-gov-west-1b", "us-east-1", "us-east-1-wl1-bos-wlz-1"];
        let regions = zones.map(|zone| region_of(zone).unwrap());
        assert_eq!(regions, ["eu-central-1", "us-west-2", "us-gov-west-1", "us-east-1", "us-east-1"]);
        assert_eq!(region_of("Frankfurt"), None);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let interfaces = |text: &str| chain(&saved_interfaces(text.as_bytes(), &mut Networks::default()).unwrap_err());
        let keys = |text: &str| chain(&saved_keys(text.as_bytes()).unwrap_err());
        insta::assert_snapshot!(interfaces("{}"), @r#"not what `aws ec2 describe-network-interfaces` prints: it has no "NetworkInterfaces""#);
        insta::assert_snapshot!(interfaces("[]"), @"cannot be read as JSON: invalid length 0, expected a map at line 1 column 2");
        insta::assert_snapshot!(interfaces(r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Association": {"PublicIp": "none"}}]}"#), @"not what `aws ec2 describe-network-interfaces` prints: `none` is not an address");
        insta::assert_snapshot!(interfaces(r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Attachment": {"AttachTime": "now"}}]}"#), @"not what `aws ec2 describe-network-interfaces` prints: `now` is not a time");
        insta::assert_snapshot!(keys(r#"{"AccessKeyMetadata": [], "NextToken": "x"}"#), @r#"the list is not whole ("NextToken"); `aws iam list-access-keys` without --max-items is"#);
    }
}
