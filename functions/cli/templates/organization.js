// The coverage is there without this. It makes the rows of the accounts from the index, and filters and sorts them; it decompresses
// the findings of the accounts that a person opens.
(() => {
  const $ = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const counted = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;
  const { severities, checks, units, roots, reasons, accounts } = JSON.parse($("index").textContent);
  const total = accounts.id.length;
  const UNKNOWN = severities.length - 1;
  const table = document.querySelector(".accounts");
  const body = table.tBodies[0];
  const can = typeof DecompressionStream === "function";
  $("no-decompression").hidden = can;

  // The lines of a chunk. The last few are kept: neighbours in the table share one.
  const chunks = document.querySelectorAll(".chunk");
  const decompressed = new Map();
  const decompress = async (chunk) => {
    const bytes = Uint8Array.from(atob(chunks[chunk].textContent), (one) => one.charCodeAt(0));
    const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return (await new Response(text).text()).split("\n");
  };
  const lines = (chunk) => {
    const known = decompressed.get(chunk) ?? decompress(chunk);
    decompressed.delete(chunk);
    decompressed.set(chunk, known);
    if (decompressed.size > 4) decompressed.delete(decompressed.keys().next().value);
    return known;
  };

  const badge = (label) => element("span", { class: `badge ${label.toLowerCase()}` }, label.replaceAll("_", " "));
  const small = (...children) => element("p", { class: "small" }, ...children);

  const fix = ({ heading, text }) => element("div", { class: "fix" }, element("p", {}, heading),
    element("button", { type: "button", class: "copy" }, "Copy"), element("pre", { tabindex: "0" }, element("code", {}, text)));

  const finding = (one) => {
    const [id, title] = checks[one.check];
    const fails = one.severity !== UNKNOWN;
    const facts = one.evidence.map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
    const evidence = facts.length === 0 ? []
      : [element("table", { class: "evidence" }, element("caption", {}, "Evidence"), element("tbody", {}, ...facts))];
    const identity = small("Identity: ", element("code", {}, one.id));
    return element("li", {},
      element("span", {}, badge(severities[one.severity])),
      element("span", { class: "on" }, one.on),
      element("div", {},
        element("p", { class: "title" }, fails ? title : `Could not be judged: “${title}”`),
        element("p", {}, one.message),
        element("details", {}, element("summary", {}, facts.length === 0 ? "More" : "Evidence"), ...evidence, identity)),
      element("a", { href: `#${id}` }, id));
  };

  const subject = ({ name, findings, fixes }) => {
    const worst = Math.min(...findings.map((one) => one.severity));
    const made = [
      element("h3", {}, badge(severities[worst]), element("span", { class: "name" }, name),
        element("span", { class: "small" }, counted(findings.length, "finding"))),
      element("ul", { class: "found" }, ...findings.map(finding)),
    ];
    if (fixes.length > 0) {
      const what = findings.length === 1 ? "How to fix this" : "How to fix all of this";
      made.push(element("details", { class: "commands" }, element("summary", {}, what), ...fixes.map(fix)));
    }
    return made;
  };

  // A large account has thousands of subjects: they are made as they are asked for.
  const SUBJECTS = 25;
  const subjects = (into, all) => {
    let made = 0;
    const more = element("button", { type: "button" });
    const foot = element("p", { class: "controls" }, more);
    into.append(foot);
    const next = () => {
      const fresh = all.slice(made, made + SUBJECTS).flatMap((line) => subject(JSON.parse(line)));
      foot.before(...fresh);
      made = Math.min(made + SUBJECTS, all.length);
      const left = all.length - made;
      foot.hidden = left === 0;
      more.textContent = `Show ${number.format(Math.min(SUBJECTS, left))} of ${counted(left, "more subject")}`;
      return fresh[0];
    };
    more.addEventListener("click", () => {
      const first = next();
      first.tabIndex = -1;
      first.focus();
    });
    next();
  };

  const about = (place, account) => {
    const parts = [];
    if (account.state) parts.push(`State ${account.state}.`);
    if (account.paths.length > 0) parts.push(`Path ${account.paths.join(", ")}.`);
    if (account.evaluated_at) parts.push(`Judged as of ${account.evaluated_at}.`);
    if (account.report_generated_at) parts.push(`Credential report of ${account.report_generated_at}.`);
    if (account.partition && account.partition !== "aws") parts.push(`Partition ${account.partition}.`);
    if (account.counts) {
      const { FAILED, PASSED, NOT_APPLICABLE, UNKNOWN } = account.counts;
      parts.push(`${number.format(FAILED)} failed, ${number.format(PASSED)} passed, ${number.format(NOT_APPLICABLE)} not applicable, `
        + `${number.format(UNKNOWN)} could not be judged.`);
    }
    return small(parts.join(" "));
  };

  const fill = async (into, place) => {
    const [chunk, line, count] = accounts.details[place];
    const all = await lines(chunk);
    const account = JSON.parse(all[line]);
    into.replaceChildren(about(place, account));
    if (account.errors?.length > 0) {
      into.append(element("p", {}, element("strong", {}, "Not read:")),
        element("ul", { class: "errors" }, ...account.errors.map((error) => element("li", {}, error))));
    }
    if (count > 0) {
      if (accounts.counts[place].slice(0, UNKNOWN).some(Boolean)) {
        into.append(small("The commands use the profile of the AWS CLI that has the account’s number as its name: without it they fail, and "
          + "change nothing in another account."));
      }
      subjects(into, all.slice(line + 1, line + 1 + count));
    }
  };

  const worst = (place) => {
    switch (accounts.coverage[place]) {
      case "not_audited": return "NOT_AUDITED";
      case "out_of_scope": return "OUT_OF_SCOPE";
      default: {
        const first = accounts.counts[place].findIndex(Boolean);
        return first === -1 ? "PASSED" : severities[first];
      }
    }
  };
  const called = (place) => accounts.name[place] ?? accounts.id[place];

  const cell = (name, ...children) => element("td", { role: "cell", class: name }, ...children);
  const labelled = (made, label) => {
    made.dataset.label = label;
    return made;
  };
  const LABELS = ["Critical", "High", "Medium", "Low", "Info", "Unknown"];

  // A row, and the row of its findings while it is open.
  const made = new Array(total);
  const row = (place) => {
    made[place] ??= (() => {
      const coverage = accounts.coverage[place];
      const toggle = element("button", { type: "button", class: "toggle", "aria-expanded": "false" }, called(place));
      const id = accounts.name[place] === null ? [] : [element("code", { class: "id" }, accounts.id[place])];
      const unit = accounts.unit[place];
      const cells = [
        cell("", badge(worst(place))),
        element("th", { scope: "row", role: "rowheader" }, toggle, ...id),
        cell("unit", unit === null ? "" : units[unit]),
      ];
      if (accounts.reason[place] === null) {
        const key = accounts.key[place], days = accounts.days[place];
        accounts.counts[place].forEach((count, at) => {
          cells.push(labelled(cell(count === 0 ? "number zero" : "number", number.format(count)), LABELS[at]));
        });
        cells.push(labelled(cell("root", roots[accounts.root[place]]), "Root user:"));
        cells.push(labelled(cell(days === null ? "key quiet" : "key", key, ...(days === null ? [] : [` (${counted(days, "day")})`])), "Oldest active key:"));
        if (coverage === "incomplete") cells[1].append(element("span", { class: "small note" }, "not read completely"));
      } else {
        const reason = cell("reason", reasons[accounts.reason[place]]);
        reason.colSpan = 8;
        cells.push(reason);
      }
      const head = element("tr", { role: "row", class: coverage.replaceAll("_", "-") }, ...cells);
      const one = { head, drill: null };
      toggle.addEventListener("click", () => open(place, one, toggle));
      return one;
    })();
    return made[place];
  };
  const open = async (place, one, toggle) => {
    if (one.drill) {
      one.drill.remove();
      one.drill = null;
      one.head.classList.remove("open");
      toggle.setAttribute("aria-expanded", "false");
      return;
    }
    const inside = cell("", small("Decompressing …"));
    inside.colSpan = 11;
    const drill = element("tr", { role: "row", class: "drill" }, inside);
    one.drill = drill;
    one.head.after(drill);
    one.head.classList.add("open");
    toggle.setAttribute("aria-expanded", "true");
    if (!can) {
      inside.replaceChildren(element("p", { class: "warning" }, $("no-decompression").textContent));
      return;
    }
    try {
      await fill(inside, place);
    } catch (error) {
      inside.replaceChildren(element("p", { class: "warning" }, `The findings of this account could not be read from this page: ${error}`));
    }
  };

  // Which accounts are shown, in which order, and how many of them have a row.
  const names = accounts.name.map((name) => (name ?? "").toLowerCase());
  const texts = accounts.id.map((id, place) => `${names[place]} ${id}`);
  let matching = [];
  let rows = 0;
  let wanted = 0;
  const FIRST = 100, MORE = 200;
  const status = () => {
    const match = `${number.format(matching.length)} of ${counted(total, "account")}`;
    $("shown").textContent = rows < matching.length ? `${match} match, the first ${number.format(rows)} are shown` : `${match} shown`;
    document.querySelector(".more").hidden = rows >= matching.length;
    const left = matching.length - rows;
    $("more").textContent = `Show ${number.format(Math.min(MORE, left))} more`;
    $("all").textContent = `Show all ${number.format(matching.length)}`;
    $("all").hidden = left <= MORE;
  };
  const append = (count) => {
    const fresh = matching.slice(rows, rows + count).map(row);
    body.append(...fresh.flatMap(({ head, drill }) => drill ? [head, drill] : [head]));
    rows += fresh.length;
    status();
  };
  // Many rows are made a part at a time, so that the page answers meanwhile.
  let timer;
  const proceed = () => {
    append(Math.min(MORE, wanted - rows));
    timer = rows < wanted ? setTimeout(proceed, 0) : undefined;
  };
  const list = () => {
    clearTimeout(timer);
    rows = 0;
    body.replaceChildren();
    append(FIRST);
  };
  $("more").addEventListener("click", () => { wanted = Math.min(rows + MORE, matching.length); proceed(); });
  $("all").addEventListener("click", () => { wanted = matching.length; proceed(); });

  const search = $("search"), unit = $("unit"), check = $("check");
  const pressed = (name) => [...document.querySelectorAll(`button[data-${name}][aria-pressed="true"]`)].map((one) => one.dataset[name]);
  const kept = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const coverage = pressed("coverage");
    if (coverage.includes("audited")) coverage.push("incomplete");
    const wantedSeverities = pressed("severity").map(Number);
    const places = [];
    for (const place of order) {
      const found = check.value === "" && wantedSeverities.length === 0 ? null : accounts.found[place];
      const visible = (coverage.length === 0 || coverage.includes(accounts.coverage[place]))
        && (unit.value === "" || accounts.unit[place] === Number(unit.value))
        && (found === null || found.some((pair) => {
          const severity = pair % severities.length;
          return (check.value === "" || (pair - severity) / severities.length === Number(check.value))
            && (wantedSeverities.length === 0 || wantedSeverities.includes(severity));
        }))
        && words.every((word) => texts[place].includes(word));
      if (visible) places.push(place);
    }
    return places;
  };
  const filter = () => {
    matching = kept();
    list();
  };

  // The order of the index is worst first. What an account does not have is last in both directions.
  const last = (value) => value === null || value === undefined;
  const counts = (at) => (place) => accounts.reason[place] === null ? accounts.counts[place][at] : null;
  const values = {
    worst: (place) => -place,
    account: (place) => names[place] || accounts.id[place],
    unit: (place) => accounts.unit[place],
    critical: counts(0), high: counts(1), medium: counts(2), low: counts(3), informational: counts(4), unknown: counts(5),
    root: (place) => accounts.root[place],
    key: (place) => accounts.days[place] === null ? null : accounts.key[place],
  };
  let order = accounts.id.map((_, place) => place);
  const sort = (key, first) => {
    const value = order.map((_, place) => values[key](place));
    order = accounts.id.map((_, place) => place).sort((one, other) => {
      const a = value[one], b = value[other];
      if (last(a) || last(b)) return Number(last(a)) - Number(last(b)) || one - other;
      return a < b ? -first : a > b ? first : one - other;
    });
  };
  const ASCENDING = ["account", "unit", "root", "key"];
  const heads = [...table.tHead.rows[0].cells];
  for (const head of heads) {
    if (["critical", "high", "medium", "low", "informational", "unknown"].includes(head.dataset.sort)) head.classList.add("number");
    head.firstElementChild.addEventListener("click", () => {
      const directions = ASCENDING.includes(head.dataset.sort) ? ["ascending", "descending"] : ["descending", "ascending"];
      const direction = head.getAttribute("aria-sort") === directions[0] ? directions[1] : directions[0];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      sort(head.dataset.sort, direction === "ascending" ? 1 : -1);
      filter();
    });
  }

  const option = (value, text) => element("option", { value: String(value) }, text);
  unit.append(...units.map((name, place) => option(place, name)));
  const having = checks.map(() => 0);
  for (const pairs of accounts.found) {
    for (const one of new Set(pairs.map((pair) => Math.floor(pair / severities.length)))) having[one] += 1;
  }
  check.append(...checks.map(([id], place) => option(place, `${id} (${counted(having[place], "account")})`)));
  unit.parentElement.hidden = units.length === 0;

  for (const button of document.querySelectorAll("button.severity")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  search.addEventListener("input", filter);
  unit.addEventListener("change", filter);
  check.addEventListener("change", filter);
  $("reset").addEventListener("click", () => {
    search.value = "";
    unit.value = "";
    check.value = "";
    document.querySelectorAll("button.severity").forEach((one) => one.setAttribute("aria-pressed", "false"));
    filter();
  });
  copyButtons(table);
  $("no-script").hidden = true;
  document.querySelector(".controls").hidden = false;
  table.hidden = total === 0;
  filter();
})();
