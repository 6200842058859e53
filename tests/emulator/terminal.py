"""Plain text for a terminal: tables that fit its width, mails unchanged, and optional colour."""

from __future__ import annotations

import itertools
import os
import shutil
import textwrap
from collections.abc import Callable, Iterable
from typing import TextIO

_COLOURS = {
    "CRITICAL": "1;31",
    "HIGH": "31",
    "MEDIUM": "33",
    "LOW": "36",
    "INFORMATIONAL": "2",
    "bold": "1",
    "dim": "2",
}
_WIDEST, _NARROWEST = 120, 40


class Terminal:
    """The demo's output. Colour only on a terminal, and never with NO_COLOR (https://no-color.org). Before each line
    `before` is called, which may raise to stop."""

    def __init__(self, out: TextIO, before: Callable[[], None] = lambda: None) -> None:
        self._out, self._before = out, before
        self._colour = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((100, 24)).columns))

    def line(self, text: str = "") -> None:
        self._before()
        print(text, file=self._out, flush=True)

    def paint(self, text: str, style: str) -> str:
        return f"\033[{_COLOURS[style]}m{text}\033[0m" if self._colour and style in _COLOURS else text

    def step(self, number: int, text: str) -> None:
        """Prints a numbered step as a sentence."""
        lines = textwrap.wrap(text, self.width - 3) or [""]
        self.line()
        for position, line in enumerate(lines):
            self.line(self.paint(f"{number}." if position == 0 else "  ", "bold") + " " + self.paint(line, "bold"))
        self.line()

    def note(self, text: str) -> None:
        for line in textwrap.wrap(text, self.width - 3, break_on_hyphens=False, break_long_words=False):
            self.line("   " + line)

    def quote(self, text: str) -> None:
        """Prints a text unchanged, beside a bar. Long lines are not wrapped, so that they can be copied."""
        for line in text.rstrip("\n").split("\n"):
            self.line((self.paint("│", "dim") + " " + line).rstrip())

    def table(self, head: list[str], rows: Iterable[list[str]]) -> None:
        """Prints columns as wide as needed if there is room, otherwise wrapped. The colour of the first column depends on
        its text."""
        rows = [head, *rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        room = self.width - 3 - 2 * (len(head) - 1) - widths[0]
        # The last column has sentences: the others share the rest of the width.
        for column in range(1, len(head) - 1):
            widths[column] = min(widths[column], max(12, room - widths[-1]))
            room -= widths[column]
        widths[-1] = max(8, min(widths[-1], room))
        for position, row in enumerate(rows):
            style = "dim" if position == 0 else row[0]
            wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths)]
            for line in itertools.zip_longest(*wrapped, fillvalue=""):
                cells = [cell.ljust(width) for cell, width in zip(line, widths)]
                painted = [
                    self.paint(cells[0], style),
                    *(self.paint(cell, "dim") if position == 0 else cell for cell in cells[1:]),
                ]
                self.line("   " + "  ".join(painted).rstrip())
