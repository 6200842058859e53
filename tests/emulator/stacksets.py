"""Service-managed StackSets: the resource type AWS::CloudFormation::StackSet, and ListStackInstances.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackInstances.html

A StackSet with automatic deployment has an instance in every account below its targets, at any time. An instance's resources
are made when its account is called, or the instance is listed, so that a StackSet over 10,000 accounts costs no time.
"""

from __future__ import annotations

import base64
import copy
import uuid
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from emulator.answers import Answer, Refused
from emulator.organization import Member, Organization

TYPE = "AWS::CloudFormation::StackSet"
DELEGATION = "member.org.stacksets.cloudformation.amazonaws.com"
_PAGE = 100
_KNOWN = {
    "StackSetName",
    "Description",
    "PermissionModel",
    "CallAs",
    "Capabilities",
    "AutoDeployment",
    "ManagedExecution",
    "OperationPreferences",
    "StackInstancesGroup",
    "Parameters",
    "TemplateBody",
}
_NO_ADMINISTRATOR = (
    "You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED "
    "stack set"
)


@dataclass
class StackSet:
    """A StackSet. `revision` counts its updates."""

    id: str
    name: str
    region: str
    template: dict
    parameters: list[dict]
    targets: list[str]
    retains: bool
    revision: int = 0


@dataclass
class Instance:
    """What the StackSet made in an account: (type, id, properties, attributes) by logical id."""

    revision: int
    resources: dict[str, tuple[str, str, dict, dict]] = field(default_factory=dict)
    error: str = ""


class StackSets:
    """The StackSets of the organization; `modules` are MiniStack's."""

    def __init__(self, modules: dict[str, Any], organization: Organization) -> None:
        self._engine = modules["ministack.services.cloudformation.engine"]
        self._handlers = modules["ministack.services.cloudformation.handlers"]
        self._provisioners = modules["ministack.services.cloudformation.provisioners"]
        self._responses = modules["ministack.core.responses"]
        self._roles = modules["ministack.services.iam"]._roles
        self._organization = organization
        self.reset()

    def reset(self) -> None:
        self._sets: dict[str, StackSet] = {}
        self._instances: dict[tuple[str, str], Instance] = {}

    def handler(self) -> dict[str, Any]:
        """Returns CloudFormation's handler for the resource type."""
        return {"create": self._create, "update": self._update, "delete": self._delete}

    def arn(self, name: str) -> str:
        """Returns the ARN for the check of permissions."""
        found = self._sets.get(name)
        region, number = (found.region, found.id) if found else (self._responses.get_region(), f"{name}:*")
        return f"arn:aws:cloudformation:{region}:{self._organization.management}:stackset/{number}"

    def _create(self, _logical_id: str, properties: dict, _stack_name: str) -> tuple[str, dict]:
        name = properties.get("StackSetName")
        if name in self._sets:
            raise ValueError(f"StackSet {name} already exists")
        made = self._parsed(properties, f"{name}:{uuid.uuid4()}")
        self._sets[made.name] = made
        return made.id, {"StackSetId": made.id}

    def _update(self, physical_id: str, _old: dict, new: dict, _stack_name: str) -> tuple[str, dict]:
        before = self._sets[physical_id.partition(":")[0]]
        if new.get("StackSetName") != before.name:
            raise ValueError("a StackSet that gets another name is not modelled")
        made = self._parsed(new, physical_id)
        made.revision = before.revision + 1
        self._sets[made.name] = made
        return physical_id, {"StackSetId": physical_id}

    def _delete(self, physical_id: str, *_: Any) -> None:
        name = physical_id.partition(":")[0]
        if self._sets.pop(name, None) is not None:
            for account, of in [place for place in self._instances if place[1] == name]:
                self._remove(account, of)

    def _parsed(self, properties: dict, number: str) -> StackSet:
        """Checks the properties; what is not modelled is an error."""
        account, call_as = self._responses.get_account_id(), properties.get("CallAs", "SELF")
        self._check_caller(account, call_as)
        unknown = properties.keys() - _KNOWN
        if unknown:
            raise ValueError(f"not modelled in a StackSet: {', '.join(sorted(unknown))}")
        automatic = properties.get("AutoDeployment") or {}
        if properties.get("PermissionModel") != "SERVICE_MANAGED" or not _is_true(automatic.get("Enabled")):
            raise ValueError("only service-managed StackSets with automatic deployment are modelled")
        if "TemplateBody" not in properties:
            raise ValueError("a StackSet without a TemplateBody is not modelled")
        template = self._engine._parse_template(properties["TemplateBody"])
        if template.get("Transform"):
            raise ValueError("Transforms are not supported in service-managed StackSets")
        missing = self._handlers._missing_capabilities(
            properties.get("Capabilities") or [], self._handlers._required_iam_capabilities(template)
        )
        if missing:
            raise ValueError(self._handlers._insufficient_capabilities_message(missing))
        targets, regions = [], set()
        for group in properties.get("StackInstancesGroup") or []:
            if group.keys() != {"DeploymentTargets", "Regions"} or group["DeploymentTargets"].keys() != {
                "OrganizationalUnitIds"
            }:
                raise ValueError("only targets by OrganizationalUnitIds are modelled, without overrides")
            targets += group["DeploymentTargets"]["OrganizationalUnitIds"]
            regions |= set(group["Regions"])
        if len(regions) != 1:
            raise ValueError("a StackSet in one Region is modelled")
        strangers = set(targets) - {unit.id for unit in self._organization.units.values()}
        if strangers:
            raise ValueError(f"Invalid OU {', '.join(sorted(strangers))}")
        given = [
            {"Key": one["ParameterKey"], "Value": str(one["ParameterValue"])}
            for one in properties.get("Parameters") or []
        ]
        self._engine._resolve_parameters(template, given)
        return StackSet(
            number,
            properties["StackSetName"],
            regions.pop(),
            template,
            given,
            targets,
            _is_true(automatic.get("RetainStacksOnAccountRemoval")),
        )

    def _check_caller(self, account: str, call_as: str) -> None:
        if call_as not in ("SELF", "DELEGATED_ADMIN"):
            raise ValueError(f"CallAs is SELF or DELEGATED_ADMIN, not {call_as}")
        if call_as == "DELEGATED_ADMIN" and DELEGATION not in self._organization.delegated.get(account, ()):
            raise ValueError("Account used is not a delegated administrator")
        if call_as == "SELF" and (not self._organization.made or account != self._organization.management):
            raise ValueError(_NO_ADMINISTRATOR)

    def _target(self, stackset: StackSet, account: str) -> str | None:
        """Returns the root or unit by which the StackSet reaches the account."""
        if account == self._organization.management or account not in self._organization.members:
            return None
        return next((one for one in reversed(self._organization.parents(account)) if one in stackset.targets), None)

    def settle(self, account: str) -> None:
        """Makes, updates or removes the resources of an account."""
        for name, stackset in self._sets.items():
            found = self._instances.get((account, name))
            if self._target(stackset, account) is None:
                if found is not None and stackset.retains:
                    del self._instances[account, name]
                elif found is not None:
                    self._remove(account, name)
                continue
            member = self._organization.members[account]
            if member.instance is not None:
                if found is not None and not member.instance.get("keeps_resources"):
                    self._remove(account, name)
            elif not self._organization.is_unusable(account) and (found is None or found.revision != stackset.revision):
                self._instances[account, name] = self._deployed(stackset, account, found)

    def _deployed(self, stackset: StackSet, account: str, before: Instance | None) -> Instance:
        made = Instance(stackset.revision, dict(before.resources) if before else {})
        engine, template, stack = self._engine, stackset.template, f"StackSet-{stackset.name}"
        with self._responses.request_scope(account, stackset.region):
            parameters = engine._resolve_parameters(template, stackset.parameters)
            conditions = engine._evaluate_conditions(template, parameters)
            resources: dict[str, dict] = {}
            try:
                for logical in engine._topological_sort(template["Resources"], conditions):
                    definition = template["Resources"][logical]
                    if not conditions.get(definition.get("Condition"), True):
                        continue
                    properties = engine._resolve_refs(
                        copy.deepcopy(definition.get("Properties", {})),
                        resources,
                        parameters,
                        conditions,
                        template.get("Mappings", {}),
                        stack,
                        self._stack_id(stackset, account),
                    )
                    made.resources[logical] = self._one(definition["Type"], logical, properties, made, stack)
                    _, physical, _, attributes = made.resources[logical]
                    resources[logical] = {"PhysicalResourceId": physical, "Attributes": attributes}
            except ValueError as error:
                made.error = (
                    f"ResourceLogicalId:{logical}, ResourceType:{definition['Type']}, ResourceStatusReason:{error}."
                )
        return made

    def _one(
        self, kind: str, logical: str, properties: dict, made: Instance, stack: str
    ) -> tuple[str, str, dict, dict]:
        before = made.resources.get(logical)
        if before is not None:
            _, physical, old, attributes = before
            changed = self._provisioners._update_resource(kind, physical, old, properties, stack, logical, attributes)
            return kind, changed[0], properties, changed[1]
        if kind == "AWS::IAM::Role" and properties.get("RoleName") in self._roles:
            raise ValueError(f"Role with name {properties['RoleName']} already exists.")
        physical, attributes = self._provisioners._provision_resource(kind, logical, properties, stack)
        return kind, physical, properties, attributes

    def _remove(self, account: str, name: str) -> None:
        instance = self._instances.pop((account, name))
        with self._responses.request_scope(account, self._responses.get_region()):
            for kind, physical, properties, _attributes in reversed(instance.resources.values()):
                self._provisioners._delete_resource(kind, physical, properties)

    def list_instances(self, parameters: dict) -> Answer:
        """ListStackInstances."""
        try:
            return self._list_instances({name: values[0] for name, values in parameters.items() if values})
        except Refused as refused:
            return refused.as_query_xml()

    def _list_instances(self, request: dict[str, str]) -> Answer:
        unknown = request.keys() - {
            *("Action", "Version", "StackSetName", "NextToken", "MaxResults", "StackInstanceAccount"),
            *("StackInstanceRegion", "CallAs"),
        }
        if unknown:
            raise Refused(400, "NotModelled", f"ListStackInstances with {', '.join(sorted(unknown))} is not modelled")
        account, call_as = self._responses.get_account_id(), request.get("CallAs", "SELF")
        try:
            self._check_caller(account, call_as)
        except ValueError as error:
            raise Refused(400, "ValidationError", str(error)) from None
        name = request.get("StackSetName", "").partition(":")[0]
        stackset = self._sets.get(name)
        # A delegate sees every service-managed StackSet, whoever made it.
        if stackset is None:
            raise Refused(404, "StackSetNotFoundException", f"StackSet {name} not found")
        most, start = int(request.get("MaxResults", _PAGE)), _start(request.get("NextToken"), name)
        if not 1 <= most <= _PAGE:
            raise Refused(400, "ValidationError", f"MaxResults must be between 1 and {_PAGE}.")
        members = self._organization.members.values()
        wanted = request.get("StackInstanceAccount")
        if wanted is not None:
            members = [member for member in members if member.id == wanted]
        if request.get("StackInstanceRegion", stackset.region) != stackset.region:
            members = []
        found = [(one, target) for one in members if (target := self._target(stackset, one.id)) is not None]
        shown = "".join(self._summary(stackset, member, target) for member, target in found[start : start + most])
        more = start + most < len(found)
        token = base64.b64encode(f"{name}|{start + most}".encode()).decode()
        body = (
            '<ListStackInstancesResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
            f"<ListStackInstancesResult><Summaries>{shown}</Summaries>"
            f"{f'<NextToken>{token}</NextToken>' if more else ''}</ListStackInstancesResult>"
            f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></ListStackInstancesResponse>"
        )
        return 200, {"Content-Type": "text/xml"}, body.encode()

    def _summary(self, stackset: StackSet, member: Member, target: str) -> str:
        self.settle(member.id)
        made = self._instances.get((member.id, stackset.name))
        status, detailed, reason = "CURRENT", "SUCCEEDED", ""
        if member.instance is not None:
            status, detailed = member.instance["status"], member.instance.get("detailed", "FAILED")
            reason = member.instance.get("reason", "")
        elif made is None:
            status, detailed = "OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT"
        elif made.error:
            status, detailed, reason = "OUTDATED", "FAILED", made.error
        stack = f"<StackId>{self._stack_id(stackset, member.id)}</StackId>" if made else ""
        return (
            f"<member><StackSetId>{stackset.id}</StackSetId><Region>{stackset.region}</Region>"
            f"<Account>{member.id}</Account>{stack}<Status>{status}</Status>"
            f"{f'<StatusReason>{escape(reason)}</StatusReason>' if reason else ''}"
            f"<StackInstanceStatus><DetailedStatus>{detailed}</DetailedStatus></StackInstanceStatus>"
            f"<OrganizationalUnitId>{target}</OrganizationalUnitId><DriftStatus>NOT_CHECKED</DriftStatus></member>"
        )

    def _stack_id(self, stackset: StackSet, account: str) -> str:
        number = uuid.uuid5(uuid.NAMESPACE_OID, f"{stackset.id}/{account}")
        return f"arn:aws:cloudformation:{stackset.region}:{account}:stack/StackSet-{stackset.name}-{number}/{number}"


def _start(token: str | None, name: str) -> int:
    if token is None:
        return 0
    try:
        of, start = base64.b64decode(token, validate=True).decode().rsplit("|", 1)
        if of == name:
            return int(start)
    except ValueError:
        pass
    raise Refused(400, "ValidationError", "Invalid NextToken.")


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
