"""Tokens of pages, which are valid only with the parameters of the request that they come from."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any


class InvalidToken(ValueError):
    """The token is not one of ours, or belongs to another request."""


def signature(*parameters: Any) -> str:
    """Identifies the parameters that a token belongs to."""
    text = json.dumps(parameters, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def token(place: Any, signed: str) -> str:
    """Returns the token of a place in the list: the next page starts there."""
    return base64.b64encode(json.dumps([place, signed]).encode()).decode()


def read(text: Any, signed: str) -> Any:
    """Returns the place of a token."""
    try:
        place, found = json.loads(base64.b64decode(text, validate=True))
    except (TypeError, ValueError):
        raise InvalidToken("The token is not valid.") from None
    if found != signed:
        raise InvalidToken("The token was used in a request with other parameters.")
    return place
