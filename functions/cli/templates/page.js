"use strict";
// Everything on the page is there without this; it adds filter, sort, copy, and opens what is folded for the printer.
(() => {
  const $ = (id) => document.getElementById(id);
  const table = document.querySelector(".findings");
  const severities = [...document.querySelectorAll("button.severity")];
  const details = () => [...document.querySelectorAll("details")];

  let reopened = [];
  addEventListener("beforeprint", () => {
    reopened = details().filter((one) => !one.open);
    reopened.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => reopened.forEach((one) => { one.open = false; }));

  if (!table) {
    severities.forEach((button) => { button.disabled = true; });
    return;
  }
  document.querySelector(".controls").hidden = false;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({
    row,
    place,
    severity: row.dataset.severity,
    status: row.dataset.status,
    check: row.dataset.check,
    subject: row.cells[1].textContent.toLowerCase(),
    title: row.querySelector(".title").textContent.toLowerCase(),
    text: row.textContent.toLowerCase(),
  }));
  const number = new Intl.NumberFormat("en");
  const search = $("search"), check = $("check"), status = $("status");

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const pressed = severities.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.severity);
    let shown = 0;
    for (const one of rows) {
      const visible = (pressed.length === 0 || pressed.includes(one.severity))
        && (!check.value || check.value === one.check)
        && (!status || !status.value || status.value === one.status)
        && words.every((word) => one.text.includes(word));
      one.row.hidden = !visible;
      shown += visible ? 1 : 0;
    }
    $("shown").textContent = `${number.format(shown)} of ${number.format(rows.length)} findings shown`;
  };
  for (const button of severities) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  search.addEventListener("input", filter);
  check.addEventListener("change", filter);
  status?.addEventListener("change", filter);
  $("reset").addEventListener("click", () => {
    search.value = "";
    check.value = "";
    if (status) status.value = "";
    severities.forEach((one) => one.setAttribute("aria-pressed", "false"));
    filter();
  });

  // The order of the file is worst first: the severity column sorts by it.
  const compare = {
    severity: (one, other) => other.place - one.place,
    subject: (one, other) => one.subject < other.subject ? -1 : one.subject > other.subject ? 1 : one.place - other.place,
    title: (one, other) => one.title < other.title ? -1 : one.title > other.title ? 1 : one.place - other.place,
    check: (one, other) => one.check < other.check ? -1 : one.check > other.check ? 1 : one.place - other.place,
  };
  const heads = [...table.tHead.rows[0].cells];
  for (const head of heads) {
    head.firstElementChild.addEventListener("click", () => {
      const first = head.dataset.sort === "severity" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const order = compare[head.dataset.sort];
      body.append(...[...rows].sort((one, other) => sign * order(one, other)).map((one) => one.row));
    });
  }

  const expand = $("expand");
  expand.addEventListener("click", () => {
    const open = expand.textContent === "Expand all";
    expand.textContent = open ? "Collapse all" : "Expand all";
    for (const one of rows) one.row.querySelector("details").open = open;
  });

  const selected = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    const done = document.execCommand("copy");
    selection.removeAllRanges();
    return done;
  };
  const copy = async (element) => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {
      return selected(element);
    }
  };
  document.querySelectorAll(".copy").forEach((button) => { button.hidden = false; });
  body.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    button.textContent = await copy(button.parentElement.querySelector("code")) ? "Copied" : "Select and copy by hand";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
})();
