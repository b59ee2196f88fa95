// Sorting, filtering and selecting rows of a board. Without this file the page is complete, in the order of the ranking.
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
    orderable: heading.dataset.kind !== "status",
    searchable: index === 0 || heading.dataset.kind === "status",
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

// A selected row is marked in the table and in every plot. Two or three lead to the page that compares them.
(() => {
  const MOST = 3;
  const table = document.getElementById("board");
  const bar = document.getElementById("picked");
  const marks = new Map();
  for (const group of document.querySelectorAll(".series[data-row]")) {
    marks.set(group.dataset.row, [...(marks.get(group.dataset.row) ?? []), group]);
  }
  const picked = new Set();
  const rowOf = (key) => document.getElementById(key);
  const nameOf = (key) => rowOf(key).querySelector(".named").textContent.trim();

  const pick = (key, on) => {
    if (on) picked.add(key);
    else picked.delete(key);
    rowOf(key).querySelector(".pick").checked = on;
    rowOf(key).classList.toggle("selected", on);
    for (const group of marks.get(key) ?? []) group.classList.toggle("selected", on);
    document.body.classList.toggle("picking", picked.size > 0);
    tell();
  };
  const tell = () => {
    const names = document.createElement("span");
    names.textContent = `Selected: ${[...picked].map(nameOf).join("; ")}. `;
    const clear = document.createElement("button");
    clear.type = "button";
    clear.textContent = "Clear";
    clear.addEventListener("click", () => [...picked].forEach((key) => pick(key, false)));
    const parts = [names];
    if (picked.size > 1 && picked.size <= MOST) {
      const link = document.createElement("a");
      link.href = `${bar.dataset.compare}#${[...picked].join(",")}`;
      link.textContent = "Compare them";
      parts.push(link);
    } else if (picked.size > MOST) names.append(`At most ${MOST} can be compared. `);
    else if (bar.dataset.compare) names.append("Select another to compare. ");
    bar.replaceChildren(...parts, clear);
    bar.hidden = picked.size === 0;
  };
  table.addEventListener("change", (event) => {
    if (event.target.matches(".pick")) pick(event.target.closest("tr").id, event.target.checked);
  });

  // A note beside the pointer names the mark, at once and in full; it replaces the browser's own, which comes late.
  const note = document.createElement("div");
  note.className = "note";
  note.hidden = true;
  document.body.append(note);
  const told = new Map();
  for (const title of document.querySelectorAll(".series title")) {
    told.set(title.parentElement, title.textContent);
    title.remove();
  }
  const nearest = (event) => event.target.closest?.(".series[data-row]");
  document.addEventListener("pointermove", (event) => {
    const group = nearest(event);
    for (const other of document.querySelectorAll(".pointed")) other.classList.remove("pointed");
    note.hidden = !group;
    if (!group) return;
    for (const other of marks.get(group.dataset.row)) other.classList.add("pointed");
    rowOf(group.dataset.row)?.classList.add("pointed");
    note.textContent = told.get(event.target) ?? nameOf(group.dataset.row);
    const { width, height } = note.getBoundingClientRect();
    note.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    note.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
  });
  document.addEventListener("click", (event) => {
    const group = nearest(event);
    if (!group) return;
    const row = rowOf(group.dataset.row);
    pick(group.dataset.row, !picked.has(group.dataset.row));
    const region = table.closest(".scroll");
    region.scrollTop = row.offsetTop - region.clientHeight / 2;
  });
  document.body.classList.add("scripted");
})();
