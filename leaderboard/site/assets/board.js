// Sorting and filtering of a board's table. Without this file the page is complete, in the order of the ranking.
"use strict";

(() => {
  const table = document.getElementById("board");
  const filter = document.getElementById("filter");
  const hideReported = document.getElementById("hide-reported");
  const count = document.getElementById("count");

  // A cell is sorted by "section|value", and sections never mix: ranked, not ranked, reported. Within a section, cells
  // without a number come last, whichever way it is sorted.
  const parts = (cell) => [Number(cell.slice(0, 1)), cell.slice(2)];
  const sorted = (compare) => (one, other) => {
    const [[section, value], [otherSection, otherValue]] = [parts(one), parts(other)];
    if (section !== otherSection) return section - otherSection;
    return value === "" || otherValue === "" ? (value === "") - (otherValue === "") : compare(value, otherValue);
  };
  DataTable.type("measure", { order: { asc: sorted((a, b) => a - b), desc: sorted((a, b) => b - a) } });
  DataTable.type("label", {
    order: { asc: sorted((a, b) => a.localeCompare(b)), desc: sorted((a, b) => b.localeCompare(a)) },
  });

  // The first activation of a heading sorts best first, the third restores the ranking.
  const headings = [...table.tHead.rows[1].cells];
  const columns = headings.map((heading, index) => ({
    name: `column-${index}`,
    type: heading.dataset.kind === "measure" ? "measure" : "label",
    orderable: index !== 1,
    searchable: index < 2,
    orderSequence: heading.dataset.direction === "higher" ? ["desc", "asc", ""] : ["asc", "desc", ""],
  }));

  const board = new DataTable(table, {
    autoWidth: false,
    columns,
    info: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    order: [],
    paging: false,
  });

  const update = () => {
    board.search.fixed("reported", hideReported.checked ? (text, data, index) =>
      !board.row(index).node().classList.contains("reported") : null);
    board.search(filter.value).draw();
    const shown = board.rows({ search: "applied" }).count();
    count.textContent = `${shown} of ${board.rows().count()} rows shown`;
  };
  filter.addEventListener("input", update);
  hideReported.addEventListener("change", update);
  document.getElementById("controls").hidden = false;
  update();
})();
