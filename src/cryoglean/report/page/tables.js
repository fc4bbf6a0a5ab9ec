"use strict";
// Tables that are sorted by a click on a heading, and galleries in the order chosen.
(() => {
  function valueOf(row, column) {
    const text = row.cells[column].textContent.trim();
    const number = Number(text);
    return text === "" || Number.isNaN(number) ? text : number;
  }

  function compared(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, undefined, { numeric: true });
  }

  function sort(table, heading) {
    const column = heading.cellIndex;
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => sign * compared(valueOf(a, column), valueOf(b, column)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(table, heading));
      heading.replaceChildren(button);
    }
  }

  for (const gallery of document.querySelectorAll(".gallery")) {
    const tiles = gallery.querySelector(".tiles");
    gallery.querySelector("select").addEventListener("change", (event) => {
      const by = event.target.value;
      tiles.append(...[...tiles.children].sort((a, b) => a.dataset[by] - b.dataset[by]));
    });
  }
})();
