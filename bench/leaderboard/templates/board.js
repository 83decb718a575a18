"use strict";

// Sorted column, search words, compared filters and the row in view stand in the address: a link shows the same.
const view = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function remember(key, value) {
  if (value) view.set(key, value);
  else view.delete(key);
  history.replaceState(null, "", view.size ? `#${view}` : location.pathname + location.search);
}

function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  made.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Sort the rows of each table body; entries without a number stay last either way, and so do references.
function sortBy(heading, direction) {
  const headings = [...heading.parentElement.children];
  const column = headings.indexOf(heading);
  const numeric = heading.classList.contains("num");
  const key = (row) => row.children[column].dataset.sort;
  const last = (row) => row.classList.contains("reference");
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (last(a) !== last(b)) return last(a) - last(b);
    if (x === "" || y === "") return (x === "") - (y === "");
    return direction * (numeric ? Number(x) - Number(y) : x.localeCompare(y));
  };
  for (const body of heading.closest("table").tBodies) {
    body.append(...[...body.rows].filter((row) => !row.classList.contains("group")).sort(compare));
  }
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
}

for (const heading of document.querySelectorAll("table.sortable thead th")) {
  const button = element("button", [...heading.childNodes], { type: "button" });
  heading.append(button);
  button.addEventListener("click", () => {
    const before = heading.getAttribute("aria-sort");
    const first = heading.classList.contains("num") ? -1 : 1;
    const direction = before ? (before === "ascending" ? -1 : 1) : first;
    sortBy(heading, direction);
    const table = heading.closest("table").dataset.key;
    if (table) remember(`sort-${table}`, direction * (1 + [...heading.parentElement.children].indexOf(heading)));
  });
}

function search(box) {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const key = `${box.dataset.search}-`;
  for (const row of document.querySelectorAll("tr[id], [data-row]")) {
    const name = row.dataset.row || row.id;
    if (name.startsWith(key)) {
      const rest = name.slice(key.length).toLowerCase();
      row.classList.toggle("unfound", !words.every((word) => rest.includes(word)));
    }
  }
}

for (const box of document.querySelectorAll("input[data-search]")) {
  box.closest(".tools").hidden = false;
  box.addEventListener("input", () => {
    search(box);
    remember(`find-${box.dataset.search}`, box.value.trim());
  });
}

// A row of the table and its row in the plot light up together, under the pointer and under the keyboard's focus.
for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const row = event.target.closest?.("tr[id], [data-row]");
    const key = row && (row.dataset.row || row.id);
    for (const each of document.querySelectorAll("tr[id], [data-row]")) {
      each.classList.toggle("lit", Boolean(key) && (each.dataset.row || each.id) === key);
    }
  });
}

// Side by side: a column for each ticked filter, with all that the tables of its trait say of it.
const copies = (cell) => [...cell.childNodes].map((node) => node.cloneNode(true));

function lines(key, chosen) {
  const found = [];
  for (const table of document.getElementById(key).querySelectorAll("table.sortable")) {
    const rows = chosen.map((row) => [...table.rows].find((each) => each.dataset.of === row.dataset.of));
    if (!rows.some(Boolean)) continue;
    [...table.tHead.rows[0].cells].slice(1).forEach((heading, place) => {
      const title = (table.dataset.prefix || "") + heading.textContent.trim();
      if (!title || found.some((line) => line.title === title)) return;
      found.push({ title, cells: rows.map((row) => (row ? copies(row.cells[place + 1]) : "–")) });
    });
  }
  return found;
}

function differences(key, chosen) {
  const labels = chosen.map((row) => row.dataset.of);
  return [...document.getElementById(key).querySelectorAll("table.pairs td[data-one]")]
    .filter((cell) => labels.includes(cell.dataset.one) && labels.includes(cell.dataset.other))
    .map((cell) => element("li", [`${cell.dataset.one} minus ${cell.dataset.other}: `, ...copies(cell)]));
}

function compare(key, boxes) {
  const rows = boxes.filter((box) => box.checked).map((box) => box.closest("tr"));
  const chosen = rows.length > 1 ? rows : [];
  const place = document.querySelector(`.compared[data-key="${key}"]`);
  const go = document.querySelector(`#${key} .choice`);
  for (const mark of document.querySelectorAll(`[data-row^="${key}-"]`)) {
    mark.classList.toggle("faded", chosen.length > 0 && !chosen.some((row) => row.id === mark.dataset.row));
  }
  place.hidden = !chosen.length;
  place.replaceChildren();
  go.replaceChildren(rows.length ? `Tick one more to compare with ${rows[0].dataset.of}` : "Tick filters to compare them");
  if (!chosen.length) return;
  const button = element("button", `Side by side: ${chosen.length} filters`, { type: "button" });
  button.addEventListener("click", () => place.focus());
  const none = element("button", "Clear", { type: "button" });
  none.addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    boxes[0].dispatchEvent(new Event("change"));
    boxes[0].focus();
  });
  go.replaceChildren(button, " ", none);
  const head = element("tr", [
    element("th", "Side by side", { scope: "col" }),
    ...chosen.map((row) => element("th", row.dataset.of, { scope: "col", class: "num" })),
  ]);
  const body = lines(key, chosen).map((line) =>
    element("tr", [
      element("th", line.title, { scope: "row" }),
      ...line.cells.map((cell) => element("td", cell, { class: "num" })),
    ]),
  );
  place.append(element("table", [element("thead", head), element("tbody", body)]));
  const apart = differences(key, chosen);
  if (apart.length) {
    const of = document.querySelector(`#${key} table.pairs`).dataset.action;
    place.append(element("p", `Removal by ${of}, one filter minus another, not corrected for the number of pairs:`));
    place.append(element("ul", apart));
  }
}

for (const table of document.querySelectorAll("table.cards[data-key]")) {
  const key = table.dataset.key;
  const rows = [...table.querySelectorAll("tr[data-of]")];
  if (rows.length < 2) continue;
  const ticked = (view.get(`with-${key}`) || "").split(",");
  const boxes = rows.map((row) => {
    const box = element("input", [], { type: "checkbox", class: "tick", "aria-label": `Compare ${row.dataset.of}` });
    box.checked = ticked.includes(row.dataset.of);
    row.cells[0].prepend(box);
    return box;
  });
  for (const box of boxes) {
    box.addEventListener("change", () => {
      compare(key, boxes);
      remember(`with-${key}`, boxes.filter((each) => each.checked).map((each) => each.closest("tr").dataset.of).join(","));
    });
  }
  compare(key, boxes);
}

// An anchor that is followed joins the rest of the address.
function follow() {
  const id = location.hash.includes("=") ? "" : decodeURIComponent(location.hash.slice(1));
  if (document.getElementById(id)?.matches("tr")) view.set("row", id);
  else if (id) view.delete("row");
  if (view.size > 1) remember("row", view.get("row"));
}
window.addEventListener("hashchange", follow);
follow();

for (const [key, value] of view) {
  const name = CSS.escape(key.slice(5));
  if (key.startsWith("sort-")) {
    const heading = document.querySelector(`table[data-key="${name}"] thead th:nth-child(${Math.abs(value) || 0})`);
    if (heading) sortBy(heading, Math.sign(value));
  }
  const box = key.startsWith("find-") && document.querySelector(`input[data-search="${name}"]`);
  if (box) {
    box.value = value;
    search(box);
  }
}
const shown = location.hash.includes("=") && document.getElementById(view.get("row") || "");
if (shown) {
  shown.classList.add("shown");
  shown.scrollIntoView({ block: "center" });
}
