"use strict";

// Sorted column, search words and the row in view stand in the address, so that a link shows the same.
const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function remember(key, value) {
  const now = state();
  if (value) now.set(key, value);
  else now.delete(key);
  history.replaceState(null, "", `#${now}`);
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
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
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
  const words = box.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(`[id^="${box.dataset.search}-"], [data-row^="${box.dataset.search}-"]`)) {
    const name = row.dataset.row || row.id;
    if (row.matches("tr, g")) row.classList.toggle("unfound", !name.toLowerCase().includes(words));
  }
}

for (const box of document.querySelectorAll("input[data-search]")) {
  box.closest(".tools").hidden = false;
  box.addEventListener("input", () => {
    search(box);
    remember(`find-${box.dataset.search}`, box.value.trim());
  });
}

// A row of the table and its row in the plot light up together.
for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const row = event.target.closest?.("tr[id], g[data-row]");
    const key = row && (row.dataset.row || row.id);
    for (const each of document.querySelectorAll("tr[id], g[data-row]")) {
      each.classList.toggle("lit", Boolean(key) && (each.dataset.row || each.id) === key);
    }
  });
}

for (const [key, value] of state()) {
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
