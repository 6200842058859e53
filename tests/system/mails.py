"""Parses a mail by its headings."""

from __future__ import annotations

import re
import textwrap

_HEADING = re.compile(r"(?m)^(?P<title>\S.*)\n=+$")


def section(mail: dict, title: str) -> str:
    """Returns the text under the heading that begins with `title`, each paragraph in one line; empty without one."""
    headings = list(_HEADING.finditer(mail["body"]))
    for heading, following in zip(headings, [*headings[1:], None]):
        if heading["title"].startswith(title):
            return unwrapped(mail["body"][heading.end() : following and following.start()])
    return ""


def is_new(mail: dict, finding_id: str) -> bool:
    """Whether the mail reports a finding of the same check as new."""
    return f"({finding_id.split('/')[1]})" in section(mail, "NEW")


def ended(mail: dict) -> str:
    """Returns the mail's sections on closed findings."""
    return " ".join(section(mail, title) for title in ("RESOLVED", "NO LONGER APPLIES", "IN USE AGAIN"))


def unwrapped(text: str) -> str:
    """Replaces line breaks and indents by single spaces."""
    return " ".join(textwrap.dedent(text).split())


def numbers(mail: dict) -> dict[str, int]:
    """Returns the counts at the top: `{"new": 28, "resolved": 0, "still open": 8}`."""
    found = re.findall(r"(?m)^ *([\d,]+) (new|resolved|still open|could not be evaluated)", mail["body"])
    return {name: int(number.replace(",", "")) for number, name in found}
