//! The place that an event came from: by its address in the networks that were read, then by what the program says of itself.

use std::net::IpAddr;

use crate::event::Event;
use crate::organization::is_account_id;
use crate::text::{cut, escape, moment};
use crate::time::Time;
use crate::trace::agent::Agent;
use crate::trace::network::{Holder, Interface, is_private};
use crate::trace::{Conditions, Kind, StoredIn};

/// The place that an event came from. Events of the same place are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) kind: Kind,
    pub(super) what: String,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
    pub(super) address: Option<String>,
    pub(super) program: Option<String>,
    pub(super) stored_in: StoredIn,
    pub(super) is_person: bool,
}

/// An event that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Evidence {
    pub(super) time: Option<Time>,
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) address: Option<String>,
    pub(super) client: Option<String>,
    /// What shows the place, with the time since when.
    pub(super) proof: String,
}

/// The service of an event by its short name: `ec2`.
pub(super) fn service(event: &Event) -> String {
    event.source.split('.').next().unwrap_or_default().to_owned()
}

/// The maximum number of characters of untrusted text in a sentence.
const SHOWN: usize = 128;

pub(super) fn shown(text: &str) -> String {
    cut(&escape(text), SHOWN).into_owned()
}

/// Where an event came from, and what shows it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) what: String,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
    pub(super) proof: String,
}

impl Place {
    fn new(kind: Kind, what: impl Into<String>, proof: impl Into<String>) -> Self {
        Self { kind, what: what.into(), account: None, region: None, proof: proof.into() }
    }

    fn unknown(proof: impl Into<String>) -> Self {
        Self::new(Kind::Unknown, "unknown place", proof)
    }
}

impl Conditions<'_> {
    /// The place of the event, by its address and VPC endpoint, then by what the program says of itself.
    pub(super) fn place(&self, event: &Event, agent: Agent<'_>) -> Place {
        let (Some(time), Some(from)) = (event.time, event.address.as_deref()) else {
            return Place::unknown("and the event lacks its time or its address");
        };
        if agent.is_cloud_shell() {
            return Place::new(
                Kind::Outside,
                "AWS CloudShell",
                "with a user agent that names the execution environment CloudShell",
            );
        }
        let by_network = match address(from) {
            Some(address) => self.network(event, address, time),
            None => Err(Place::unknown("which is no address")),
        };
        by_network.unwrap_or_else(|otherwise| compute(agent).or_else(|| service_of(event)).unwrap_or(otherwise))
    }

    /// The place in the networks that were read; otherwise, as an error, what the address shows without them.
    fn network(&self, event: &Event, address: IpAddr, time: Time) -> Result<Place, Place> {
        if is_private(address) {
            return self
                .endpoint(event)
                .unwrap_or_else(|| Err(Place::unknown("a private address, which can be in any network")));
        }
        match self.networks.holder(address, time) {
            Holder::One(interface, attached) => self.interface(interface, attached),
            Holder::Doubtful(interface) => Err(doubtful(interface)),
            // The addresses of a VPC are not always private.
            Holder::None => self.endpoint(event).unwrap_or_else(|| self.no_interface(address)),
        }
    }

    fn interface(&self, interface: &Interface, attached: Option<Time>) -> Result<Place, Place> {
        let id = shown(&interface.id);
        let since = attached.map_or_else(
            || "since when is not known".to_owned(),
            |attached| format!("which was attached on {}", moment(attached)),
        );
        let proof = format!("an address of {id}, {since}");
        let nat = interface.nat_gateway().map(shown);
        let thing = match (&interface.instance, nat) {
            (Some(instance), _) => shown(instance),
            (None, Some(nat)) => nat,
            (None, None) => id,
        };
        let kind = if interface.instance.is_some() { Kind::OwnInstance } else { Kind::OwnNetwork };
        self.owned(kind, interface, thing, proof)
    }

    /// The thing with the interface, which is the account's, or another account's.
    fn owned(&self, kind: Kind, interface: &Interface, thing: String, proof: String) -> Result<Place, Place> {
        let Some(account) = self.account_id else {
            return Err(Place::unknown(format!("{proof}, but which account is traced is not known")));
        };
        let owner = interface.owner.as_deref().unwrap_or(account);
        let thing = match &interface.vpc {
            Some(vpc) if kind == Kind::OwnNetwork => format!("{thing} in {}", shown(vpc)),
            Some(_) | None => thing,
        };
        let (kind, what) = if owner == account {
            (kind, thing)
        } else {
            (Kind::OrganizationNetwork, format!("{thing} of account {}", shown(owner)))
        };
        let (account, region) = (Some(owner.to_owned()), interface.region.clone());
        Ok(Place { account, region, ..Place::new(kind, what, proof) })
    }

    /// The place behind the event's VPC endpoint, if it has one. An endpoint's id is never used again, so no time is needed.
    fn endpoint(&self, event: &Event) -> Option<Result<Place, Place>> {
        let endpoint = event.endpoint.as_deref()?;
        let id = shown(endpoint);
        if let Some(interface) = self.networks.endpoint(endpoint) {
            let known = event.endpoint_account.as_deref().zip(interface.owner.as_deref());
            if let Some((recorded, owner)) = known.filter(|(recorded, owner)| recorded != owner) {
                let (recorded, owner) = (shown(recorded), shown(owner));
                let proof = format!(
                    "through the VPC endpoint {id}, by the event of account {recorded}, by its interface of {owner}"
                );
                return Some(Err(Place::unknown(proof)));
            }
            let proof = format!("through the VPC endpoint {id} with the interface {}", shown(&interface.id));
            return Some(self.owned(Kind::OwnNetwork, interface, id, proof));
        }
        let proof = format!("through the VPC endpoint {id}");
        Some(match (event.endpoint_account.as_deref(), self.account_id) {
            (Some(owner), Some(account)) if owner == account => Ok(Place {
                account: Some(owner.to_owned()),
                region: event.region.clone(),
                ..Place::new(Kind::OwnNetwork, id, proof + " of this account")
            }),
            (Some(owner), Some(_)) => {
                let what = format!("{id} of account {}", shown(owner));
                Err(Place { account: Some(owner.to_owned()), ..Place::new(Kind::Outside, what, proof) })
            }
            (_, _) => Err(Place::unknown(proof + ", whose account is not known")),
        })
    }

    /// The place of a public address that no interface has.
    fn no_interface(&self, address: IpAddr) -> Result<Place, Place> {
        if let Some(elastic) = self.networks.elastic(address) {
            let id = elastic.id.as_deref().map_or_else(|| "an Elastic IP address".to_owned(), shown);
            return match (elastic.owner.as_deref(), self.account_id) {
                // A service of AWS has the interface of some: `amazon-rds`.
                (Some(owner), Some(account)) if owner != account && is_account_id(owner) => Ok(Place {
                    account: Some(owner.to_owned()),
                    region: elastic.region.clone(),
                    ..Place::new(
                        Kind::OrganizationNetwork,
                        format!("{id} of account {}", shown(owner)),
                        "its Elastic IP address",
                    )
                }),
                (_, _) => Err(Place::unknown(format!("{id}, an address that was read, but not on an interface"))),
            };
        }
        Err(if self.unread_networks.iter().any(|gap| gap.what == INTERFACES) {
            Place::unknown("an address in no network that was read, and some were not read")
        } else {
            Place::new(Kind::Outside, OUTSIDE, "an address of no network interface that was read")
        })
    }
}

/// What an address outside is, of which nothing else is known.
pub(super) const OUTSIDE: &str = "outside the account";

/// An address, also with the leading zeros of AWS's examples: `172.01.01.001`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let decimal = || {
        let parts = text.split('.').map(str::parse).collect::<Result<Vec<u8>, _>>().ok()?;
        Some(IpAddr::from(<[u8; 4]>::try_from(parts).ok()?))
    };
    text.parse().ok().or_else(decimal).map(|address| address.to_canonical())
}

/// What a gap in the network interfaces is about.
pub const INTERFACES: &str = "network interfaces";
/// What a gap in the Elastic IP addresses is about.
pub const ADDRESSES: &str = "Elastic IP addresses";

fn doubtful(interface: &Interface) -> Place {
    let id = shown(&interface.id);
    let since = interface.attached.map_or_else(
        || "since when is not known".to_owned(),
        |attached| format!("which was attached on {}, or another one had it before", moment(attached)),
    );
    Place::unknown(format!("now an address of {id}, {since}"))
}

/// AWS's compute services and pipelines, by what the program says of itself.
fn compute(agent: Agent<'_>) -> Option<Place> {
    if let Some(environment) = agent.compute() {
        let proof = format!("with a user agent that names the execution environment {}", shown(environment));
        return Some(Place::new(Kind::AwsCompute, compute_called(environment), proof));
    }
    let pipeline = agent.pipeline()?;
    Some(Place::new(Kind::Ci, pipeline, format!("with the user agent of {pipeline}")))
}

/// The service by `AWS_EXECUTION_ENV`. `CodeBuild` calls itself ECS on EC2.
fn compute_called(environment: &str) -> String {
    match environment.strip_prefix("AWS_Lambda_") {
        Some(runtime) => format!("AWS Lambda ({})", shown(runtime)),
        None if environment == "AWS_ECS_FARGATE" => "AWS Fargate".to_owned(),
        None if environment == "AWS_ECS_EC2" => "Amazon ECS on EC2, or AWS CodeBuild".to_owned(),
        None if environment == "EC2" => "Amazon EC2".to_owned(),
        None => shown(environment),
    }
}

/// A service of AWS that called on somebody's behalf.
fn service_of(event: &Event) -> Option<Place> {
    let is_service = |name: &&str| name.contains(".amazonaws.com") || name.starts_with("AWS Internal");
    let invoked_by = event.caller.invoked_by.as_deref();
    let name = invoked_by.or_else(|| event.address.as_deref().filter(is_service))?;
    Some(Place::new(Kind::ServiceOnBehalf, shown(name), "the address of a service, which called on somebody's behalf"))
}
