"""Calls that AWS refuses."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest


def refusal(call: Any, **arguments: Any) -> tuple[str, int, str]:
    """Returns code, status and message of the error that the call must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]
