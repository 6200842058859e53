"""When access keys were last used, and which services users have accessed: IAM's APIs on them.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from emulator import account as accounts
from emulator import clock
from emulator.account import Account, Key, ServiceUse, User
from emulator.answers import Answer

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("access key of the caller", default="")

_NAMESPACES = {"monitoring": "cloudwatch", "email": "ses"}
"""Namespaces of services whose name in the credential report differs."""

_NAMES = {
    "cloudwatch": "Amazon CloudWatch",
    "ec2": "Amazon EC2",
    "ecr": "Amazon Elastic Container Registry",
    "glue": "AWS Glue",
    "iam": "AWS Identity and Access Management",
    "s3": "Amazon S3",
    "ses": "Amazon Simple Email Service v2",
    "sts": "AWS Security Token Service",
}


@dataclass
class Job:
    """A report on one user; only its caller can read it."""

    arn: str
    caller: str
    granularity: str
    created: datetime
    polls: int
    services: list[ServiceUse]
    completed: datetime | None = None


class LastAccessed:
    """The last uses in one account. `iam` is MiniStack's module; `model` returns the account, and `exists` if IAM still has a key."""

    def __init__(self, iam: Any, account_id: str, model: Callable[[], Account], exists: Callable[[str], bool]) -> None:
        self._iam, self._account_id, self._model, self._exists = iam, account_id, model, exists
        self.reset()

    def reset(self) -> None:
        self.polls = 1
        """How often a job is in progress before it is completed."""
        self.failure: str | None = None
        """The message with which jobs fail."""
        self._jobs: dict[str, Job] = {}
        self.changed()

    def changed(self) -> None:
        """Looks for the keys again."""
        self._owners: dict[str, tuple[User, int]] | None = None

    def handlers(self) -> dict[str, Callable[[dict], Answer]]:
        return {
            "GetAccessKeyLastUsed": self._get_access_key_last_used,
            "GenerateServiceLastAccessedDetails": self._generate,
            "GetServiceLastAccessedDetails": self._get,
        }

    def _get_access_key_last_used(self, parameters: dict) -> Answer:
        identity = self._iam._p(parameters, "AccessKeyId")
        found = self._found(identity)
        if found is None:
            # AWS does not document the error. IAM authorizes the call for the user that has the key, and there is none.
            message = f"User is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {identity}"
            return self._iam._error(403, "AccessDenied", escape(message))
        name, key = found
        used = f"<LastUsedDate>{key.used}</LastUsedDate>" if key and key.used else ""
        service = key.service if used else "N/A"
        region = key.reported_region if used else "N/A"
        return self._answer(
            "GetAccessKeyLastUsed",
            f"<UserName>{escape(name)}</UserName><AccessKeyLastUsed>{used}<ServiceName>{service}</ServiceName>"
            f"<Region>{region}</Region></AccessKeyLastUsed>",
        )

    def _found(self, identity: str) -> tuple[str, Key | None] | None:
        """Returns the user that has a key, and the key; there is none in the model if IAM's own API created it."""
        if not self._exists(identity):
            return None
        if self._owners is None:
            self._owners = {
                accounts.key_id(self._account_id, user.name, slot): (user, slot)
                for user in self._model().users
                for slot, key in enumerate(user.keys)
                if key is not None
            }
        if identity in self._owners:
            user, slot = self._owners[identity]
            return user.name, user.key(slot)
        stored = self._iam._access_keys.get(identity)
        return (stored["UserName"], None) if stored else None

    def _generate(self, parameters: dict) -> Answer:
        arn = self._iam._p(parameters, "Arn")
        granularity = self._iam._p(parameters, "Granularity") or "SERVICE_LEVEL"
        if granularity not in ("SERVICE_LEVEL", "ACTION_LEVEL"):
            return self._iam._error(400, "InvalidInput", f"Invalid granularity {escape(granularity)}")
        user = next((user for user in self._model().users if user.arn(self._account_id) == arn), None)
        if user is None:
            return self._iam._error(404, "NoSuchEntity", f"The entity {escape(arn)} cannot be found.")
        number = str(uuid.uuid4())
        self._jobs[number] = Job(arn, CALLER.get(), granularity, clock.now(), self.polls, _services(user))
        return self._answer("GenerateServiceLastAccessedDetails", f"<JobId>{number}</JobId>")

    def _get(self, parameters: dict) -> Answer:
        number = self._iam._p(parameters, "JobId")
        job = self._jobs.get(number)
        if job is None or job.caller != CALLER.get():
            return self._iam._error(404, "NoSuchEntity", f"The job {escape(number)} cannot be found.")
        head = (
            f"<JobType>{job.granularity}</JobType><JobCreationDate>{clock.stamp_millis(job.created)}</JobCreationDate>"
        )
        if job.polls > 0:
            job.polls -= 1
            return self._answer(
                "GetServiceLastAccessedDetails",
                f"<JobStatus>IN_PROGRESS</JobStatus>{head}<IsTruncated>false</IsTruncated>",
            )
        job.completed = job.completed or clock.now()
        head += f"<JobCompletionDate>{clock.stamp_millis(job.completed)}</JobCompletionDate>"
        if self.failure is not None:
            error = f"<Error><Message>{escape(self.failure)}</Message><Code>ReportGenerationFailed</Code></Error>"
            return self._answer(
                "GetServiceLastAccessedDetails",
                f"<JobStatus>FAILED</JobStatus>{head}<IsTruncated>false</IsTruncated>{error}",
            )
        return self._page(parameters, job, f"<JobStatus>COMPLETED</JobStatus>{head}")

    def _page(self, parameters: dict, job: Job, head: str) -> Answer:
        most = int(self._iam._p(parameters, "MaxItems") or 100)
        start = int(self._iam._p(parameters, "Marker") or 0)
        more = start + most < len(job.services)
        marker = f"<Marker>{start + most}</Marker>" if more else ""
        members = "".join(_member(one, job.arn) for one in job.services[start : start + most])
        return self._answer(
            "GetServiceLastAccessedDetails",
            f"{head}<ServicesLastAccessed>{members}</ServicesLastAccessed>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{marker}",
        )

    def _answer(self, action: str, result: str) -> Answer:
        return self._iam._xml(200, f"{action}Response", f"<{action}Result>{result}</{action}Result>")


def _services(user: User) -> list[ServiceUse]:
    """Returns the services of a user, with the last use of each, by namespace: those of the model, and those of the keys."""
    found: dict[str, ServiceUse] = {}
    keys = [ServiceUse(_NAMESPACES.get(key.service, key.service), key.used, key.region) for key in user.keys if key]
    for one in [*user.services, *(one for one in keys if one.used)]:
        before = found.get(one.namespace)
        if before is None or (one.used or "") > (before.used or ""):
            found[one.namespace] = one
    return [found[namespace] for namespace in sorted(found)]


def _member(one: ServiceUse, arn: str) -> str:
    name = _NAMES.get(one.namespace, one.namespace)
    used = ""
    if one.used is not None:
        used = (
            f"<LastAuthenticated>{one.used}</LastAuthenticated><LastAuthenticatedEntity>{escape(arn)}</LastAuthenticatedEntity>"
            f"<LastAuthenticatedRegion>{one.region}</LastAuthenticatedRegion>"
        )
    return (
        f"<member><ServiceName>{name}</ServiceName><ServiceNamespace>{one.namespace}</ServiceNamespace>{used}"
        f"<TotalAuthenticatedEntities>{int(one.used is not None)}</TotalAuthenticatedEntities></member>"
    )
