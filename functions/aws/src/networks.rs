//! The account's own networks: its network interfaces and Elastic IP addresses, in all Regions.
//!
//! See <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAddresses.html>. Everything in a VPC has an interface:
//! instances, NAT gateways, load balancers, functions and tasks.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;

use aws_config::{Region, SdkConfig};
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use futures_util::{StreamExt, stream};
use hygiene::source::Unavailable;
use hygiene::text::sentence;
use hygiene::time::rfc3339;
use hygiene::trace::{ADDRESSES, Address, Gap, INTERFACES, Interface, Networks, Prefix, owns_instance};

use crate::error::{CallError, chain};
use crate::permission::Permission;
use crate::query::{Query, child};
use crate::retry::Retry;

/// The permissions to read the networks.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "ec2:DescribeNetworkInterfaces",
        resource: "*",
        purpose: "finds the account's own thing that has the address of a call",
        condition: None,
    },
    Permission {
        action: "ec2:DescribeAddresses",
        resource: "*",
        purpose: "finds an address that is the account's, but on none of its interfaces",
        condition: None,
    },
];

/// The maximum number of Regions at once, with two calls each.
const AT_ONCE: usize = 32;
/// Of 1,000 interfaces each.
const PAGES: usize = 1_000;

const fn query(operation: &'static str) -> Query {
    Query { service: "EC2", name: "ec2", version: "2016-11-15", operation }
}

/// Reads the networks of the Regions. A Region that cannot be read is a gap.
pub async fn read(sdk: &SdkConfig, regions: &[String], retry: &Retry) -> (Networks, Vec<Gap>) {
    let of_region = |region: &String| {
        let region = region.clone();
        async move {
            let sdk = sdk.to_builder().region(Region::new(region.clone())).build();
            let read = tokio::join!(
                interfaces(&sdk, retry),
                query("DescribeAddresses").call(&sdk, &[], addresses, retry.clone())
            );
            (region, read)
        }
    };
    let mut networks = Networks::default();
    let mut gaps = Vec::new();
    let mut regions = stream::iter(regions).map(of_region).buffer_unordered(AT_ONCE);
    while let Some((region, (interfaces, addresses))) = regions.next().await {
        let unread = |what: &str, error: CallError| Gap {
            region: Some(region.clone()),
            ..Gap::of(what, &Unavailable::Unreadable(sentence(&chain(&error))))
        };
        match interfaces {
            Ok(interfaces) => {
                for interface in interfaces {
                    networks.add_interface(&Interface { region: Some(region.clone()), ..interface });
                }
            }
            Err(error) => gaps.push(unread(INTERFACES, error)),
        }
        match addresses {
            Ok(addresses) => {
                for address in addresses {
                    networks.add_address(Address { region: Some(region.clone()), ..address });
                }
            }
            Err(error) => gaps.push(unread(ADDRESSES, error)),
        }
    }
    drop(regions);
    gaps.sort();
    (networks, gaps)
}

async fn interfaces(sdk: &SdkConfig, retry: &Retry) -> Result<Vec<Interface>, CallError> {
    let query = query("DescribeNetworkInterfaces");
    let mut interfaces = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        // Without `IncludeManagedResources` those that a service manages, such as EKS Auto Mode, are left out.
        let mut parameters = vec![("MaxResults", "1000"), ("IncludeManagedResources", "true")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = query.call(sdk, &parameters, page, retry.clone()).await?;
        interfaces.extend(page.interfaces);
        match page.next_token.filter(|token| !token.is_empty()) {
            Some(next) if token.as_ref() == Some(&next) => {
                return Err(CallError::unexpected(query.operation, "AWS returned the same page again"));
            }
            Some(next) => token = Some(next),
            None => return Ok(interfaces),
        }
    }
    Err(CallError::unexpected(query.operation, "the list has no end"))
}

#[derive(Debug)]
struct Page {
    interfaces: Vec<Interface>,
    next_token: Option<String>,
}

fn page(body: &[u8]) -> Result<Page, XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    let (mut interfaces, mut next_token) = (None, None);
    while let Some(mut part) = root.next_tag() {
        match part.start_el().local() {
            "networkInterfaceSet" => interfaces = Some(items(&mut part, interface)?),
            "nextToken" => next_token = Some(text(&mut part)?),
            _ => {}
        }
    }
    Ok(Page { interfaces: interfaces.ok_or_else(no_list)?, next_token })
}

fn addresses(body: &[u8]) -> Result<Vec<Address>, XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    while let Some(mut part) = root.next_tag() {
        if part.start_el().matches("addressesSet") {
            return Ok(items(&mut part, address)?.into_iter().flatten().collect());
        }
    }
    Err(no_list())
}

/// Without this error, an answer that says nothing would be an account without networks.
fn no_list() -> XmlDecodeError {
    XmlDecodeError::custom("it has no list")
}

fn interface(item: &mut ScopedDecoder<'_, '_>) -> Result<Interface, XmlDecodeError> {
    let mut interface = Interface::default();
    let (mut public, mut instance_owner) = (BTreeSet::new(), None);
    while let Some(mut member) = item.next_tag() {
        let name = member.start_el().local().to_owned();
        match name.as_str() {
            "networkInterfaceId" => interface.id = text(&mut member)?,
            "ownerId" => interface.owner = given(&mut member)?,
            "vpcId" => interface.vpc = given(&mut member)?,
            "interfaceType" => interface.kind = text(&mut member)?,
            "description" => interface.description = text(&mut member)?,
            "attachment" => instance_owner = attachment(&mut member, &mut interface)?,
            "association" => public.extend(ip(&mut member, "publicIp")?),
            "ipv6AddressesSet" => {
                public.extend(items(&mut member, |item| ip(item, "ipv6Address"))?.into_iter().flatten());
            }
            "ipv6PrefixSet" => {
                interface.prefixes = items(&mut member, |item| child(item, "ipv6Prefix"))?
                    .into_iter()
                    .flatten()
                    .map(|text| {
                        Prefix::parse(&text).ok_or_else(|| XmlDecodeError::custom("it has something else for a prefix"))
                    })
                    .collect::<Result<_, _>>()?;
            }
            "privateIpAddressesSet" => {
                let associated = items(&mut member, |item| {
                    let mut associated = None;
                    while let Some(mut member) = item.next_tag() {
                        if member.start_el().matches("association") {
                            associated = ip(&mut member, "publicIp")?;
                        }
                    }
                    Ok(associated)
                });
                public.extend(associated?.into_iter().flatten());
            }
            _ => {}
        }
    }
    interface.public = public.into_iter().collect();
    // The owners come in any order.
    if !owns_instance(interface.owner.as_deref(), instance_owner.as_deref()) {
        interface.instance = None;
    }
    Ok(interface)
}

/// Returns the account of the instance. While it is being attached or detached, since when it has its addresses is not certain.
fn attachment(member: &mut ScopedDecoder<'_, '_>, interface: &mut Interface) -> Result<Option<String>, XmlDecodeError> {
    let (mut instance, mut attached, mut status, mut owner) = (None, None, None, None);
    while let Some(mut part) = member.next_tag() {
        let name = part.start_el().local().to_owned();
        match name.as_str() {
            "instanceId" => instance = given(&mut part)?,
            "instanceOwnerId" => owner = given(&mut part)?,
            "attachTime" => attached = rfc3339(&text(&mut part)?),
            "status" => status = Some(text(&mut part)?),
            _ => {}
        }
    }
    if status.is_none_or(|status| status == "attached") {
        (interface.instance, interface.attached) = (instance, attached);
    }
    Ok(owner)
}

/// An Elastic IP address has one address, in a Wavelength Zone that of the carrier.
fn address(item: &mut ScopedDecoder<'_, '_>) -> Result<Vec<Address>, XmlDecodeError> {
    let (mut public, mut owner, mut id) = (Vec::new(), None, None);
    while let Some(mut member) = item.next_tag() {
        let name = member.start_el().local().to_owned();
        match name.as_str() {
            "publicIp" | "carrierIp" => public.extend(parsed(&text(&mut member)?)?),
            "allocationId" => id = given(&mut member)?,
            "networkInterfaceOwnerId" => owner = given(&mut member)?,
            _ => {}
        }
    }
    let address = |address| Address { address, owner: owner.clone(), region: None, id: id.clone() };
    Ok(public.into_iter().map(address).collect())
}

/// The items of a list.
fn items<T>(
    list: &mut ScopedDecoder<'_, '_>,
    read: impl Fn(&mut ScopedDecoder<'_, '_>) -> Result<T, XmlDecodeError>,
) -> Result<Vec<T>, XmlDecodeError> {
    let mut items = Vec::new();
    while let Some(mut item) = list.next_tag() {
        items.push(read(&mut item)?);
    }
    Ok(items)
}

fn text(element: &mut ScopedDecoder<'_, '_>) -> Result<String, XmlDecodeError> {
    Ok(try_data(element)?.into_owned())
}

/// The text, unless it is empty.
fn given(element: &mut ScopedDecoder<'_, '_>) -> Result<Option<String>, XmlDecodeError> {
    Ok(Some(text(element)?).filter(|text| !text.is_empty()))
}

/// The address in the element's child of that name.
fn ip(element: &mut ScopedDecoder<'_, '_>, name: &str) -> Result<Option<IpAddr>, XmlDecodeError> {
    parsed(&child(element, name)?.unwrap_or_default())
}

/// An address that is left out would make its calls come from outside.
fn parsed(address: &str) -> Result<Option<IpAddr>, XmlDecodeError> {
    if address.is_empty() {
        return Ok(None);
    }
    address.parse().map(Some).map_err(|_| XmlDecodeError::custom("it has something else for an address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(items: &str) -> String {
        format!(
            "<DescribeNetworkInterfacesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>fc45294c-006b-457b-bab9-012f5b3b0e40</requestId><networkInterfaceSet>{items}</networkInterfaceSet>\
             </DescribeNetworkInterfacesResponse>"
        )
    }

    fn only(item: &str) -> Interface {
        let [interface] = page(response(item).as_bytes()).unwrap().interfaces.try_into().unwrap();
        interface
    }

    /// The interface of AWS's example response, with a public address.
    const INSTANCE: &str = "<item>
         <networkInterfaceId>eni-a66ed5cf</networkInterfaceId>
         <subnetId>subnet-cd8a35a4</subnetId>
         <vpcId>vpc-f28a359b</vpcId>
         <availabilityZone>ap-southeast-1b</availabilityZone>
         <description>Primary network interface</description>
         <ownerId>053230519467</ownerId>
         <requesterManaged>false</requesterManaged>
         <status>in-use</status>
         <macAddress>02:78:d7:00:8a:1e</macAddress>
         <privateIpAddress>10.0.1.233</privateIpAddress>
         <sourceDestCheck>true</sourceDestCheck>
         <groupSet><item><groupId>sg-a2a0b2ce</groupId><groupName>quick-start-1</groupName></item></groupSet>
         <attachment>
           <attachmentId>eni-attach-a99c57c0</attachmentId>
           <instanceId>i-0598c7d356eba48d7</instanceId>
           <instanceOwnerId>053230519467</instanceOwnerId>
           <deviceIndex>0</deviceIndex>
           <status>attached</status>
           <attachTime>2012-06-27T20:08:44.000Z</attachTime>
           <deleteOnTermination>true</deleteOnTermination>
         </attachment>
         <association>
           <publicIp>198.51.100.0</publicIp>
           <publicDnsName>ec2-198-51-100-0.compute.amazonaws.com</publicDnsName>
           <ipOwnerId>amazon</ipOwnerId>
         </association>
         <tagSet/>
         <privateIpAddressesSet>
           <item>
             <privateIpAddress>10.0.1.233</privateIpAddress>
             <primary>true</primary>
             <association><publicIp>198.51.100.0</publicIp><ipOwnerId>amazon</ipOwnerId></association>
           </item>
           <item>
             <privateIpAddress>10.0.1.20</privateIpAddress>
             <primary>false</primary>
             <association><publicIp>203.0.113.41</publicIp><ipOwnerId>053230519467</ipOwnerId></association>
           </item>
           <item><privateIpAddress>10.0.1.21</privateIpAddress><primary>false</primary></item>
         </privateIpAddressesSet>
         <ipv6AddressesSet>
           <item><ipv6Address>2001:db8:1234:1a00::123</ipv6Address></item>
           <item><ipv6Address>2001:db8:1234:1a00::456</ipv6Address></item>
         </ipv6AddressesSet>
         <interfaceType>interface</interfaceType>
       </item>";

    #[test]
    fn an_interface_is_read_with_all_its_public_addresses() {
        let addresses = ["198.51.100.0", "203.0.113.41", "2001:db8:1234:1a00::123", "2001:db8:1234:1a00::456"];
        let expected = Interface {
            id: "eni-a66ed5cf".to_owned(),
            owner: Some("053230519467".to_owned()),
            region: None,
            vpc: Some("vpc-f28a359b".to_owned()),
            kind: "interface".to_owned(),
            description: "Primary network interface".to_owned(),
            instance: Some("i-0598c7d356eba48d7".to_owned()),
            attached: rfc3339("2012-06-27T20:08:44Z"),
            prefixes: Vec::new(),
            public: addresses.map(|address| address.parse().unwrap()).to_vec(),
        };
        assert_eq!(only(INSTANCE), expected);
    }

    #[test]
    fn an_interface_that_is_not_attached_has_no_time() {
        for status in ["attaching", "detaching", "detached", ""] {
            let item = INSTANCE.replace("<status>attached</status>", &format!("<status>{status}</status>"));
            let interface = only(&item);
            assert_eq!((interface.instance, interface.attached), (None, None), "{status}");
        }
        let nat = only(
            "<item><networkInterfaceId>eni-1</networkInterfaceId><interfaceType>nat_gateway</interfaceType>\
             <description>Interface for NAT Gateway nat-1</description><attachment><instanceOwnerId>amazon-aws</instanceOwnerId>\
             <status>attached</status><attachTime>2026-01-01T00:00:00.000Z</attachTime></attachment></item>",
        );
        assert_eq!((nat.instance, nat.attached), (None, rfc3339("2026-01-01T00:00:00Z")));
        assert_eq!(only("<item><networkInterfaceId>eni-2</networkInterfaceId></item>").attached, None);
    }

    #[test]
    fn a_page_has_the_token_of_the_next() {
        let body = response("").replace("</networkInterfaceSet>", "</networkInterfaceSet><nextToken>abc</nextToken>");
        assert_eq!(page(body.as_bytes()).unwrap().next_token.as_deref(), Some("abc"));
        assert_eq!(page(response("").as_bytes()).unwrap().next_token, None);
        for nothing in [
            "<DescribeNetworkInterfacesResponse/>",
            "{}",
            &response(
                "<item><association><publicIp>x</publicIp>\
             </association></item>",
            ),
        ] {
            assert!(page(nothing.as_bytes()).is_err(), "{nothing}");
        }
    }

    #[test]
    fn elastic_addresses_are_read() {
        // AWS's example response.
        let body = b"<DescribeAddressesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">
             <requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId>
             <addressesSet>
               <item><publicIp>198.51.100.2</publicIp><domain>standard</domain><instanceId/></item>
               <item>
                 <publicIp>203.0.113.41</publicIp>
                 <allocationId>eipalloc-08229861</allocationId>
                 <domain>vpc</domain>
                 <instanceId>i-0598c7d356eba48d7</instanceId>
                 <associationId>eipassoc-f0229899</associationId>
                 <networkInterfaceId>eni-ef229886</networkInterfaceId>
                 <networkInterfaceOwnerId>053230519467</networkInterfaceOwnerId>
                 <privateIpAddress>10.0.0.228</privateIpAddress>
               </item>
             </addressesSet>
           </DescribeAddressesResponse>";
        let plain = |address: &str| Address { address: address.parse().unwrap(), owner: None, region: None, id: None };
        let owned = Address {
            owner: Some("053230519467".to_owned()),
            id: Some("eipalloc-08229861".to_owned()),
            ..plain("203.0.113.41")
        };
        assert_eq!(addresses(body).unwrap(), [plain("198.51.100.2"), owned]);
        assert!(addresses(b"<DescribeAddressesResponse/>").is_err());
    }
}
