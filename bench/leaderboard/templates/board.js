"use strict";

// Sort a table by the column whose heading was pressed; entries without a number stay last either way.
function sortBy(heading) {
  const table = heading.closest("table");
  const headings = [...heading.parentElement.children];
  const column = headings.indexOf(heading);
  const numeric = heading.classList.contains("num");
  const before = heading.getAttribute("aria-sort");
  const direction = before ? (before === "ascending" ? -1 : 1) : numeric && column > 0 ? -1 : 1;
  const key = (row) => row.children[column].dataset.sort;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return direction * (numeric ? Number(x) - Number(y) : x.localeCompare(y));
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.parentElement));
}

// Paper cannot unfold anything.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) folded.open = true;
});
