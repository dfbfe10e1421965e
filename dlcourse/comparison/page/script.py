"""What a comparison's page can do beyond being read: sort, recolour, log scale, seconds, values.

The page is whole without it. It builds elements and sets their text, never HTML from text.
"""

from dlcourse.comparison.page.script_curves import CURVES

_TABLES = r"""
"use strict";
function el(tag, attributes, ...inner) {
  const svg = ["svg", "g", "path", "line", "text", "title"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inner);
  return made;
}

/* Tables */

function sortKey(cell) {
  const text = cell.textContent.trim();
  return { text, number: parseFloat(text.replace(/^</, "")) };
}

function sortBy(table, column, direction) {
  const body = table.tBodies[0], rows = [...body.rows];
  const keys = new Map(rows.map(row => [row, sortKey(row.cells[column])]));
  const filled = [...keys.values()].filter(key => key.text);
  const numeric = filled.every(key => /^[<+-]?\d/.test(key.text));
  rows.sort((one, other) => {
    const a = keys.get(one), b = keys.get(other);
    if (!a.text || !b.text) return !a.text - !b.text;
    const order = numeric ? a.number - b.number : a.text.localeCompare(b.text);
    return direction * order;
  });
  body.append(...rows);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.onclick = () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      sortBy(table, column, direction);
    };
  });
}
"""

_START = r"""
function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
const curvesData = document.getElementById("curves-data");
if (curvesData) curvesPage(JSON.parse(curvesData.textContent));
addEventListener("hashchange", openTarget);
openTarget();
"""

SCRIPT = _TABLES + CURVES + _START
