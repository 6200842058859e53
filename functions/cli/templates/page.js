// Everything on the page is there without this; it adds filter, sort, copy and the view by subject.
(() => {
  const $ = (id) => document.getElementById(id);
  const table = document.querySelector(".findings");
  const severities = [...document.querySelectorAll("button.severity")];

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
    owner: Number(row.dataset.owner),
    subject: row.cells[1].textContent.toLowerCase(),
    title: row.querySelector(".title").textContent.toLowerCase(),
    text: row.textContent.toLowerCase(),
  }));
  const number = new Intl.NumberFormat("en");
  const bySubject = $("by-subject");

  // A user with the keys and credentials, root or the account: a heading, the rows, and what fixes all of them.
  const subject = (card, own) => {
    const [name, ...fixes] = [...card.cloneNode(true).children];
    const count = element("span", { class: "small" });
    const badge = own[0].row.querySelector(".badge").cloneNode(true);
    const heading = element("th", { scope: "rowgroup", role: "rowheader", colspan: "4" },
      badge, element("span", { class: "name" }, name.textContent), count);
    const head = element("tr", { class: "subject", role: "row" }, heading);
    const group = element("tbody", { role: "rowgroup" });
    const foot = [];
    if (fixes.length > 0) {
      group.classList.add("joined");
      const commands = element("details", {}, element("summary", {}, "How to fix all of this"), ...fixes);
      foot.push(element("tr", { class: "commands", role: "row" }, element("td", { role: "cell", colspan: "4" }, commands)));
    }
    return {
      body: group,
      fill(sorted) {
        group.replaceChildren(head, ...sorted.map((one) => one.row), ...foot);
      },
      show() {
        const shown = own.filter((one) => !one.row.hidden).length;
        const all = number.format(own.length);
        const noun = own.length === 1 ? "finding" : "findings";
        count.textContent = shown === own.length ? `${all} ${noun}` : `${number.format(shown)} of ${all} ${noun}`;
        group.hidden = shown === 0;
        return shown !== 0;
      },
    };
  };
  let made;
  const subjects = () => {
    if (!made) {
      const cards = [...$("owners").content.children];
      const owned = cards.map(() => []);
      for (const one of rows) owned[one.owner].push(one);
      made = cards.map((card, owner) => subject(card, owned[owner]));
    }
    return made;
  };
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
    const groups = bySubject.checked ? subjects() : [];
    const seen = groups.filter((group) => group.show()).length;
    const on = groups.length === 0 ? "" : `, on ${number.format(seen)} ${seen === 1 ? "subject" : "subjects"}`;
    $("shown").textContent = `${number.format(shown)} of ${number.format(rows.length)} findings shown${on}`;
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
      arrange();
    });
  }
  // By subject, the subjects are in the order of their first rows; by severity in that of the file, root first.
  const arrange = () => {
    const head = heads.find((one) => one.hasAttribute("aria-sort"));
    const first = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const byOwner = bySubject.checked && head.dataset.sort === "severity";
    const order = byOwner ? (one, other) => other.owner - one.owner || other.place - one.place : compare[head.dataset.sort];
    const sorted = [...rows].sort((one, other) => first * order(one, other));
    if (!bySubject.checked) {
      body.append(...sorted.map((one) => one.row));
      table.replaceChildren(table.caption, table.tHead, body);
      return;
    }
    const groups = new Map();
    for (const one of sorted) {
      const group = subjects()[one.owner];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(one);
    }
    groups.forEach((own, group) => group.fill(own));
    table.replaceChildren(table.caption, table.tHead, ...[...groups.keys()].map((group) => group.body));
  };
  for (const view of document.querySelectorAll("[name=view]")) {
    view.addEventListener("change", () => {
      arrange();
      filter();
    });
  }

  const expand = $("expand");
  expand.addEventListener("click", () => {
    const open = expand.textContent === "Expand all";
    expand.textContent = open ? "Collapse all" : "Expand all";
    for (const one of table.querySelectorAll("details")) one.open = open;
  });

  document.querySelectorAll(".copy").forEach((button) => { button.hidden = false; });
  copyButtons(table);
})();
