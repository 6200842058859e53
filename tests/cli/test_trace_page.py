"""The pages of `credwarden trace` and `credwarden plan`, in a real browser: lives, plans, commands, and hostile names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from browsing import opened_in, refused_in
from emulator.launcher import ACCOUNT
from saved import NOW, Ended
from traces import AWS_CLI, BOTO3, TRUFFLEHOG, Traces, ago, instance, mixed

Run = Callable[..., Ended]
ORDER = ["incident", "remove", "sign-in", "replace-by-role", "ask-owner"]
GROUPS = ["incident", "remove", "remove-user", "sign-in", "replace-by-role", "ask-owner"]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"onmouseover=alert(1) x="',
    "<script>document.title='owned'",
    "'><svg onload=alert(1)>",
    "{{7*7}}{%if%}",
    "&lt;b&gt;",
    "rtl\u202egnp.exe",
]
# Where the days that were looked at begin and end, in percent of the width.
SINCE, END = 24, 99


@pytest.fixture
def opened(browser: Browser, credwarden: Run, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of an account; an error or a request of the browser fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def page_of(command: str, traces: Traces, *options: str, status: int = 0, **context: Any) -> Page:
        path = tmp_path / f"{command}.html"
        done = credwarden(
            command, *replace(traces, folder=tmp_path).saved(), *options, "--format", "html", "--output", path
        )
        assert done.status == status, done.errors
        return opened_in(browser, path, complaints, contexts, **context)

    yield page_of
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def data(credwarden: Run, tmp_path: Path) -> Callable[..., dict]:
    """Returns what the command prints as JSON of an account whose page was opened."""

    def of(command: str, traces: Traces, *options: str) -> dict:
        return json.loads(
            credwarden(command, *replace(traces, folder=tmp_path).saved(), *options, "--format", "json").output
        )

    return of


def rows(page: Page) -> list[dict[str, str]]:
    """Returns the keys, in their order."""
    return page.evaluate("""[...document.querySelectorAll(".key")].map((key) => ({
        user: key.querySelector(".user").firstChild.textContent.trim(), id: key.querySelector(".who code")?.textContent,
        plan: key.classList[1], verdict: key.querySelector(".verdict").textContent}))""")


def key_of(page: Page, id: str) -> Locator:
    return page.locator(".key", has=page.locator(f".who code:text-is('{id}')"))


def texts(locator: Locator) -> list[str]:
    return [text.strip() for text in locator.all_text_contents()]


def test_every_key_is_on_the_page_by_plan_and_user(opened: Callable[..., Page], data: Callable[..., dict]) -> None:
    account = mixed()
    page = opened("trace", account, status=1, reduced_motion="reduce")
    keys = sorted(data("trace", account)["keys"], key=lambda key: ORDER.index(key["plan"]))
    assert len(keys) == 50 and {key["plan"] for key in keys} == set(ORDER)
    shown = rows(page)
    assert [(row["user"], row["plan"]) for row in shown] == [(key["user"], key["plan"]) for key in keys]
    assert [row["id"] for row in shown] == [key["access_key_id"] or "access key 1" for key in keys]
    assert [row["verdict"] for row in shown] == [f"{key['plan']} {key['verdict']}" for key in keys]
    assert page.title().startswith(f"Access keys of AWS account {ACCOUNT}")
    assert page.get_by_text("by the events of 90 days, since 2026-08-22 06:00 UTC").is_visible()

    counts = Counter(key["plan"] for key in keys)
    assert texts(page.locator(".plans .count")) == [str(counts[plan]) for plan in ORDER]
    assert texts(page.locator(".plans .label")) == ORDER
    for plan in ORDER:
        page.locator(f".plans a[href='#{plan}']").click()
        first = page.locator(":target")
        assert first.locator(".badge").text_content() == plan
        assert first.locator(".user").text_content() == next(key["user"] for key in keys if key["plan"] == plan)


def test_a_plan_has_numbered_groups_with_what_each_takes(
    opened: Callable[..., Page], data: Callable[..., dict]
) -> None:
    account = mixed()
    page = opened("plan", account, status=1)
    groups = data("plan", account)["groups"]
    assert [group["plan"] for group in groups] == GROUPS
    expected = []
    for number, group in enumerate(groups, 1):
        noun = "key" if "keys" in group else "user"
        expected.append(f"{number}. {group['plan']} {group['count']} {noun}{'s' * (group['count'] != 1)}")
        section = page.locator(f"section[aria-labelledby='{group['plan']}']")
        names = [one["user"] for one in group.get("keys") or group["users"]]
        assert [name.split(" inactive")[0] for name in texts(section.locator(".user"))] == names
        assert section.locator(".verdict .badge").count() == 0
        effort = section.locator("h2 + p").inner_text()
        assert effort and ("users" in group or set(texts(section.locator(".key:not(:has(.tag)) .fix p"))) == {effort})
    assert texts(page.locator("main h2"))[1:] == expected
    assert texts(page.locator(".plans .count")) == [str(group["count"]) for group in groups]
    inactive = page.locator(".key.remove:has(.tag) .fix p")
    assert set(texts(inactive)) == {"Delete the key. It is inactive already."}
    user = page.locator(".key.remove-user", has=page.get_by_text("intern-2019", exact=True))
    user.locator("summary").click()
    assert user.locator("pre").inner_text().endswith("aws iam delete-user --user-name intern-2019")


def test_the_life_of_a_key_shows_its_days(opened: Callable[..., Page]) -> None:
    account = Traces()
    key = account.key("alice", created=ago(days=365), used=ago(days=45))
    uses = {"2026-08-22": 1, "2026-10-06": 12, "2026-11-20": 120}
    for day, count in uses.items():
        for minute in range(count):
            time = datetime.fromisoformat(f"{day}T00:00:00") + timedelta(minutes=minute + 361 * (day == "2026-08-22"))
            account.event(key, f"{time.isoformat()}Z", "192.0.2.1", BOTO3)
    # Before the days that are looked at.
    account.event(key, "2026-08-22T05:59:59Z", "192.0.2.1", BOTO3)
    never = account.key("bob", created="2010-01-01T00:00:00Z")
    page = opened("trace", account)

    alice = key_of(page, key)
    bars = alice.locator("rect.bar")
    assert texts(bars.locator("title")) == ["2026-08-22: 1 event", "2026-10-06: 12 events", "2026-11-20: 120 events"]
    assert [bar.get_attribute("height") for bar in bars.all()] == ["5", "10", "15"]
    now = datetime.fromisoformat(NOW.removesuffix("Z"))

    def position(time: datetime) -> float:
        return END - (now - time) / timedelta(days=90) * (END - SINCE)

    def attribute(locator: Locator, name: str) -> float:
        return float(locator.get_attribute(name).removesuffix("%"))

    starts = [attribute(bar, "x") for bar in bars.all()]
    assert starts == pytest.approx([SINCE, position(datetime(2026, 10, 6)), position(now)], abs=0.4)
    assert attribute(alice.locator(".at"), "x") == pytest.approx(position(now - timedelta(days=45)), abs=0.01)
    created = attribute(alice.locator("circle.created"), "cx")
    year = page.locator(".axis text", has_text="1 y")
    assert created == attribute(year, "x") == attribute(alice.locator(".span"), "x1") < SINCE
    assert alice.get_by_role("img").get_attribute("aria-label") == (
        "Created on 2025-11-20 06:00 UTC; last used, by IAM's record, on 2026-10-06 06:00 UTC. Events on 3 days of the last "
        "90 days, first on 2026-08-22, last on 2026-11-20, at most 120 a day."
    )
    alice.locator("summary").first.click()
    alice.get_by_text("Events by day").click()
    assert texts(alice.locator(".by-day li")) == texts(bars.locator("title"))

    bob = key_of(page, never)
    assert bob.locator("rect.bar, circle.created, .used").count() == 0
    assert attribute(bob.locator(".span"), "x1") == 0
    assert bob.get_by_role("img").get_attribute("aria-label").endswith("No event of the last 90 days was found.")


def test_days_that_were_not_looked_at_are_not_shaded(opened: Callable[..., Page]) -> None:
    account = Traces()
    known = account.key("alice", active=False, used=ago(days=300))
    account.key("bob", has_id=False)
    page = opened("trace", account, "--days", "7")
    assert key_of(page, known).locator(".window").count() == 1
    assert key_of(page, "access key 1").locator(".window").count() == 0
    assert texts(page.locator(".axis text")) == ["10 y", "1 y", "7 d", "3 d", "now"]
    assert page.get_by_text("1,979 days old, no use recorded, events not looked at").is_visible()
    assert texts(page.locator(".tag")) == ["inactive"] and key_of(page, known).locator(".span.inactive").count() == 1


def test_a_key_shows_where_it_is_used_from_and_why(opened: Callable[..., Page], data: Callable[..., dict]) -> None:
    account = Traces()
    account.interfaces.append(instance("i-0a1b", "198.51.100.7"))
    key = account.key("backup", used=ago(days=1))
    account.event(key, ago(days=20), "198.51.100.7", BOTO3, source="s3", name="ListBuckets")
    account.event(key, ago(days=1), "198.51.100.7", BOTO3)
    for number in range(30):
        account.event(key, ago(days=2), f"192.0.2.{number}", AWS_CLI)
    page = opened("trace", account)
    (traced,) = data("trace", account)["keys"]
    one = key_of(page, key)
    one.locator("summary").first.click()
    assert texts(one.locator(".places tbody tr").first.locator("th, td")) == [
        "i-0a1b own-instance, 111122223333, eu-central-1",
        *("198.51.100.7", "Boto3/1.39.7", "environment", "ec2, s3", "2"),
        "2026-10-31 06:00 UTC to 2026-11-19 06:00 UTC",
    ]
    assert one.locator(".places tbody tr").count() == 25
    assert one.get_by_text("And 6 more places: --format json has all of them.").is_visible()
    body = one.locator(".body").text_content()
    assert len(traced["because"]) == 32 and all(because["reason"] in body for because in traced["because"])
    assert "ec2:DescribeInstances on 2026-11-19 06:00 UTC" in one.locator("summary .verdict").text_content()


def test_what_was_not_looked_at_for_most_keys_is_shown_once(opened: Callable[..., Page]) -> None:
    account = Traces(events={})
    for user in ("alice", "bob"):
        account.event(account.key(user), ago(days=1), "192.0.2.1", BOTO3)
    account.interfaces = account.addresses = None
    other = account.key("carol", used=ago(days=1), service="s3")
    page = opened("trace", account)
    top = texts(page.locator("#not-looked-at li"))
    assert top[0].startswith("Events in ap-northeast-1, ap-northeast-2") and top[0].endswith(" (all 3 keys)")
    assert "eu-central-1" not in top[0]
    assert top[1:] == [
        f"{what}. They are in none of the files. (2 of 3 keys)"
        for what in ("Elastic IP addresses", "Network interfaces")
    ]
    assert page.get_by_text("ap-northeast-2").count() == page.get_by_text("etwork interfaces.").count() == 1
    carol = key_of(page, other)
    carol.locator("summary").first.click()
    own = texts(carol.locator(".body li"))[-2:]
    assert own[0].startswith("Data events in eu-central-1. The last use, on 2026-11-19 06:00 UTC, was of s3")
    carol.get_by_role("link", name=own[1]).click()
    assert page.evaluate("location.hash") == "#not-looked-at"


@pytest.mark.parametrize("way", ["clipboard", "selection"])
def test_commands_are_copied_as_they_are(
    opened: Callable[..., Page], credwarden: Run, tmp_path: Path, way: str
) -> None:
    account = Traces()
    key = account.key("o'neil $(x)", used=ago(days=1))
    account.event(key, ago(days=1), "192.0.2.66", TRUFFLEHOG, region="us-east-1")
    page = opened("plan", account, status=1, permissions=["clipboard-read", "clipboard-write"])
    if way == "selection":
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    row = key_of(page, key)
    row.locator("summary").first.click()
    row.get_by_role("button", name="Copy").click()
    row.get_by_role("button", name="Copied").wait_for()
    csv = credwarden("plan", *replace(account, folder=tmp_path).saved(), "--format", "csv").output
    commands = page.evaluate("navigator.clipboard.readText()")
    assert f'"{commands}"' in csv and "--status Inactive" in commands


@pytest.fixture
def hostile() -> Traces:
    """Hostile text in every cell and record that can have it."""
    account = Traces()
    for name in HOSTILE:
        text = f"</script>{name}"
        key = account.key(name, used=ago(days=1), service=text, region=text)
        account.event(key, ago(days=2), text, text, name=text, source=text, eventID=text)
        account.event(key, ago(days=3), "192.0.2.1", f"{text.replace(' ', '')} m/Z,b,g", name=text, source=text)
        account.users.append(f"left {name}")
    account.interfaces.append(instance("i-<b>1</b>", "198.51.100.1"))
    account.event(key, ago(days=4), "198.51.100.1", BOTO3)
    return account


@pytest.mark.parametrize("command", ["trace", "plan"])
def test_untrusted_text_is_escaped(opened: Callable[..., Page], hostile: Traces, command: str) -> None:
    page = opened(command, hostile)
    assert f"AWS account {ACCOUNT}" in page.title()
    for details in page.locator("details").all():
        details.evaluate("(one) => { one.open = true; }")
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    elements = "img, b, svg[onload], [onmouseover], [onerror], [style], iframe"
    assert page.evaluate(f"document.querySelectorAll('{elements}').length") == 0
    escaped = [text.replace("\u202e", r"\u{202e}") for text in HOSTILE]
    assert set(escaped) <= {row["user"] for row in rows(page)}
    assert "\u202e" not in page.content()
    for text in escaped:
        row = page.locator(".key", has=page.locator(f".user:text-is({json.dumps(text)})")).first
        content = row.text_content()
        # As address, service, Region, event and program.
        assert content.count(f"</script>{text}") > 6 and f"</script>{text.replace(' ', '')[:8]}" in content
    if command == "plan":
        assert {f"left {text}" for text in escaped} <= {row["user"] for row in rows(page)}


@pytest.mark.parametrize("command", ["trace", "plan"])
def test_the_content_security_policy_blocks_foreign_content(
    browser: Browser, credwarden: Run, tmp_path: Path, command: str
) -> None:
    credwarden(command, *replace(mixed(10), folder=tmp_path).saved(), "--format", "html", "--output", "page.html")
    complaints, contexts = [], []
    page = opened_in(browser, tmp_path / "page.html", complaints, contexts)
    assert complaints == []
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert refused_in(page) == ["img-src", "script-src-elem", "style-src-elem"]
    assert ACCOUNT in page.title()
    contexts[0].close()


@pytest.mark.parametrize(
    ("command", "width", "scheme"),
    [("trace", 375, "dark"), ("trace", 1280, "light"), ("plan", 375, "light"), ("plan", 1280, "dark")],
)
def test_the_page_is_accessible(opened: Callable[..., Page], command: str, width: int, scheme: str) -> None:
    account = mixed(10)
    account.events = {region: found for region, found in account.events.items() if found}
    long = account.key("a-user-with-the-longest-name-that-iam-allows-which-is-64-characters", used=ago(days=1))
    account.event(long, ago(days=1), "2001:db8:1111:2222:3333:4444:5555:6666", f"{'x' * 200}/1.0")
    page = opened(command, account, status=1, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_keyboard_opens_a_key(opened: Callable[..., Page]) -> None:
    page = opened("trace", mixed(3))
    page.locator(".key > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".key").first.get_attribute("open") is not None
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_without_scripts_the_page_is_complete(opened: Callable[..., Page]) -> None:
    page = opened("plan", mixed(10), status=1, java_script_enabled=False)
    assert page.locator(".keys > li").count() > 10 and not page.locator(".copy").first.is_visible()
    page.locator(".key > summary").first.click()
    assert page.locator(".fix pre").first.is_visible()


def test_collapsed_parts_are_printed(opened: Callable[..., Page]) -> None:
    page = opened("trace", mixed(10), status=1)
    page.locator(".key > summary").nth(2).click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.emulate_media(media="print")
    assert not page.locator(".copy").first.is_visible() and page.locator(".fix pre").last.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 1
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("command", ["trace", "plan"])
def test_an_account_without_keys_says_so(opened: Callable[..., Page], command: str) -> None:
    account = Traces()
    account.key("alice", created=ago(days=1))
    page = opened(command, account)
    text = {
        "trace": "No access key to trace: none has a finding that fails.",
        "plan": "Nothing to do: no access key has a finding that fails.",
    }[command]
    assert page.locator(".clean").inner_text() == text and page.locator(".key").count() == 0
