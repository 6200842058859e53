"""Responses and errors in the formats of AWS: JSON with `x-amzn-errortype`, JSON 1.1, and the XML of the Query protocols."""

from __future__ import annotations

import json
import uuid
from typing import Any
from xml.sax.saxutils import escape

Answer = tuple[int, dict, bytes]
"""Status, headers and body, as MiniStack's handlers return them."""


class Refused(Exception):
    """An AWS error in response to a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message

    def in_protocol(self, protocol: str | None, has_target: bool) -> Answer:
        """Returns the response in a protocol by MiniStack's name; a request with `x-amz-target` is JSON 1.1."""
        if protocol == "query-xml":
            return self.as_query_xml()
        if protocol == "ec2-xml":
            return self.as_ec2_xml()
        return self.as_target_json() if has_target else self.as_json()

    def as_json(self) -> Answer:
        status, headers, body = json_answer(self.status, {"Code": self.code, "Message": self.message})
        return status, {**headers, "x-amzn-errortype": self.code}, body

    def as_target_json(self) -> Answer:
        status, headers, body = target_answer(self.status, {"__type": self.code, "message": self.message})
        return status, {**headers, "x-amzn-errortype": self.code}, body

    def as_query_xml(self) -> Answer:
        fault = "Sender" if self.status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(self.code)}</Code>"
            f"<Message>{escape(self.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId>"
            "</ErrorResponse>"
        )
        return self.status, {"Content-Type": "text/xml"}, body.encode()

    def as_ec2_xml(self) -> Answer:
        body = (
            f"<Response><Errors><Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
            f"</Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
        )
        return self.status, {"Content-Type": "text/xml;charset=UTF-8"}, body.encode()


def json_answer(status: int, value: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def target_answer(status: int, value: Any) -> Answer:
    """Returns a response in JSON 1.1."""
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(value).encode()
