// Two or three rows of a board side by side. What is chosen is part of the address, so that it can be sent.
"use strict";

(() => {
  const { alpha, metrics, rows } = JSON.parse(document.getElementById("data").textContent);
  const places = ["First row", "Second row", "Third row"];
  const choice = document.getElementById("choice");
  const region = document.getElementById("comparison");
  const byKey = new Map(rows.map((row) => [row.key, row]));

  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== null) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  const asked = decodeURIComponent(location.hash.slice(1)).split(",").filter((key) => byKey.has(key));
  const chosen = [...asked, ...rows.map((row) => row.key).filter((key) => !asked.includes(key))];
  const selects = places.map((place, index) => {
    const label = make("label", place);
    const select = make("select", null);
    if (index === 2) select.append(make("option", "none", { value: "" }));
    for (const row of rows) select.append(make("option", row.name, { value: row.key, title: row.full }));
    select.value = index < Math.max(2, asked.length) ? chosen[index] : "";
    select.addEventListener("change", show);
    label.append(select);
    choice.append(label);
    return select;
  });

  const decimals = (metric, std) => {
    if (!std) return metric.decimals;
    return Math.min(Math.max(1 - Math.floor(Math.log10(metric.scale * std)), 0), metric.decimals + 1);
  };
  const sample = (metric, value) => {
    if (value === null) return "–";
    const [mean, std] = value;
    const digits = decimals(metric, std);
    const spread = std === null ? "" : ` ± ${std === 0 ? "0" : (metric.scale * std).toFixed(digits)}`;
    return `${(metric.scale * mean).toFixed(digits)}${spread}`;
  };
  const signed = (text) => (text.startsWith("-") ? `−${text.slice(1)}` : `+${text}`);
  const named = (row) => {
    const cell = make("th", row.name, { scope: "col", class: "number", title: row.full });
    cell.append(make("span", row.seeds === null ? "reported" : `${row.seeds} seed${row.seeds === 1 ? "" : "s"}`, { class: "unit" }));
    return cell;
  };
  const verdict = (metric, change, separated) => {
    if (!separated) return "not separated";
    if (metric.direction === "none") return "apart";
    return (change < 0) === (metric.direction === "lower") ? "better" : "worse";
  };

  function show() {
    const picked = selects.map((select) => byKey.get(select.value)).filter(Boolean);
    history.replaceState(null, "", `#${picked.map((row) => row.key).join(",")}`);
    const [first, ...others] = picked;
    const pairs = metrics.flatMap((metric, m) => others.map((other) => [metric, first.values[m], other.values[m]]));
    const tests = pairs.map(([, base, value]) => (base === null || value === null ? null : welch(base, value)));
    const separated = holm(tests, alpha);

    const table = make("table", null);
    const head = table.createTHead().insertRow();
    head.append(make("th", "metric", { scope: "col", class: "model" }), named(first));
    for (const other of others) {
      head.append(named(other), make("th", "minus the first", { scope: "col", class: "number" }));
      head.append(make("th", "test", { scope: "col" }));
    }
    const body = table.createTBody();
    metrics.forEach((metric, m) => {
      const line = body.insertRow();
      const arrow = { lower: " ↓", higher: " ↑", none: "" }[metric.direction];
      const title = make("th", `${metric.title}${arrow}`, { scope: "row", class: "model", title: metric.meaning });
      if (metric.unit && metric.unit !== metric.title) title.append(make("span", metric.unit, { class: "unit" }));
      line.append(title, make("td", sample(metric, first.values[m]), { class: "number" }));
      others.forEach((other, o) => {
        const [base, value, test] = [first.values[m], other.values[m], tests[m * others.length + o]];
        line.append(make("td", sample(metric, value), { class: "number" }));
        const change = base === null || value === null ? null : value[0] - base[0];
        const digits = change === null ? 0 : Math.max(decimals(metric, base[1]), decimals(metric, value[1]));
        line.append(make("td", change === null ? "–" : signed((metric.scale * change).toFixed(digits)), { class: "number" }));
        const word = test !== null ? verdict(metric, change, separated[m * others.length + o]) : change === null ? "–" : "not tested";
        const p = test === null ? "" : `, p = ${test < 1e-4 ? test.toExponential(0) : test.toPrecision(2)}`;
        line.append(make("td", word + p, { class: `verdict ${word.replace(" ", "-")}` }));
      });
    });
    region.replaceChildren(table);
  }

  show();
  choice.hidden = false;
  region.hidden = false;
})();
