"use strict";
const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

// Light and dark.
const root = document.documentElement;
const themeButton = document.querySelector(".theme");
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const sayTheme = () => { themeButton.textContent = isDark() ? "Light colours" : "Dark colours"; };
themeButton.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch (e) { /* private mode */ }
  sayTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", sayTheme);
sayTheme();

// Views as tabs: arrow keys move between them, the address keeps the choice.
const tabs = all('[role="tab"]');
function show(tab, focus) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (focus) tab.focus();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => { show(tab); history.replaceState(null, "", "#" + tab.dataset.view); });
  tab.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const at = tabs.indexOf(tab);
    let next = null;
    if (event.key in moves) next = tabs[(at + moves[event.key] + tabs.length) % tabs.length];
    if (event.key === "Home") next = tabs[0];
    if (event.key === "End") next = tabs[tabs.length - 1];
    if (!next) return;
    event.preventDefault();
    show(next, true);
    history.replaceState(null, "", "#" + next.dataset.view);
  });
}
function fromAddress() {
  const wanted = tabs.find((tab) => tab.dataset.view === location.hash.slice(1));
  if (tabs.length) show(wanted || tabs[0]);
}
addEventListener("hashchange", fromAddress);
fromAddress();

// Sorting: entries without a number stay at the end, the reference policies at the very end.
function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const rank = (row) => (row.classList.contains("reference") ? 1 : 0);
  const value = (row) => {
    const cell = row.cells[column];
    if (cell.dataset.v === undefined) return cell.textContent.trim().toLowerCase();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  const rows = Array.from(body.rows).map((row, place) => ({ row, place, key: value(row) }));
  rows.sort((a, b) => {
    if (rank(a.row) !== rank(b.row)) return rank(a.row) - rank(b.row);
    if ((a.key === null) !== (b.key === null)) return a.key === null ? 1 : -1;
    let order = 0;
    if (a.key !== null) order = typeof a.key === "number" ? a.key - b.key : a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
    return (descending ? -order : order) || a.place - b.place;
  });
  body.append(...rows.map((item) => item.row));
}
for (const head of all("table.sortable thead th")) {
  const button = head.querySelector("button");
  if (!button) continue;
  button.addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const first = head.dataset.first || "descending";
    const order = before === null || before === "none" ? first : before === "descending" ? "ascending" : "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    sortTable(head.closest("table"), head.cellIndex, order === "descending");
  });
}

// Filtering.
for (const view of all("section.view")) {
  const search = view.querySelector('input[type="search"]');
  if (!search) continue;
  const kinds = all('input[type="checkbox"][data-kind]', view);
  const status = view.querySelector(".count");
  const rows = all("table.entries tbody tr", view);
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const off = kinds.filter((box) => !box.checked).map((box) => box.dataset.kind);
    let shown = 0;
    for (const row of rows) {
      const text = row.dataset.search;
      const fits = words.every((word) => text.includes(word)) && !off.some((kind) => row.classList.contains(kind));
      row.hidden = !fits;
      if (fits) shown += 1;
    }
    status.textContent = shown === rows.length ? "" : shown + " of " + rows.length + " rows";
  };
  search.addEventListener("input", apply);
  for (const box of kinds) box.addEventListener("change", apply);
}

// The same entry in all plots and tables of a view.
let hot = [];
function heat(target) {
  for (const mark of hot) mark.classList.remove("hot");
  hot = [];
  const own = target.closest && target.closest("[data-e]");
  if (!own) return;
  const view = own.closest("section.view") || document;
  hot = all("[data-e]", view).filter((mark) => mark.dataset.e === own.dataset.e);
  for (const mark of hot) mark.classList.add("hot");
}
addEventListener("pointerover", (event) => heat(event.target));
addEventListener("focusin", (event) => heat(event.target));

// Episodes of an entry: a table of the chosen task and condition, made from the numbers in the page.
const source = document.getElementById("episodes");
if (source) {
  const data = JSON.parse(source.textContent);
  const task = document.getElementById("episode-task");
  const condition = document.getElementById("episode-condition");
  const body = document.querySelector("#episode-table tbody");
  const note = document.getElementById("episode-note");
  const cell = (row, text, value) => {
    const made = row.insertCell();
    made.textContent = text;
    if (value !== undefined) made.dataset.v = value;
    return made;
  };
  const fill = () => {
    body.replaceChildren();
    const groups = data.groups.filter((group) => group.t === Number(task.value) && group.c === Number(condition.value));
    for (const group of groups) {
      group.r.forEach((value, k) => {
        const seed = data.first + k;
        const row = body.insertRow();
        cell(row, String(group.s), group.s);
        cell(row, String(seed), seed);
        cell(row, value.toFixed(1), value);
        cell(row, String(group.l ? group.l[k] : 1000), group.l ? group.l[k] : 1000);
        const shown = data.shown[group.c] && data.shown[group.c][k];
        cell(row, shown ? data.videos[shown[0]] + ", frame " + shown[1] : "none").className = "text";
      });
    }
    note.textContent = body.rows.length ? "" : "This entry was not evaluated on this task and condition.";
  };
  task.addEventListener("change", fill);
  condition.addEventListener("change", fill);
  fill();
}
