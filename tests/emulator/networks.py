"""The network interfaces and Elastic IP addresses of an account: EC2's DescribeNetworkInterfaces and DescribeAddresses.

Both are in the form in which the AWS CLI prints them. The functions build interfaces as AWS publishes and people quote them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAddresses.html
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from emulator import clock, pages
from emulator.account import ACCOUNT, Account
from emulator.answers import Answer, Refused
from emulator.regions import Regions

if TYPE_CHECKING:  # The sample accounts, which identities are made from, have networks.
    from emulator.identity import Identities

SERVICE = "ec2"
LEAST, MOST = 5, 1000
"""The limits of MaxResults."""

VPC = "vpc-0a1b2c3d4e5f60718"
AMAZON = "amazon-aws"
"""The owner of instances that a service of AWS attaches an interface to."""

Item = dict[str, Any]


# What is in an account


def address(private: str, public: str | None = None, *, elastic: bool = False, primary: bool = True) -> Item:
    """A private IPv4 address, and the public one that it has: from Amazon's pool, or with `elastic` an Elastic IP address."""
    found: Item = {"Primary": primary, "PrivateIpAddress": private}
    if public is not None:
        found["Association"] = {"IpOwnerId": ACCOUNT if elastic else "amazon", "PublicIp": public}
    if elastic:
        found["Association"] |= {"AllocationId": _id("eipalloc", public), "AssociationId": _id("eipassoc", public)}
    return found


def interface(
    *addresses: Item | str,
    ipv6: Sequence[str] = (),
    kind: str = "interface",
    description: str = "",
    attachment: Item | None = None,
    requester: str | None = None,
    owner: str = ACCOUNT,
    vpc: str = VPC,
    **more: Any,
) -> Item:
    """A network interface; its first address is the primary one. `requester` is the service that manages it; `more` adds or
    replaces fields."""
    private = [address(one, primary=not place) if isinstance(one, str) else one for place, one in enumerate(addresses)]
    names = [one["PrivateIpAddress"] for one in private]
    found: Item = {
        "Description": description,
        "Groups": [{"GroupId": _id("sg", vpc), "GroupName": "default"}],
        "InterfaceType": kind,
        "Ipv6Addresses": [{"Ipv6Address": one, "IsPrimaryIpv6": False} for one in ipv6],
        "MacAddress": "02:2f:8f:b0:cf:75",
        "NetworkInterfaceId": _id("eni", owner, vpc, description, *names, *ipv6),
        "OwnerId": owner,
        "PrivateIpAddresses": private,
        "RequesterManaged": requester is not None,
        "SourceDestCheck": kind != "nat_gateway",
        "Status": "in-use" if attachment else "available",
        "SubnetId": _id("subnet", vpc),
        "TagSet": [],
        "VpcId": vpc,
        "Operator": {"Managed": False},
    }
    if attachment is not None:
        found["Attachment"] = attachment
    if requester is not None:
        found["RequesterId"] = requester
    if private:
        found["PrivateIpAddress"] = names[0]
        if "Association" in private[0]:
            found["Association"] = private[0]["Association"]
    if ipv6:
        found["Ipv6Address"] = ipv6[0]
    return {**found, **more}


def of_instance(
    instance: str, *addresses: Item | str, attached: str = "-30d", index: int = 0, owner: str = ACCOUNT, **more: Any
) -> Item:
    """An interface that was attached to an instance, at a time that is relative to now or absolute."""
    attachment = {
        "AttachTime": clock.stamp(clock.moment(attached, clock.now())),
        "AttachmentId": _id("eni-attach", instance, str(index)),
        "DeleteOnTermination": index == 0,
        "DeviceIndex": index,
        "InstanceId": instance,
        "InstanceOwnerId": owner,
        "NetworkCardIndex": 0,
        "Status": "attached",
    }
    return interface(*addresses, attachment=attachment, owner=owner, **more)


def of_nat_gateway(gateway: str, *addresses: Item | str, **more: Any) -> Item:
    """A NAT gateway's interface. AWS returns the type `nat_gateway`; the API's model has `natGateway`."""
    description = f"Interface for NAT Gateway {gateway}"
    options = {"kind": "nat_gateway", "requester": f"{ACCOUNT}:nat", "description": description}
    return interface(*addresses, attachment=_attachment(gateway, kind="ela-attach"), **{**options, **more})


def of_task(task: str, *addresses: Item | str, region: str = "eu-central-1", **more: Any) -> Item:
    """The interface of a task on AWS Fargate."""
    number = uuid.uuid5(uuid.NAMESPACE_OID, task)
    options = {
        "description": f"arn:aws:ecs:{region}:{ACCOUNT}:attachment/{number}",
        "requester": "578734482556",
        # The account of the service.
        "attachment": {**_attachment(task, index=1), "InstanceOwnerId": "578734482556"},
    }
    return interface(*addresses, **{**options, **more})


def of_function(name: str, *addresses: Item | str, **more: Any) -> Item:
    """The interface that Lambda functions with the same subnet and security groups share; it has the name of one of them."""
    description = f"AWS Lambda VPC ENI-{name}-{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
    options = {"kind": "lambda", "requester": "AROAEXAMPLEID:lambda", "description": description}
    return interface(*addresses, attachment=_attachment(name, index=1, kind="ela-attach"), **{**options, **more})


def of_vpc_endpoint(endpoint: str, *addresses: Item | str, **more: Any) -> Item:
    """The interface of a VPC endpoint."""
    description = f"VPC Endpoint Interface {endpoint}"
    options = {"kind": "vpc_endpoint", "requester": "727180483921", "description": description}
    return interface(*addresses, attachment=_attachment(endpoint, kind="ela-attach"), **{**options, **more})


def managed(one: Item, principal: str = "eks.amazonaws.com", hidden: bool = True) -> Item:
    """The interface as one of a service, which is listed only with IncludeManagedResources if it is `hidden`."""
    return {**one, "Operator": {"Managed": True, "Principal": principal, "HiddenByDefault": hidden}}


def elastic_address(public: str, *, of: Item | None = None, **more: Any) -> Item:
    """An Elastic IP address, of an interface that has it or of none; `more` adds fields, such as `ServiceManaged`."""
    found: Item = {
        "AllocationId": _id("eipalloc", public),
        "Domain": "vpc",
        "PublicIp": public,
        "PublicIpv4Pool": "amazon",
    }
    if of is not None:
        private = next(one for one in of["PrivateIpAddresses"] if one.get("Association", {}).get("PublicIp") == public)
        found |= {
            "AssociationId": _id("eipassoc", public),
            "NetworkInterfaceId": of["NetworkInterfaceId"],
            "NetworkInterfaceOwnerId": of["OwnerId"],
            "PrivateIpAddress": private["PrivateIpAddress"],
        }
        instance = of.get("Attachment", {}).get("InstanceId")
        found |= {"InstanceId": instance} if instance else {}
    return {**found, **more}


def _attachment(of: str, index: int = 1, kind: str = "eni-attach") -> Item:
    return {
        "AttachmentId": _id(kind, of),
        "DeleteOnTermination": False,
        "DeviceIndex": index,
        "InstanceOwnerId": AMAZON,
        "NetworkCardIndex": 0,
        "Status": "attached",
    }


def _id(prefix: str, *of: str) -> str:
    """Returns an id that is always the same for the same thing."""
    return f"{prefix}-0{hashlib.sha256('/'.join(of).encode()).hexdigest()[:16]}"


# The APIs


class Networks:
    """The interfaces and addresses of every account, which are part of the account's model."""

    def __init__(self, identities: Identities, regions: Regions) -> None:
        self._identities, self._regions = identities, regions

    def add_interfaces(self, region: str, interfaces: list[Item], account: str | None = None) -> None:
        """Adds interfaces; what depends on the Region is filled in when they are returned."""
        self._regions.check([region])
        for one in interfaces:
            _check(one, "NetworkInterfaceId", "PrivateIpAddresses")
        self._model(account).interfaces.setdefault(region, []).extend(interfaces)

    def add_addresses(self, region: str, addresses: list[Item], account: str | None = None) -> None:
        self._regions.check([region])
        for one in addresses:
            _check(one, "PublicIp")
        self._model(account).addresses.setdefault(region, []).extend(addresses)

    def forget(self) -> None:
        """Removes the interfaces and addresses of all Regions."""
        account = self._model(None)
        account.interfaces.clear()
        account.addresses.clear()

    def _model(self, account: str | None) -> Account:
        identity = self._identities.of(account or self._identities.main.account_id)
        identity.keep()
        return identity.account

    def describe_network_interfaces(self, account: str, region: str, body: bytes) -> Answer:
        parameters = self._parameters(region, body)
        found = self._identities.of(account).account.interfaces.get(region, [])
        if parameters.get("IncludeManagedResources") != "true":
            found = [one for one in found if not one.get("Operator", {}).get("HiddenByDefault")]
        found = _named(parameters, found, "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound")
        most = _most(parameters)
        signed = pages.signature(account, region, {**parameters, "NextToken": None})
        start = _start(parameters, signed)
        result = {"NetworkInterfaces": [_in_region(one, region) for one in found[start : start + most]]}
        if start + most < len(found):
            result["NextToken"] = pages.token(start + most, signed)
        return _answer("DescribeNetworkInterfaces", result)

    def describe_addresses(self, account: str, region: str, body: bytes) -> Answer:
        parameters = self._parameters(region, body)
        found = self._identities.of(account).account.addresses.get(region, [])
        found = _named(parameters, found, "PublicIp", "InvalidAddress.NotFound")
        found = _named(parameters, found, "AllocationId", "InvalidAllocationID.NotFound")
        return _answer("DescribeAddresses", {"Addresses": [{"NetworkBorderGroup": region, **one} for one in found]})

    def _parameters(self, region: str, body: bytes) -> dict[str, str]:
        if not self._regions.is_enabled(region):
            raise Refused(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        parameters = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        if "Filter.1.Name" in parameters:
            # No code of this project uses them.
            raise Refused(400, "InvalidParameterValue", f"The filter '{parameters['Filter.1.Name']}' is not emulated")
        return parameters


def _check(item: Item, *needed: str) -> None:
    missing = [name for name in needed if name not in item]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")


def _in_region(one: Item, region: str) -> Item:
    """Fills in zone and DNS names."""
    internal = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    external = "compute-1.amazonaws.com" if region == "us-east-1" else f"{region}.compute.amazonaws.com"

    def public(association: Item) -> Item:
        return {"PublicDnsName": f"ec2-{association['PublicIp'].replace('.', '-')}.{external}", **association}

    def named(item: Item) -> Item:
        if "PrivateIpAddress" in item:
            item = {"PrivateDnsName": f"ip-{item['PrivateIpAddress'].replace('.', '-')}.{internal}", **item}
        return {**item, "Association": public(item["Association"])} if "Association" in item else item

    private = [named(item) for item in one["PrivateIpAddresses"]]
    return {"AvailabilityZone": f"{region}a", **named(one), "PrivateIpAddresses": private}


def _named(parameters: dict[str, str], items: list[Item], name: str, code: str) -> list[Item]:
    """Returns the items that `Name.1`, `Name.2` and so on ask for; all of them if the request has no names."""
    wanted = [value for key, value in parameters.items() if key.startswith(f"{name}.")]
    unknown = set(wanted) - {item.get(name) for item in items}
    if unknown:
        raise Refused(400, code, f"The ID '{min(unknown)}' does not exist")
    if wanted and {"MaxResults", "NextToken"} & parameters.keys():
        message = f"The parameter {name}s cannot be used with the parameter MaxResults"
        raise Refused(400, "InvalidParameterCombination", message)
    return [item for item in items if item[name] in wanted] if wanted else items


def _most(parameters: dict[str, str]) -> int:
    """Returns the size of a page. Without MaxResults there is only one page."""
    given = parameters.get("MaxResults")
    if given is None:
        return 10**9
    if not given.isdecimal() or not LEAST <= int(given) <= MOST:
        limit = (
            f"smaller than or equal to {MOST}" if given.isdecimal() and int(given) > MOST else f"greater than {LEAST}"
        )
        message = f"Value ( {given} ) for parameter maxResults is invalid. Expecting a value {limit}."
        raise Refused(400, "InvalidParameterValue", message)
    return int(given)


def _start(parameters: dict[str, str], signed: str) -> int:
    if "NextToken" not in parameters:
        return 0
    try:
        return pages.read(parameters["NextToken"], signed)
    except pages.InvalidToken as error:
        raise Refused(400, "InvalidPaginationToken", str(error)) from None


# The names of lists in the XML differ from those in the API.
_LISTS = {
    "NetworkInterfaces": "networkInterfaceSet",
    "Addresses": "addressesSet",
    "Groups": "groupSet",
    "Ipv6Addresses": "ipv6AddressesSet",
    "PrivateIpAddresses": "privateIpAddressesSet",
    "Tags": "tagSet",
}


def _answer(action: str, result: Item) -> Answer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid.uuid4()}</requestId>{_fields(result)}</{action}Response>"
    )
    return 200, {"Content-Type": "text/xml;charset=UTF-8"}, body.encode()


def _fields(item: Item) -> str:
    return "".join(_field(name, value) for name, value in item.items())


def _field(name: str, value: Any) -> str:
    tag = _LISTS.get(name, name[0].lower() + name[1:])
    if isinstance(value, dict):
        return f"<{tag}>{_fields(value)}</{tag}>"
    if isinstance(value, list):
        items = "".join(f"<item>{_fields(one)}</item>" for one in value)
        return f"<{tag}>{items}</{tag}>"
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{tag}>{text}</{tag}>"
