"""`make smoke` compares the form of AWS's responses with the emulator's; here it compares two emulators."""

from __future__ import annotations

from typing import Any

from emulator.launcher import ACCOUNT
from emulator.process import Emulator
from emulator.smoke import Account, Forms, differences


def observed(emulator: Emulator) -> Forms:
    return Account(emulator.client).observe()


def test_the_emulator_equals_itself_and_every_call_is_observed(emulator: Emulator, hub: Any) -> None:
    forms = observed(emulator)
    assert list(differences(forms, observed(emulator))) == []
    assert {name: (form.status, form.code) for name, form in forms.items() if form.status != 200} == {
        "ListAccessKeys, unknown user": (404, "NoSuchEntity"),
        "GetFindings, invalid token": (400, "InvalidInputException"),
    }
    assert len(forms) == 13 and all(form.members for form in forms.values())
    assert forms["The report's row of users"].members["mfa_active"] == {"truth value"}
    assert (
        "/GetAccountSummaryResponse/GetAccountSummaryResult/SummaryMap/entry[AccountMFAEnabled]"
        in forms["GetAccountSummary"].members
    )


def test_a_difference_is_reported_by_its_form_and_never_by_its_value(emulator: Emulator, hub: Any) -> None:
    ours = observed(emulator)
    report = emulator.report().replace(",mfa_active,", ",mfa,").replace("Z,", "+00:00,")
    emulator.change_account("report", text=report)
    hub.disable_security_hub()
    lines = list(differences(observed(emulator), ours))
    text = "\n".join(lines)
    for line in (
        "The report's row of root: AWS has mfa, and the emulator has not",
        "The report's row of root: AWS has no mfa_active, and the emulator has",
        "GetFindings, none: the status is 401, and 200 in the emulator",
        "GetFindings, none: the code is InvalidAccessException, and none in the emulator",
    ):
        assert line in lines, text
    assert any("is date with an offset; in the emulator" in line for line in lines), text
    assert ACCOUNT not in text and "ci-deploy" not in text and "2026" not in text
