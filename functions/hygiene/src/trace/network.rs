//! The account's own networks: which of its things has an address, and since when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use crate::time::Time;

/// A network interface, as EC2's `DescribeNetworkInterfaces` returns it.
/// See <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html>.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// `eni-…`
    pub id: String,
    /// The account that owns it.
    pub owner: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// `interface`, `natGateway`, `vpc_endpoint` and others: AWS spells them in two ways.
    pub kind: String,
    /// What AWS or a person wrote about it. Untrusted text.
    pub description: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    /// When it was attached.
    pub attached: Option<Time>,
    /// Its public addresses, and those of IPv6.
    pub public: Vec<IpAddr>,
    /// Its prefixes of IPv6, as the nodes of a cluster have them.
    pub prefixes: Vec<Prefix>,
}

/// A prefix of IPv6 addresses: `2001:db8::/80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    start: Ipv6Addr,
    bits: u32,
}

impl Prefix {
    /// Parses a prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, bits) = text.split_once('/')?;
        let bits = bits.parse().ok().filter(|bits| (1..=128).contains(bits))?;
        Some(Self { start: start.parse().ok()?, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        let IpAddr::V6(address) = address else { return false };
        (u128::from(address) ^ u128::from(self.start)) >> (128 - self.bits) == 0
    }
}

impl Interface {
    /// Whether it has the kind, in either spelling: `natGateway` or `nat_gateway`.
    fn is(&self, kind: &str) -> bool {
        let letters = self.kind.chars().filter(|letter| *letter != '_' && *letter != '-');
        letters.map(|letter| letter.to_ascii_lowercase()).eq(kind.chars())
    }

    /// The id of the NAT gateway that it belongs to.
    pub(super) fn nat_gateway(&self) -> Option<&str> {
        let id = self.description.strip_prefix("Interface for NAT Gateway ").map(str::trim);
        id.filter(|id| id.starts_with("nat-")).or_else(|| self.is("natgateway").then_some("a NAT gateway"))
    }

    /// The id of the VPC endpoint that it belongs to. AWS's documentation has it with a colon, too.
    pub(super) fn endpoint(&self) -> Option<&str> {
        let id = self.description.strip_prefix("VPC Endpoint Interface")?.trim_start_matches(':').trim();
        id.starts_with("vpce-").then_some(id)
    }
}

/// Whether the instance that an interface is attached to is of the interface's account. Services attach interfaces of an account to
/// instances of theirs.
pub fn owns_instance(interface_owner: Option<&str>, instance_owner: Option<&str>) -> bool {
    interface_owner.zip(instance_owner).is_none_or(|(interface, instance)| interface == instance)
}

/// An Elastic IP address, as EC2's `DescribeAddresses` returns it.
/// See <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Address.html>. It does not say since when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The public address.
    pub address: IpAddr,
    /// The account that owns the interface it is associated with.
    pub owner: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// Its id, `eipalloc-…`.
    pub id: Option<String>,
}

/// The networks that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    by_address: BTreeMap<IpAddr, BTreeSet<Interface>>,
    with_prefix: BTreeSet<Interface>,
    by_endpoint: BTreeMap<String, BTreeSet<Interface>>,
    elastic: BTreeMap<IpAddr, Address>,
}

impl Networks {
    /// Adds an interface. Order does not matter; one that is there twice counts once.
    pub fn add_interface(&mut self, interface: &Interface) {
        for address in &interface.public {
            self.by_address.entry(address.to_canonical()).or_default().insert(interface.clone());
        }
        if !interface.prefixes.is_empty() {
            self.with_prefix.insert(interface.clone());
        }
        if let Some(endpoint) = interface.endpoint() {
            self.by_endpoint.entry(endpoint.to_owned()).or_default().insert(interface.clone());
        }
    }

    /// Adds an Elastic IP address.
    pub fn add_address(&mut self, address: Address) {
        let known = self.elastic.entry(address.address.to_canonical()).or_insert_with(|| address.clone());
        if address < *known {
            *known = address;
        }
    }

    /// The interface that had the address at that time: the one that was attached last before it. A public address is on one
    /// interface at a time, and lists can be of different days.
    pub(super) fn holder(&self, address: IpAddr, time: Time) -> Holder<'_> {
        let has_prefix = |interface: &&Interface| interface.prefixes.iter().any(|prefix| prefix.contains(address));
        let by_address = self.by_address.get(&address).into_iter().flatten();
        let interfaces: BTreeSet<&Interface> = by_address.chain(self.with_prefix.iter().filter(has_prefix)).collect();
        // EC2 does not say when a NAT gateway's interface was attached.
        if let Some(only) = interfaces.first()
            && interfaces.iter().all(|other| other.id == only.id)
            && only.attached.is_none()
            && only.nat_gateway().is_some()
        {
            return Holder::One(only, None);
        }
        let before = interfaces.iter().filter_map(|interface| Some((*interface, interface.attached?)));
        let latest = before.filter(|(_, attached)| *attached <= time).max_by_key(|(_, attached)| *attached);
        let Some((interface, attached)) = latest else {
            return interfaces.first().map_or(Holder::None, |interface| Holder::Doubtful(interface));
        };
        // Without its time, another one may have been attached later.
        let is_rival = |other: &Interface| other.attached.is_none_or(|other| other == attached);
        if interfaces.iter().any(|other| other.id != interface.id && is_rival(other)) {
            return Holder::Doubtful(interface);
        }
        Holder::One(interface, Some(attached))
    }

    /// An interface of the VPC endpoint, which has one in each subnet.
    pub(super) fn endpoint(&self, id: &str) -> Option<&Interface> {
        self.by_endpoint.get(id)?.first()
    }

    /// The Elastic IP address.
    pub(super) fn elastic(&self, address: IpAddr) -> Option<&Address> {
        self.elastic.get(&address)
    }
}

/// Which interface had an address at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder<'a> {
    /// This one, attached at the time before, or at one that EC2 does not say.
    One(&'a Interface, Option<Time>),
    /// None that was read has it.
    None,
    /// It has the address now, but not certainly then.
    Doubtful(&'a Interface),
}

/// Whether the address is in no public network: private, shared by carriers, link-local or loopback.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_link_local()
                || address.is_loopback()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback(),
    }
}
