"""Reading a mail as its reader does: by its headings."""

from __future__ import annotations

import re
import textwrap

_HEADING = re.compile(r"(?m)^(?P<title>\S.*)\n=+$")


def section(mail: dict, title: str) -> str:
    """The text under the heading that begins with `title`, each paragraph in one line; empty when there is none."""
    headings = list(_HEADING.finditer(mail["body"]))
    for heading, following in zip(headings, [*headings[1:], None]):
        if heading["title"].startswith(title):
            return unwrapped(mail["body"][heading.end() : following and following.start()])
    return ""


def is_new(mail: dict, finding_id: str) -> bool:
    """Whether the mail reports a finding of this one's check as new."""
    return f"({finding_id.split('/')[1]})" in section(mail, "NEW")


def ended(mail: dict) -> str:
    """What the mail says of the findings that ended, whatever ended them."""
    return " ".join(section(mail, title) for title in ("RESOLVED", "NO LONGER APPLIES", "IN USE AGAIN"))


def unwrapped(text: str) -> str:
    """The text with its line breaks and indents made single spaces."""
    return " ".join(textwrap.dedent(text).split())


def numbers(mail: dict) -> dict[str, int]:
    """The counts at the top: `{"new": 28, "resolved": 0, "still open": 8}`."""
    found = re.findall(r"(?m)^ *([\d,]+) (new|resolved|still open|could not be evaluated)", mail["body"])
    return {name: int(number.replace(",", "")) for number, name in found}
