"""The Regions of the emulated account: EC2's DescribeRegions.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
"""

from __future__ import annotations

import fnmatch
import uuid
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs

from emulator.answers import Answer, Refused

# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
DEFAULT = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)
OPT_IN = (
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
)

Region = dict[str, str]
"""One item of the response."""

_FILTERS = {"region-name": "regionName", "endpoint": "regionEndpoint", "opt-in-status": "optInStatus"}


class Regions:
    """The default Regions, which are always enabled, and the others, which the account opts in to."""

    def __init__(self) -> None:
        self._opted_in: set[str] = set()

    def reset(self) -> None:
        self._opted_in = set()

    def opt_in(self, names: Iterable[str]) -> None:
        """Enables these Regions, and no others, in addition to the default ones."""
        names = set(names)
        self.check(names)
        self._opted_in = names - set(DEFAULT)

    def check(self, names: Iterable[str]) -> None:
        unknown = set(names) - {*DEFAULT, *OPT_IN}
        if unknown:
            raise LookupError(f"there is no Region {', '.join(sorted(unknown))}")

    def is_enabled(self, name: str) -> bool:
        return name in DEFAULT or name in self._opted_in

    def describe_regions(self, _account: str, _region: str, body: bytes) -> Answer:
        parameters = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        names = _numbered(parameters, "RegionName")
        unknown = set(names) - {*DEFAULT, *OPT_IN}
        if unknown:
            raise Refused(400, "InvalidParameterValue", f"Invalid region names: [{', '.join(sorted(unknown))}]")
        found = self._all()
        if names:  # Also Regions that are not enabled.
            found = (region for region in found if region["regionName"] in names)
        elif parameters.get("AllRegions") != "true":
            found = (region for region in found if region["optInStatus"] != "not-opted-in")
        filters = _filters(parameters)
        items = "".join(map(_item, (region for region in found if _matches(region, filters))))
        return (
            200,
            {"Content-Type": "text/xml;charset=UTF-8"},
            (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
                f"<requestId>{uuid.uuid4()}</requestId><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
            ).encode(),
        )

    def _all(self) -> Iterator[Region]:
        for name in sorted({*DEFAULT, *OPT_IN}):
            opted = "opted-in" if name in self._opted_in else "not-opted-in"
            yield {
                "regionName": name,
                "regionEndpoint": f"ec2.{name}.amazonaws.com",
                "optInStatus": "opt-in-not-required" if name in DEFAULT else opted,
            }


def _numbered(parameters: dict[str, str], name: str) -> list[str]:
    """Returns the values of `Name.1`, `Name.2` and so on."""
    values, number = [], 1
    while f"{name}.{number}" in parameters:
        values.append(parameters[f"{name}.{number}"])
        number += 1
    return values


def _filters(parameters: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Returns the patterns of each filter, by the field of the response."""
    filters, number = [], 1
    while name := parameters.get(f"Filter.{number}.Name"):
        if name not in _FILTERS:
            raise Refused(400, "InvalidParameterValue", f"The filter '{name}' is invalid")
        filters.append((_FILTERS[name], _numbered(parameters, f"Filter.{number}.Value")))
        number += 1
    return filters


def _matches(region: Region, filters: list[tuple[str, list[str]]]) -> bool:
    return all(any(fnmatch.fnmatchcase(region[field], one) for one in patterns) for field, patterns in filters)


def _item(region: Region) -> str:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in region.items())
    return f"<item>{fields}</item>"
