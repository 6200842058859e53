"""The page on an organization, in a real browser: coverage, filters, sorting, the findings of an account, and hostile names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from browsing import opened_in, refused_in
from saved import NOW, SEVERITIES, Ended, account, as_json

Run = Callable[..., Ended]
# An account with failures, one that passes every check, one of which only the summary is saved, and one that is excluded.
SAMPLE, CLEAN, SUMMARY, EXCLUDED = ("111111111111", "222222222222", "333333333333", "444444444444")
HOSTILE = "</script><img src=x onerror=alert(1)>"
INDEX = re.compile(r'(<script type="application/json" id="index">)(.*?)(</script>)', re.DOTALL)
LONG_TASKS = """window.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });"""


@pytest.fixture
def organization(credwarden: Run) -> Run:
    """Runs `credwarden organization check` on a folder of saved files."""

    def run(folder: Path, path: Path, *options: str | Path) -> Ended:
        return credwarden(
            "organization", "check", "--accounts-from", folder, "--format", "html", "--output", path, *options
        )

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "accounts"
    folder.mkdir()
    for id, name in ((SAMPLE, "sample"), (CLEAN, "clean"), (EXCLUDED, "bare")):
        save(folder, id, account(name).report(id))
    for id, name in ((SAMPLE, "sample"), (CLEAN, "clean"), (SUMMARY, "sample")):
        (folder / f"{id}.summary.json").write_text(json.dumps({"SummaryMap": account(name).summary_map(id)}))
    for id in (SAMPLE, CLEAN):
        credentials = {"ServiceSpecificCredentials": [], "IsTruncated": False}
        (folder / f"{id}.service-credentials.json").write_text(json.dumps(credentials))
    return folder


def save(folder: Path, id: str, report: str) -> None:
    (folder / f"{id}.report.json").write_text(as_json(report, NOW))


@pytest.fixture
def opened(browser: Browser, organization: Run, folder: Path, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of the folder; an error or a request of the browser fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def page_of(change: Callable[[dict], None] | None = None, **context: Any) -> Page:
        path = tmp_path / "organization.html"
        assert organization(folder, path, "--exclude", EXCLUDED).status == 1
        if change:
            change_index(path, change)
        return opened_in(browser, path, complaints, contexts, **context)

    yield page_of
    for context in contexts:
        context.close()
    assert complaints == []


def change_index(path: Path, change: Callable[[dict], None]) -> None:
    """Changes the data of the rows: saved files have no names and no organizational units."""
    page = path.read_text()
    index = json.loads(INDEX.search(page)[2])
    change(index)
    text = json.dumps(index).replace("<", "\\u003c")
    path.write_text(INDEX.sub(lambda match: match[1] + text + match[3], page))


def with_names(index: dict) -> None:
    accounts = index["accounts"]
    index["units"] = ["Production", HOSTILE]
    index["reasons"].append(f"AssumeRole failed: {HOSTILE}")
    place = {id: place for place, id in enumerate(accounts["id"])}
    for id, name, unit in ((SAMPLE, "Payments", 0), (CLEAN, HOSTILE, 1), (SUMMARY, "Search", None)):
        accounts["name"][place[id]] = name
        accounts["unit"][place[id]] = unit
    accounts["coverage"][place[SUMMARY]] = "not_audited"
    accounts["found"][place[SUMMARY]] = []
    accounts["coverage"][place[CLEAN]] = "incomplete"
    accounts["reason"][place[SUMMARY]] = len(index["reasons"]) - 1


def rows(page: Page) -> list[dict[str, Any]]:
    """Returns the rows of the accounts, in their order."""
    return page.evaluate("""[...document.querySelectorAll(".accounts > tbody > tr:not(.drill)")].map((row) => ({
        badge: row.querySelector(".badge").textContent, account: row.querySelector("th").textContent,
        unit: row.children[2].textContent, rest: [...row.children].slice(3).map((cell) => cell.textContent)}))""")


def accounts(page: Page) -> list[str]:
    return [row["account"] for row in rows(page)]


def open_account(page: Page, id: str) -> Any:
    """Opens the findings of an account, all of them."""
    row = page.locator(".accounts > tbody > tr:not(.drill)", has=page.get_by_text(id))
    row.locator(".toggle").click()
    drill = row.locator("xpath=following-sibling::tr[1]")
    drill.get_by_text("could not be judged").first.wait_for()
    more = drill.locator(".controls button")
    while more.count() and more.is_visible():
        more.click()
    return drill


def findings(run: Run, folder: Path, id: str) -> list[dict]:
    files = {
        "--credential-report": "report",
        "--account-summary": "summary",
        "--service-credentials": "service-credentials",
    }
    options = [part for option, kind in files.items() for part in (option, folder / f"{id}.{kind}.json")]
    done = run("check", *options, "--now", NOW, "--format", "json")
    return [one for one in json.loads(done.output)["findings"] if one["status"] in ("FAILED", "UNKNOWN")]


def test_coverage_is_first_and_needs_no_script(opened: Callable[..., Page]) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("h2").first.inner_text() == "Coverage"
    assert page.get_by_text("All 3 accounts in scope were audited.").is_visible()
    assert page.locator(".coverage .count").all_inner_texts() == ["3", "0", "0", "1"]
    assert page.get_by_text("Excluded (1 account)").is_visible() and page.get_by_text(EXCLUDED).first.is_visible()
    page.locator("#no-script").wait_for()
    assert not page.locator(".accounts").is_visible() and not page.locator(".controls").first.is_visible()


def test_without_decompression_the_rows_are_there_and_a_message_says_what_is_missing(
    opened: Callable[..., Page],
) -> None:
    page = opened(before="delete window.DecompressionStream;")
    assert len(rows(page)) == 4
    assert page.locator("#no-decompression").is_visible()
    page.locator(".toggle").first.click()
    assert "cannot decompress" in page.locator(".drill").inner_text()


def test_accounts_are_listed_worst_first_and_without_an_audit_never_as_clean(opened: Callable[..., Page]) -> None:
    page = opened(with_names)
    assert not page.locator("#no-script, #no-decompression").first.is_visible()
    shown = rows(page)
    assert [(row["badge"], row["account"]) for row in shown] == [
        ("CRITICAL", f"Payments{SAMPLE}"),
        ("NOT AUDITED", f"Search{SUMMARY}"),
        ("UNKNOWN", f"{HOSTILE}{CLEAN}not read completely"),
        ("OUT OF SCOPE", EXCLUDED),
    ]
    displays = "[...document.querySelectorAll('.accounts > tbody > tr')].map((row) => getComputedStyle(row).display)"
    assert set(page.evaluate(displays)) == {"grid"}
    by_account = {row["account"]: row for row in shown}
    assert by_account[f"Search{SUMMARY}"]["rest"] == [f"AssumeRole failed: {HOSTILE}"]
    assert by_account[EXCLUDED]["rest"] == ["Excluded"]


def test_every_finding_is_shown_once_with_its_evidence_and_the_joined_commands(
    opened: Callable[..., Page], credwarden: Run, folder: Path
) -> None:
    page = opened()
    for id in (SAMPLE, CLEAN):
        expected = findings(credwarden, folder, id)
        drill = open_account(page, id)
        items = drill.locator(".found > li")
        shown = items.evaluate_all("""(items) => items.map((item) => ({
            id: item.querySelector("details > .small code").textContent, badge: item.querySelector(".badge").textContent,
            check: item.querySelector("a").textContent, text: item.textContent }))""")
        assert Counter(one["id"] for one in shown) == Counter(one["id"] for one in expected)
        by_id = {one["id"]: one for one in shown}
        for one in expected:
            item = by_id[one["id"]]
            assert item["badge"] == (one["severity"] if one["status"] == "FAILED" else "UNKNOWN")
            assert item["check"] == one["check"] and one["message"] in item["text"]
            assert all(name in item["text"] and value in item["text"] for name, value in one["evidence"].items())
        counts = [
            int(cell.replace(",", "")) for cell in next(row for row in rows(page) if id in row["account"])["rest"][:6]
        ]
        badges = Counter(one["badge"] for one in shown)
        assert counts == [badges[severity] for severity in [*SEVERITIES, "UNKNOWN"]]
    drill = page.locator(".drill").first
    headings = drill.locator("h3 .name").all_inner_texts()
    assert headings[0] == "Root user" and len(headings) == len(set(headings))
    texts = drill.locator(".fix code").all_text_contents()
    starts = {text.split("\n")[0] for text in texts}
    assert starts == {
        "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN",
        f"Sign in to account {SAMPLE}.",
    }


def test_commands_are_copied_with_the_account_that_they_are_for(opened: Callable[..., Page]) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    drill = open_account(page, SAMPLE)
    commands = drill.locator("details.commands", has=page.get_by_text("access-key-unused").first).last
    commands.locator("summary").click()
    fix = commands.locator(".fix").first
    fix.get_by_role("button", name="Copy").click()
    fix.get_by_role("button", name="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == fix.locator("code").text_content() and text.splitlines()[1] == f"export AWS_PROFILE={SAMPLE}"


def test_a_link_leads_from_a_finding_to_its_check(opened: Callable[..., Page]) -> None:
    page = opened()
    link = open_account(page, SAMPLE).locator(".found a").first
    link.click()
    assert page.locator("article:target code").first.inner_text() == link.inner_text()


def test_filters_combine(opened: Callable[..., Page]) -> None:
    page = opened(with_names)
    every = accounts(page)
    status = page.locator("#shown")
    assert status.inner_text() == "4 of 4 accounts shown"
    page.get_by_label("Account", exact=True).fill("PAY")
    assert accounts(page) == [f"Payments{SAMPLE}"] and status.inner_text() == "1 of 4 accounts shown"
    page.get_by_label("Account", exact=True).fill(SUMMARY[:6])
    assert accounts(page) == [f"Search{SUMMARY}"]
    page.get_by_role("button", name="Reset").click()
    assert accounts(page) == every
    page.get_by_label("Organizational unit").select_option(HOSTILE)
    assert accounts(page) == [f"{HOSTILE}{CLEAN}not read completely"]
    page.locator("button.severity.critical").click()
    assert accounts(page) == [] and status.inner_text() == "0 of 4 accounts shown"
    page.get_by_label("Organizational unit").select_option("Production")
    assert accounts(page) == [f"Payments{SAMPLE}"]
    page.get_by_role("button", name="Reset").click()
    page.locator("#check").select_option(
        page.locator("#check option", has_text="access-key-unused").get_attribute("value")
    )
    assert accounts(page) == [f"Payments{SAMPLE}"]
    # One finding has to match both: this check has no CRITICAL one.
    page.locator("button.severity.critical").click()
    assert accounts(page) == []
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="OUT OF SCOPE").click()
    assert accounts(page) == [EXCLUDED]


def test_every_column_sorts_both_ways_and_what_is_not_known_is_last(opened: Callable[..., Page]) -> None:
    page = opened(with_names)
    every = accounts(page)
    heads = page.locator(".accounts thead th")
    assert heads.first.get_attribute("aria-sort") == "descending"
    for place in range(1, heads.count()):
        head = heads.nth(place)
        orders = []
        for _ in range(2):
            head.get_by_role("button").click()
            assert page.locator("[aria-sort]").count() == 1 and sorted(accounts(page)) == sorted(every)
            orders.append((head.get_attribute("aria-sort"), rows(page)))
        assert {direction for direction, _ in orders} == {"ascending", "descending"}
        if 3 <= place <= 8:
            for direction, shown in orders:
                values = [int(row["rest"][place - 3].replace(",", "")) for row in shown if len(row["rest"]) > 1]
                assert values == sorted(values, reverse=direction == "descending")
                assert [len(row["rest"]) for row in shown][-2:] == [1, 1]
    heads.first.get_by_role("button").click()
    assert accounts(page) == every
    heads.first.get_by_role("button").click()
    assert accounts(page) == every[::-1]


def test_text_of_an_account_is_escaped_in_the_page(opened: Callable[..., Page], folder: Path) -> None:
    report = (
        account("sample").report(SAMPLE).replace("legacy-mailer", HOSTILE.replace("/", "")).replace("bob", "b\u202eob")
    )
    save(folder, SAMPLE, report)
    page = opened(with_names)
    scripts = page.locator("script").count()
    drill = open_account(page, SAMPLE)
    page.locator(".toggle").nth(1).click()
    assert drill.get_by_text(f"User {HOSTILE.replace('/', '')}", exact=True).is_visible()
    assert drill.get_by_text(r"User b\u{202e}ob", exact=True).is_visible()
    assert page.locator(".accounts").get_by_text(HOSTILE, exact=True).first.is_visible()
    assert page.locator("script").count() == scripts and page.locator("img, [onerror], [style]").count() == 0
    assert "\u202e" not in page.content()


def test_the_content_security_policy_blocks_foreign_content(
    browser: Browser, organization: Run, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "organization.html"
    organization(folder, path)
    complaints, contexts = [], []
    page = opened_in(browser, path, complaints, contexts)
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.keys() == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert directives["default-src"] == "'none'" and complaints == []
    assert refused_in(page) == ["img-src", "script-src-elem", "style-src-elem"]
    contexts[0].close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900, 1280])
def test_the_page_is_accessible(opened: Callable[..., Page], scheme: str, width: int) -> None:
    page = opened(with_names, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    for id in (SAMPLE, CLEAN):
        open_account(page, id)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_keyboard_reaches_everything(opened: Callable[..., Page]) -> None:
    page = opened(with_names)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"
            )
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached[-1]
    wanted = (
        "Skip to the accounts",
        "3 AUDITED",
        "search",
        "unit",
        "check",
        "reset",
        "Worst",
        "Account",
        "Payments",
        "Search",
    )
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places)
    toggle = page.locator(".toggle").first
    toggle.focus()
    page.keyboard.press("Enter")
    page.locator(".drill .found").first.wait_for()
    assert toggle.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Evidence"
    toggle.focus()
    page.keyboard.press("Space")
    assert toggle.get_attribute("aria-expanded") == "false" and page.locator(".drill").count() == 0


def test_what_is_shown_is_printed(opened: Callable[..., Page]) -> None:
    page = opened()
    open_account(page, SAMPLE)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert not page.locator(".controls").first.is_visible() and not page.locator(".copy").first.is_visible()
    assert page.locator(".coverage").is_visible() and page.locator(".drill .fix pre").first.is_visible()
    assert page.locator(".toggle").count() == 4 and len(page.pdf()) > 10_000
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".drill details[open]").count() == 0


def test_ten_thousand_accounts_can_be_filtered_and_sorted(
    browser: Browser, organization: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    template = account("failing3:2").report("123456789012")
    for number in range(10_000):
        id = f"{100_000_000_000 + 7_919_313 * number:012}"
        # Names that differ, as those of people do, do not compress.
        report = template.replace("123456789012", id).replace("user-", f"{number * 2_654_435_761 % 2**32:x}-")
        save(folder, id, report)
    path = tmp_path / "organization.html"
    assert organization(folder, path).status == 1
    complaints, contexts = [], []
    page = opened_in(browser, path, complaints, contexts, before=LONG_TASKS)
    assert page.locator("#shown").inner_text() == "10,000 of 10,000 accounts match, the first 100 are shown"
    found = sum(int(text.replace(",", "")) for text in page.locator("[data-severity] .count").all_inner_texts())
    size = path.stat().st_size
    filtered = page.evaluate("""async () => {
        const start = performance.now();
        document.getElementById("search").value = "1234";
        document.getElementById("search").dispatchEvent(new Event("input"));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        return performance.now() - start;
    }""")
    assert 0 < len(rows(page)) <= 100
    page.locator("#reset").click()
    for head in page.locator(".accounts thead th button").all():
        head.click()
    page.locator(".toggle").first.click()
    page.locator(".drill .found").first.wait_for()
    page.get_by_role("button", name="Show all 10,000").click()
    page.locator(".more").wait_for(state="hidden", timeout=60_000)
    assert len(rows(page)) == 10_000
    longest = max(page.evaluate("tasks"), default=0)
    with capsys.disabled():
        print(f"\n{found:,} findings, {size / 1e6:.1f} MB; filter {filtered:.0f} ms, longest task {longest:.0f} ms")
    contexts[0].close()
    assert complaints == []
    assert found >= 50_000 and size <= 15_000_000
    # The aim is 200 ms; a machine that builds beside is slower. Timing itself is for a person to read above.
    assert filtered < 1_000 and longest < 1_000
