"""Pages in Chromium, which complains about what a page must not do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page


def browser_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CREDWARDEN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def opened_in(
    browser: Browser,
    path: Path,
    complaints: list[str],
    contexts: list[BrowserContext],
    before: str = "",
    **options: Any,
) -> Page:
    """Opens the page, in a context of its own that is added to the contexts. `before` is a script to run before the page's own.
    An error, a message, a dialog or a request is added to the complaints."""
    context = browser.new_context(**options)
    context.add_init_script(before)
    contexts.append(context)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: request.url == path.as_uri() or complaints.append(f"request: {request.url}"))
    page.goto(path.as_uri())
    return page


def refused_in(page: Page) -> list[str]:
    """Returns the directives by which the page's policy refuses a script, a style and an image that are added to it."""
    return page.evaluate("""() => new Promise((done) => {
        const refused = [];
        addEventListener("securitypolicyviolation", (event) => {
            refused.push(event.effectiveDirective);
            if (refused.length === 3) done(refused.sort());
        });
        const script = document.createElement("script");
        script.textContent = "document.title = 'owned'";
        const style = document.createElement("style");
        style.textContent = "body { display: none }";
        const image = new Image();
        image.src = "http://127.0.0.1:1/x.png";
        document.body.append(script, style, image);
    })""")
