"""SNS: strict checks of published messages, and a mailbox for `email` subscriptions.

MiniStack accepts any Subject and Message and only logs an e-mail. Here a message that SNS would refuse is refused, and
each e-mail is stored as SNS would send it. Subscriptions count as confirmed at once; on AWS the owner of the
address has to follow a link first.
"""

from __future__ import annotations

import email.utils
import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from emulator import clock
from emulator.answers import Answer

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MAX_SUBJECT = 99
_MAX_MESSAGE_BYTES = 262_144


@dataclass(frozen=True)
class Mail:
    """An e-mail as it is received."""

    sender: str
    to: str
    date: str
    subject: str
    body: str


class Mailbox:
    """Every e-mail sent and every message published, oldest first."""

    def __init__(self) -> None:
        self._mails: list[Mail] = []
        self.published: list[dict] = []
        self._lock = threading.Lock()

    def reset(self) -> None:
        with self._lock:
            self._mails.clear()
            self.published.clear()

    def empty(self) -> None:
        """Removes the mails; the published messages stay listed."""
        with self._lock:
            self._mails.clear()

    def receive(self, mail: Mail) -> None:
        with self._lock:
            self._mails.append(mail)

    def as_json(self) -> list[dict]:
        with self._lock:
            return [asdict(mail) for mail in self._mails]


def publish(original: Callable[[dict], Answer], sns: Any, mailbox: Mailbox) -> Callable[[dict], Answer]:
    """Wraps MiniStack's Publish with the checks of SNS; a message that is sent is recorded."""

    def checked(parameters: dict) -> Answer:
        message, structure = sns._p(parameters, "Message"), sns._p(parameters, "MessageStructure")
        attributes = sns._parse_message_attributes(parameters)
        size = sns._message_payload_size(message, attributes)
        problem = _publish_problem(message, structure, parameters.get("Subject"), size)
        if problem:
            return sns._error("InvalidParameter", f"Invalid parameter: {problem}", 400)
        answer = original(parameters)
        if answer[0] == 200:
            mailbox.published.append(
                {
                    "topic": sns._p(parameters, "TopicArn"),
                    "subject": sns._p(parameters, "Subject"),
                    "bytes": size,
                    "variants": json.loads(message) if structure == "json" else {"default": message},
                    "attributes": {name: (one["DataType"], one["StringValue"]) for name, one in attributes.items()},
                }
            )
        return answer

    return checked


def _publish_problem(message: str, structure: str, subject: list[str] | None, size: int) -> str | None:
    if not message:
        return "Empty message"
    if size > _MAX_MESSAGE_BYTES:
        return "Message too long"
    if subject is not None:
        text = subject[0] if isinstance(subject, list) else subject
        if not text or len(text) > _MAX_SUBJECT or not all(" " <= letter <= "~" for letter in text) or text[0] == " ":
            return "Subject"
    if structure not in ("", "json"):
        return "MessageStructure"
    if structure == "json":
        try:
            variants = json.loads(message)
        except ValueError:
            return "Message Structure - JSON message body failed to parse"
        if not isinstance(variants, dict) or not isinstance(variants.get("default"), str):
            return "Message Structure - No default entry in JSON message body"
    return None


def fanout(original: Callable[..., None], sns: Any, mailbox: Mailbox) -> Callable[..., None]:
    """Extends MiniStack's delivery by e-mail."""

    def delivered(
        topic_arn: str,
        message_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict | None = None,
        **more: Any,
    ) -> None:
        original(topic_arn, message_id, message, subject, message_structure, message_attributes, **more)
        topic = sns._topic_by_arn_any_scope(topic_arn)
        for subscription in topic["subscriptions"] if topic else ():
            protocol = subscription["protocol"]
            if protocol not in ("email", "email-json") or not subscription["confirmed"]:
                continue
            text = sns._resolve_message_for_protocol(message, message_structure, protocol)
            if not sns._matches_filter_policy(subscription, message_attributes or {}, text):
                continue
            if protocol == "email-json":
                text = sns._build_envelope(topic_arn, message_id, text, subject, message_attributes or {}, False)
            mailbox.receive(_mail(text, subject, subscription, topic_arn, footer=protocol == "email"))

    return delivered


def _mail(text: str, subject: str, subscription: dict, topic_arn: str, footer: bool) -> Mail:
    if footer:
        region = topic_arn.split(":")[3]
        text += (
            "\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the link below "
            f"to unsubscribe:\nhttps://sns.{region}.amazonaws.com/unsubscribe.html?SubscriptionArn="
            f"{subscription['arn']}&Endpoint={subscription['endpoint']}\n\nPlease do not reply directly to this email. "
            "If you have any questions or comments regarding this email, please contact us at "
            "https://aws.amazon.com/support\n"
        )
    return Mail(
        "AWS Notifications <no-reply@sns.amazonaws.com>",
        subscription["endpoint"],
        email.utils.format_datetime(clock.now()),
        subject or "AWS Notification Message",
        text,
    )
