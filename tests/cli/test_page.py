"""The page, in a real browser: with filters, sorting, and hostile names that must be escaped."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from browsing import opened_in, refused_in
from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account, joined_fixes

Run = Callable[..., Ended]
HOSTILE = [
    "<script>document.title='owned'",
    '"onmouseover=alert(1) x="',
    "'><img src=x onerror=alert(1)>",
    "<script><script>alert(1)",
    "{{7*7}}{%if%}",
    "rtl\u202egnp.exe",
    "&lt;b&gt;",
    "=1+1",
    "a`b$(c)",
    "zero\u200bwidth",
]


@pytest.fixture
def opened(browser: Browser, credwarden: Run, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of a report; an error or a request of the browser fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def page_of(report: Path, *options: str | Path, status: int = 1, **context: Any) -> Page:
        path = tmp_path / "page.html"
        done = credwarden(
            "check", "--credential-report", report, "--now", NOW, "--format", "html", "--output", path, *options
        )
        assert done.status == status
        assert done.errors == "" or (report.stem == "hostile" and "IAM does not allow such a user name" in done.errors)
        return opened_in(browser, path, complaints, contexts, **context)

    yield page_of
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page: Page) -> list[dict[str, str]]:
    """Returns the visible findings, in their order."""
    return page.evaluate("""[...document.querySelectorAll(".findings > tbody > tr")].filter((row) => !row.hidden).map((row) => ({
        badge: row.querySelector(".badge").textContent, subject: row.children[1].textContent,
        title: row.querySelector(".title").textContent, check: row.children[3].textContent,
        id: row.querySelector("details > .small code").textContent}))""")


def by_subject(page: Page) -> dict[str, list[dict[str, str]]]:
    """Returns the visible findings of the view by subject, in their order, by the headings of their subjects."""
    return dict(
        page.evaluate("""[...document.querySelectorAll(".findings > tbody")].filter((body) => !body.hidden).map((body) => [
        body.querySelector(".subject th").textContent,
        [...body.rows].filter((row) => row.dataset.check && !row.hidden).map((row) => ({
            badge: row.querySelector(".badge").textContent, subject: row.children[1].textContent,
            check: row.children[3].textContent, id: row.querySelector("details > .small code").textContent}))])""")
    )


def owner(finding_id: str) -> str:
    """Returns a finding's subject in the view by subject: a key belongs to its user."""
    kind, _, rest = finding_id.split("/", 3)[3].partition("/")
    return {"root": "Root user", "account": "Account"}.get(kind) or f"User {rest.split('/')[0]}"


def findings(run: Run, report: Path, *options: str | Path) -> list[dict]:
    done = run("check", "--credential-report", report, "--now", NOW, "--format", "json", *options)
    return [one for one in json.loads(done.output)["findings"] if one["status"] in ("FAILED", "UNKNOWN")]


def status_line(page: Page) -> str:
    return page.locator("#shown").inner_text()


def test_every_finding_is_shown_once_worst_first(opened: Callable[..., Page], credwarden: Run, report: Path) -> None:
    page = opened(report)
    expected = findings(credwarden, report)
    rows = shown(page)
    assert Counter(row["id"] for row in rows) == Counter(one["id"] for one in expected)
    order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNKNOWN"]
    ranks = [order.index(row["badge"]) for row in rows]
    assert ranks == sorted(ranks)
    assert [row["subject"] for row in rows if row["badge"] == "HIGH"] == ["root user"] * 3 + ["bob"]
    assert page.title().startswith(f"AWS account {ACCOUNT}")
    counts = dict(zip(order, page.locator(".severity .count").all_inner_texts()))
    assert counts == {severity: str(sum(row["badge"] == severity for row in rows)) for severity in order[:5]}
    for one in expected:
        row = page.locator(f".findings tr:has(code:text-is({json.dumps(one['id'])}))")
        text = row.text_content()
        assert one["message"] in text and all(name in text and value in text for name, value in one["evidence"].items())
        if one["remediation"]:
            assert row.locator("pre code").text_content() == one["remediation"]


def test_filters_combine_and_show_the_number_of_findings(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report)
    every = shown(page)
    assert status_line(page) == f"{len(every)} of {len(every)} findings shown"
    page.get_by_label("Search").fill("ETL")
    assert {row["subject"].split(",")[0] for row in shown(page)} == {"etl"}
    page.get_by_label("Search").fill("etl 300 days")
    assert [row["check"] for row in shown(page)] == ["access-key-unused"]
    page.get_by_role("button", name="Reset").click()
    assert shown(page) == every

    medium = page.get_by_role("button", name="MEDIUM")
    medium.click()
    assert medium.get_attribute("aria-pressed") == "true"
    assert shown(page) == [row for row in every if row["badge"] == "MEDIUM"]
    page.get_by_role("button", name="HIGH").click()
    assert shown(page) == [row for row in every if row["badge"] in ("MEDIUM", "HIGH")]
    page.locator("#check").select_option("access-key-unused")
    wanted = [row for row in every if row["check"] == "access-key-unused"]
    assert shown(page) == wanted and status_line(page) == f"{len(wanted)} of {len(every)} findings shown"
    page.get_by_label("Search").fill("no such name")
    assert shown(page) == [] and status_line(page) == f"0 of {len(every)} findings shown"


def test_columns_sort_both_ways_and_show_the_direction(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report)
    every = shown(page)
    assert page.locator("[aria-sort]").inner_text().startswith("Severity")
    for column, name in (("subject", "On"), ("title", "Finding"), ("check", "Check")):
        head = page.get_by_role("columnheader", name=name, exact=True)
        for direction in ("ascending", "descending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == direction and page.locator("[aria-sort]").count() == 1
            values = [row[column].lower() for row in shown(page)]
            assert values == sorted(values, reverse=direction == "descending")
    severity = page.get_by_role("columnheader", name="Severity").get_by_role("button")
    severity.click()
    assert shown(page) == every
    severity.click()
    assert shown(page) == every[::-1]


def test_by_subject_each_subject_has_its_findings_root_first_and_then_the_worst(
    opened: Callable[..., Page], report: Path
) -> None:
    page = opened(report)
    every = shown(page)
    page.get_by_label("By subject").check()
    groups = by_subject(page)
    assert Counter(row["id"] for rows in groups.values() for row in rows) == Counter(row["id"] for row in every)
    order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNKNOWN"]
    worst = []
    for heading, rows in groups.items():
        ranks = [order.index(row["badge"]) for row in rows]
        noun = "finding" if len(rows) == 1 else "findings"
        assert heading == f"{order[ranks[0]]}{owner(rows[0]['id'])}{len(rows)} {noun}" and ranks == sorted(ranks)
        assert len({owner(row["id"]) for row in rows}) == 1
        worst.append(ranks[0])
    assert next(iter(groups)).startswith("CRITICALRoot user") and worst[1:] == sorted(worst[1:])
    assert status_line(page) == f"{len(every)} of {len(every)} findings shown, on {len(groups)} subjects"
    page.get_by_label("By finding").check()
    assert shown(page) == every and page.locator(".subject, .commands").count() == 0
    assert status_line(page) == f"{len(every)} of {len(every)} findings shown"


def test_by_subject_filters_and_sorting_work(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report)
    page.get_by_label("Search").fill("etl")
    page.get_by_label("By subject").check()
    ((heading, rows),) = by_subject(page).items()
    assert heading == f"MEDIUMUser etl{len(rows)} findings"
    page.locator("#check").select_option("access-key-unused")
    assert list(by_subject(page)) == [f"MEDIUMUser etl1 of {len(rows)} findings"]
    assert status_line(page).endswith("shown, on 1 subject")
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_label("By subject").is_checked() and len(by_subject(page)) > 10
    head = page.get_by_role("columnheader", name="On", exact=True)
    for direction in ("ascending", "descending"):
        head.get_by_role("button").click()
        first = [rows[0]["subject"].lower() for rows in by_subject(page).values()]
        assert head.get_attribute("aria-sort") == direction and first == sorted(
            first, reverse=direction == "descending"
        )
    page.get_by_role("button", name="HIGH").click()
    assert [owner(rows[0]["id"]) for rows in by_subject(page).values()] == ["Root user", "User bob"]
    page.get_by_label("Search").fill("no such name")
    assert by_subject(page) == {} and status_line(page).endswith("shown, on 0 subjects")


def test_by_subject_the_commands_are_shown_once(opened: Callable[..., Page], credwarden: Run, report: Path) -> None:
    page = opened(report, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("By subject").check()
    page.get_by_role("button", name="Expand all").click()
    shown = findings(credwarden, report)
    fixes = joined_fixes(shown)
    for body in page.locator(".findings > tbody").all():
        ids = set(body.locator("details > .small code").all_text_contents())
        own = [one for one in shown if one["id"] in ids and one["remediation"]]
        codes = [code.text_content() for code in body.locator(".fix code").all() if code.is_visible()]
        # A script is in each part that names its check.
        parts = [part for part in body.locator(".fix").all() if part.is_visible()]
        for one in (one for one in own if one["id"] in fixes):
            named = [part for part in parts if len(own) == 1 or one["check"] in part.locator("p").text_content()]
            text = "\n".join(part.locator("code").text_content() for part in named)
            assert all(line in text.split("\n") for line in fixes[one["id"]].split("\n")), one["id"]
        assert len(codes) == len(set(codes)) == len(parts)
    old = page.locator(".findings > tbody", has=page.get_by_text("User metrics"))
    assert old.get_by_text("To fix access-key-not-rotated (key 1), access-key-unused (key 1):").is_visible()
    last = old.locator(".commands .fix").last
    last.get_by_role("button", name="Copy").click()
    last.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == last.locator("code").text_content()


@pytest.mark.parametrize("way", ["clipboard", "selection"])
def test_commands_are_copied_as_they_are(opened: Callable[..., Page], credwarden: Run, report: Path, way: str) -> None:
    page = opened(report, permissions=["clipboard-read", "clipboard-write"])
    if way == "selection":
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    (one,) = [
        one
        for one in findings(credwarden, report)
        if (one["check"], one["subject"]["user"]) == ("access-key-unused", "terraform+prod=eu,team.a@example.com")
    ]
    row = page.locator(f".findings tr:has(code:text-is({json.dumps(one['id'])}))")
    row.get_by_text("Evidence and fix").click()
    row.get_by_role("button", name="Copy").click()
    row.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == one["remediation"]


def test_the_charts_show_the_counts_of_the_report(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report, "--access-key-max-age-days", "60")
    now = datetime.fromisoformat(NOW)
    rows = list(csv.DictReader(io.StringIO(report.read_text())))

    def age(cell: str) -> timedelta:
        return now - datetime.fromisoformat(cell)

    keys = [(row, slot) for row in rows for slot in (1, 2) if row[f"access_key_{slot}_active"] == "true"]
    ages = [age(row[f"access_key_{slot}_last_rotated"]) for row, slot in keys]
    borders = [20, 40, 60, 120, 240, 480]
    limits = [timedelta(0), *(timedelta(days=days) for days in borders), timedelta.max]
    expected = [sum(low < one <= high for one in ages) for low, high in zip(limits, limits[1:])]
    figures = page.locator("figure")
    figures.nth(0).get_by_text("As a table").click()
    assert [int(cell) for cell in figures.nth(0).locator("td").all_inner_texts()] == expected
    assert f"{len(ages)} active access keys" in figures.nth(0).inner_text()
    assert f"{sum(one > limits[3] for one in ages)} beyond the limit of 60 days" in figures.nth(0).inner_text()
    assert figures.nth(0).locator("svg .value").all_text_contents() == [str(count or "") for count in expected]

    uses = [row[f"access_key_{slot}_last_used_date"] for row, slot in keys if row["user"] != "<root_account>"]
    uses += [
        row["password_last_used"]
        for row in rows
        if row["password_enabled"] == "true" and row["user"] != "<root_account>"
    ]
    figures.nth(1).get_by_text("As a table").click()
    cells = [int(cell) for cell in figures.nth(1).locator("td").all_inner_texts()]
    assert (sum(cells), cells[-1]) == (len(uses), sum(use in ("N/A", "no_information") for use in uses))


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A report with hostile text in every cell that can have it."""
    header, root, user = account("users:1").report(ACCOUNT).split("\n")
    columns = header.split(",")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for name in ["<root_account>", *HOSTILE]:
        row = dict(zip(columns, (root if name == "<root_account>" else user).split(",")))
        row |= {
            "user": name,
            "access_key_1_active": "true",
            "access_key_1_last_rotated": "2020-01-02T03:04:05Z",
            "access_key_1_last_used_date": "2026-11-19T03:04:05Z",
            "access_key_1_last_used_region": "</script><img src=x onerror=alert(2)>",
            "access_key_1_last_used_service": '"><svg onload=alert(3)>',
            "password_enabled": "<b>true</b>",
        }
        if name != "<root_account>":
            row["arn"] = f"arn:aws:iam::{ACCOUNT}:user/<u>/{name}"
        writer.writerow(row.values())
    path = tmp_path / "hostile.csv"
    path.write_text(text.getvalue(), newline="")
    return path


def test_text_of_a_report_is_escaped_in_the_page(opened: Callable[..., Page], hostile: Path) -> None:
    page = opened(hostile, "--account-summary", write_summary(hostile.parent))
    assert page.title().startswith(f"AWS account {ACCOUNT}")
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert (
        page.evaluate("document.querySelectorAll('img, b, u, svg[onload], [onmouseover], [onerror], [style]').length")
        == 0
    )
    # The name is complete in the subject and in the identity; invisible characters are escaped.
    subjects = {row["subject"].rsplit(", key", 1)[0] for row in shown(page)}
    escaped = {name.replace("\u202e", r"\u{202e}").replace("\u200b", r"\u{200b}") for name in HOSTILE}
    assert escaped <= subjects
    assert "\u202e" not in page.content() and "\u200b" not in page.content()
    page.get_by_role("button", name="Expand all").click()
    assert page.get_by_text('"><svg onload=alert(3)>').first.is_visible()
    page.get_by_label("By subject").check()
    owners = {rows[0]["subject"].rsplit(", key", 1)[0] for rows in by_subject(page).values()}
    assert escaped <= owners and all(page.get_by_text(f"User {name}", exact=True).count() == 1 for name in escaped)
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert (
        page.evaluate("document.querySelectorAll('img, b, u, svg[onload], [onmouseover], [onerror], [style]').length")
        == 0
    )
    page.get_by_label("By finding").check()
    page.get_by_label("Search").fill("<script>")
    assert {row["subject"].rsplit(", key", 1)[0] for row in shown(page)} == {HOSTILE[0], HOSTILE[3]}


def write_summary(folder: Path) -> Path:
    path = folder / "summary.json"
    path.write_text(json.dumps({"SummaryMap": account().summary_map(ACCOUNT)}))
    return path


def test_the_content_security_policy_blocks_foreign_content(
    browser: Browser, credwarden: Run, report: Path, tmp_path: Path
) -> None:
    credwarden("check", "--credential-report", report, "--now", NOW, "--format", "html", "--output", "page.html")
    complaints, contexts = [], []
    page = opened_in(browser, tmp_path / "page.html", complaints, contexts)
    assert complaints == []
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.keys() == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert {directives["default-src"], directives["base-uri"], directives["form-action"]} == {"'none'"}
    assert all(
        directives[kind].startswith("'sha256-") and " " not in directives[kind] for kind in ("style-src", "script-src")
    )
    assert refused_in(page) == ["img-src", "script-src-elem", "style-src-elem"]
    assert page.title().startswith("AWS account")
    contexts[0].close()


@pytest.mark.parametrize("view", ["By finding", "By subject"])
def test_collapsed_parts_are_printed(opened: Callable[..., Page], report: Path, view: str) -> None:
    page = opened(report)
    page.get_by_label(view).check()
    page.locator(".findings summary").nth(2).click()
    before = page.evaluate("document.querySelectorAll('details[open]').length")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.emulate_media(media="print")
    assert not page.locator(".controls").is_visible() and not page.locator(".copy").first.is_visible()
    assert page.locator(".commands .fix pre" if view == "By subject" else ".fix pre").first.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details[open]').length") == before == 1
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("view", ["By finding", "By subject"])
def test_the_page_is_accessible(opened: Callable[..., Page], report: Path, scheme: str, width: int, view: str) -> None:
    page = opened(report, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.get_by_label(view).check()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Expand all").click()
    for summary in page.locator("figure summary, .checks summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_keyboard_reaches_everything(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("""(() => { const one = document.activeElement;
            return one.id || one.value || one.textContent.trim().split("\\n")[0]; })()""")
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached[-1]
    places = [
        reached.index(name)
        for name in (
            "Skip to the findings",
            "3 CRITICAL",
            "As a table",
            "finding",
            "search",
            "check",
            "expand",
            "Severity",
            "Check",
            "Evidence and fix",
            "root-access-key-active",
        )
    ]
    assert places == sorted(places)
    page.locator(".findings summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "copy"
    page.locator("[name=view]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "by-subject" and len(by_subject(page)) > 10
    page.locator(".commands summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "copy"


def test_without_scripts_all_findings_are_shown(opened: Callable[..., Page], credwarden: Run, report: Path) -> None:
    page = opened(report, java_script_enabled=False)
    assert page.locator(".findings > tbody > tr").count() == len(findings(credwarden, report))
    assert not page.locator(".controls").is_visible() and page.locator(".copy").count() > 0
    assert not page.locator(".copy").first.is_visible()
    page.locator(".findings summary").first.click()
    assert page.locator(".fix pre").first.is_visible()


def test_an_account_without_failures_is_shown_as_clean(opened: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    path.write_text(account("clean").report(ACCOUNT))
    page = opened(path, "--status", "FAILED", status=0)
    assert page.locator(".clean").first.inner_text() == "Nothing that could be judged fails."
    assert page.get_by_text("There is nothing to show.").is_visible()
    page = opened(path, status=0)
    assert {row["badge"] for row in shown(page)} == {"UNKNOWN"}
    page.get_by_role("button", name="Expand all").click()
    assert page.locator(".fix").count() == 0
    path.write_text(account("bare").report(ACCOUNT))
    page = opened(path, status=0)
    assert (
        page.get_by_text("The report shows no active access key, root's included.").is_visible()
        and page.locator("svg").count() == 0
    )


def test_without_a_report_the_charts_say_so(browser: Browser, credwarden: Run, tmp_path: Path) -> None:
    done = credwarden(
        "check", "--account-summary", write_summary(tmp_path), "--now", NOW, "--format", "html", "--output", "page.html"
    )
    assert done.status == 1
    complaints, contexts = [], []
    page = opened_in(browser, tmp_path / "page.html", complaints, contexts)
    assert page.locator("figcaption p").all_inner_texts() == ["The credential report was not given."] * 2
    assert page.title().startswith("AWS account of unknown number")
    contexts[0].close()
    assert complaints == []


def test_requested_statuses_can_be_distinguished(opened: Callable[..., Page], report: Path) -> None:
    page = opened(report, "--status", "FAILED", "--status", "PASSED", "--status", "NOT_APPLICABLE")
    page.get_by_label("Status").select_option("NOT_APPLICABLE")
    assert {row["badge"] for row in shown(page)} == {"NOT_APPLICABLE"}
    page.get_by_label("Status").select_option("FAILED")
    assert {row["badge"] for row in shown(page)} <= {"CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"}


def test_the_largest_account_can_be_filtered_and_sorted(opened: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "crowd.csv"
    path.write_text(account("failing:5000").report(ACCOUNT))
    page = opened(path)
    every = page.locator(".findings > tbody > tr").count()
    assert every > 10_000
    page.locator("#search").fill("user-4321")
    assert status_line(page) == f"2 of {every:,} findings shown"
    page.locator("#reset").click()
    page.locator("[data-sort=subject] button").click()
    subjects = [row["subject"] for row in shown(page)]
    assert len(subjects) == every and subjects == sorted(subjects)
    page.locator("#by-subject").check()
    page.locator("#search").fill("user-4321")
    assert status_line(page) == f"2 of {every:,} findings shown, on 1 subject"
