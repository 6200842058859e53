"""Renders templates as AWS does, but offline: after the SAM transform, with parameters, conditions and references resolved.

Names of resources are made as by CloudFormation: stack, logical id and a random ending.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = ROOT / "template.yaml"
DEPLOY_ROLE = ROOT / "infra" / "deploy-role.yaml"
PREVENT = ROOT / "infra" / "prevent.yaml"
MEMBER_ROLE = ROOT / "infra" / "organization" / "member-role.yaml"
MEMBER_STACKSET = ROOT / "infra" / "organization" / "member-stackset.yaml"

ACCOUNT = "111122223333"
ENDING = "1A2B3C4D5E6FG"
REGIONS = {"aws": "eu-central-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}

_NOTHING = object()

# It warns that it sends no usage data.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)


def parse(path: Path) -> dict:
    """Returns the template as written."""
    return copy.deepcopy(_parsed(path))


@functools.cache
def _parsed(path: Path) -> dict:
    return yaml_parse(path.read_text())


@dataclass
class Resource:
    """One resource of the stack, with resolved properties."""

    type: str
    name: str
    arn: str
    properties: dict


@dataclass
class Rendered:
    """A rendered template; `resources` has those whose condition is true."""

    path: Path
    parameters: dict[str, str] = field(default_factory=dict)
    stack: str = "credwarden"
    partition: str = "aws"
    ending: str = ENDING
    account: str = ACCOUNT

    def __post_init__(self) -> None:
        self.region = REGIONS[self.partition]
        written = parse(self.path)
        parameters = written["Parameters"]
        unknown = set(self.parameters) - set(parameters)
        assert not unknown, f"no such parameters: {unknown}"
        defaults = {name: str(one["Default"]) for name, one in parameters.items() if "Default" in one}
        self.values = defaults | self.parameters
        missing = set(parameters) - set(self.values)
        assert not missing, f"parameters without a value: {missing}"
        self._lists = {name for name, one in parameters.items() if one["Type"] == "CommaDelimitedList"}
        self._template = _transformed(written, self.values, self.region)
        self._conditions = {name: self._resolve(body) for name, body in self._template.get("Conditions", {}).items()}
        declared = {
            name: body
            for name, body in self._template["Resources"].items()
            if self._conditions.get(body.get("Condition"), True)
        }
        self.resources = {name: self._named(name, body) for name, body in declared.items()}
        # Paths first: they are part of the ARNs to which other resources refer.
        for name, body in declared.items():
            self._place(self.resources[name], body.get("Properties", {}).get("Path"))
        for name, body in declared.items():
            self.resources[name].properties = self._resolve(body.get("Properties", {}))
        self.outputs = {
            name: self._resolve(body["Value"])
            for name, body in self._template["Outputs"].items()
            if self._conditions.get(body.get("Condition"), True)
        }

    def of_type(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources.values() if resource.type == kind]

    def statements(self, role: str) -> dict[str, dict]:
        """Returns the statements of a role's inline policies, by Sid, with lists for actions and resources."""
        found: dict[str, dict] = {}
        for policy in self.resources[role].properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Sid"] not in found
                found[statement["Sid"]] = {
                    **statement,
                    "Action": as_list(statement["Action"]),
                    "Resource": as_list(statement["Resource"]),
                }
        return found

    def holds(self, rule: dict) -> bool:
        """Whether the parameters satisfy a rule of the section Rules."""
        if "RuleCondition" in rule and not self._resolve(rule["RuleCondition"]):
            return True
        return all(self._resolve(assertion["Assert"]) for assertion in rule["Assertions"])

    def _named(self, logical_id: str, body: dict) -> Resource:
        kind = body["Type"]
        name = body.get("Properties", {}).get("RoleName") or f"{self.stack}-{logical_id}-{self.ending}"
        return Resource(kind, name.lower() if kind == "AWS::S3::Bucket" else name, "", {})

    def _place(self, resource: Resource, path: str | dict | None) -> None:
        here, path = f"{self.region}:{self.account}", self._resolve(path)
        tail = {
            "AWS::Lambda::Function": f"lambda:{here}:function:",
            "AWS::IAM::Role": f"iam::{self.account}:role{path or '/'}",
            "AWS::IAM::ManagedPolicy": f"iam::{self.account}:policy{path or '/'}",
            "AWS::S3::Bucket": "s3:::",
            "AWS::SNS::Topic": f"sns:{here}:",
            "AWS::SNS::Subscription": f"sns:{here}:",
            "AWS::SQS::Queue": f"sqs:{here}:",
            "AWS::Logs::LogGroup": f"logs:{here}:log-group:",
            "AWS::CloudWatch::Alarm": f"cloudwatch:{here}:alarm:",
            "AWS::Scheduler::Schedule": f"scheduler:{here}:schedule/default/",
            "AWS::Organizations::Policy": f"organizations::{self.account}:policy/o-a1b2c3d4e5/service_control_policy/",
        }.get(resource.type)
        resource.arn = f"arn:{self.partition}:{tail}{resource.name}" if tail else ""

    def _reference(self, name: str) -> Any:
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        pseudo = {
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::StackName": self.stack,
            "AWS::NoValue": _NOTHING,
            "AWS::URLSuffix": suffix,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._lists:
            return self.values[name].split(",")
        if name in self.values:
            return self.values[name]
        resource = self.resources[name]
        if resource.type in ("AWS::SNS::Topic", "AWS::IAM::ManagedPolicy"):
            return resource.arn
        if resource.type == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.{suffix}/{self.account}/{resource.name}"
        return resource.name

    def _attribute(self, name: str, attribute: str) -> str:
        resource = self.resources[name]
        if attribute in ("QueueName", "TopicName"):
            return resource.name
        assert attribute == "Arn" and resource.arn, (name, attribute)
        return f"{resource.arn}:*" if resource.type == "AWS::Logs::LogGroup" else resource.arn

    def _resolve(self, body: Any) -> Any:
        if isinstance(body, list):
            return [value for value in map(self._resolve, body) if value is not _NOTHING]
        if not isinstance(body, dict):
            return body
        if len(body) == 1:
            ((function, argument),) = body.items()
            worked_out = self._function(function, argument)
            if worked_out is not None:
                return worked_out[0]
        values = {key: self._resolve(value) for key, value in body.items()}
        return {key: value for key, value in values.items() if value is not _NOTHING}

    def _function(self, function: str, argument: Any) -> tuple | None:
        match function:
            case "Ref":
                return (self._reference(argument),)
            case "Condition" if isinstance(argument, str):
                return (self._resolve(self._template["Conditions"][argument]),)
            case "Fn::GetAtt":
                return (self._attribute(*(argument if isinstance(argument, list) else argument.split(".", 1))),)
            case "Fn::Sub":
                return (re.sub(r"\$\{([^}]+)\}", lambda found: self._substitute(found[1]), argument),)
            case "Fn::If":
                return (self._resolve(argument[1 if self._conditions[argument[0]] else 2]),)
            case "Fn::Join":
                return (argument[0].join(self._resolve(argument[1])),)
            case "Fn::Equals":
                left, right = map(self._resolve, argument)
                return (left == right,)
            case "Fn::Not":
                return (not self._resolve(argument[0]),)
            case "Fn::And":
                return (all(map(self._resolve, argument)),)
        assert not function.startswith("Fn::"), function
        return None

    def _substitute(self, name: str) -> str:
        resource, _, attribute = name.partition(".")
        return self._attribute(resource, attribute) if attribute else self._reference(name)


def _transformed(written: dict, values: dict[str, str], region: str) -> dict:
    if "Transform" not in written:
        return written
    template = copy.deepcopy(written)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    # The transform takes the partition from the region of its session.
    os.environ["AWS_DEFAULT_REGION"] = region
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name=region))
    return translator.translate(sam_template=template, parameter_values=values)


def as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def strings(body: Any) -> list[str]:
    """Returns every string in a structure, keys included."""
    if isinstance(body, dict):
        return [text for key, value in body.items() for text in [key, *strings(value)]]
    if isinstance(body, list):
        return [text for value in body for text in strings(value)]
    return [body] if isinstance(body, str) else []
