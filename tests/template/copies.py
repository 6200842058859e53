"""infra/organization/member-stackset.yaml has copies of parts of member-role.yaml: `make docs` writes them, a test compares.

The StackSet needs the role's template as a string, and the management account needs the role beside the StackSet. A nested
stack would need a bucket.
"""

from __future__ import annotations

import re
import textwrap

from render import MEMBER_ROLE, MEMBER_STACKSET

# A copied part is between two comments that name it.
_COPY = re.compile(r"^( *# <member-role\.yaml (\w+)>\n)(.*?)(^ *# </member-role\.yaml \2>\n)", re.DOTALL | re.MULTILINE)


def with_copies(stackset: str, role: str) -> str:
    """Returns the text of the StackSet's template with the parts of the role's template copied into it."""
    parts = _parts(role)
    found = {match[2] for match in _COPY.finditer(stackset)}
    assert found == parts.keys(), f"copied are {sorted(parts)}, and there are places for {sorted(found)}"
    return _COPY.sub(lambda match: match[1] + parts[match[2]] + match[4], stackset)


def _parts(role: str) -> dict[str, str]:
    resource = _section(role, "Resources")
    assert resource.startswith("  MemberRole:\n") and not re.search(r"^  \w", resource[2:], re.MULTILINE)
    return {
        "parameters": _section(role, "Parameters"),
        "conditions": _section(role, "Conditions"),
        "role": resource.replace("  MemberRole:\n", "  ManagementRole:\n    Condition: FromManagementAccount\n", 1),
        "template": "      TemplateBody: |\n" + textwrap.indent(role, " " * 8),
    }


def _section(template: str, name: str) -> str:
    """Returns the lines of a section without its name."""
    (body,) = re.findall(rf"^{name}:\n(.*?)\n(?=\S)", template, re.DOTALL | re.MULTILINE)
    return body


if __name__ == "__main__":
    MEMBER_STACKSET.write_text(with_copies(MEMBER_STACKSET.read_text(), MEMBER_ROLE.read_text()))
