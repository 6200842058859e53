"""Responses and errors in the formats of AWS: JSON with `x-amzn-errortype`, and the Query protocol's XML."""

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

    def as_json(self) -> Answer:
        status, headers, body = json_answer(self.status, {"Code": self.code, "Message": self.message})
        return status, {**headers, "x-amzn-errortype": self.code}, body

    def as_query_xml(self) -> Answer:
        fault = "Sender" if self.status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(self.code)}</Code>"
            f"<Message>{escape(self.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId>"
            "</ErrorResponse>"
        )
        return self.status, {"Content-Type": "text/xml"}, body.encode()


def json_answer(status: int, value: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
