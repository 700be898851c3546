// What the cells of a matrix say when pointed at, for keyboards: Tab goes to a matrix, arrows from cell to cell.
const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
for (const table of document.querySelectorAll(".matrix")) {
  const line = table.closest(".sheet").querySelector(".hint");
  const cells = table.querySelectorAll("td[title]");
  let current = cells[0];
  const show = ({ target }) => { if (target.title) line.textContent = target.title; };
  for (const cell of cells) cell.tabIndex = cell === current ? 0 : -1;
  table.addEventListener("pointerover", show);
  table.addEventListener("focusin", (event) => {
    current.tabIndex = -1;
    current = event.target;
    current.tabIndex = 0;
    show(event);
  });
  table.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    const [down, right] = steps[event.key];
    const next = table.rows[current.parentElement.rowIndex + down]?.cells[current.cellIndex + right];
    if (next?.title) next.focus();
    event.preventDefault();
  });
}
// Matrices in either order: the dataset's, or related attributes side by side.
document.documentElement.classList.add("scripted");
for (const control of document.querySelectorAll(".order")) {
  const table = control.parentElement.querySelector("table");
  const head = table.tHead.rows[table.tHead.rows.length - 1];
  const heads = [...head.cells], rows = [...table.tBodies[0].rows], cells = rows.map((row) => [...row.cells]);
  const [official, related] = control.querySelectorAll("button");
  const arrange = (names) => {
    // Rows and columns without a name keep their place before the others.
    const rank = (element) => (names ? names.indexOf(element.dataset.name) : 0);
    const columns = heads.map((cell, place) => place).sort((a, b) => rank(heads[a]) - rank(heads[b]) || a - b);
    head.append(...columns.map((place) => heads[place]));
    rows.forEach((row, number) => row.append(...columns.map((place) => cells[number][place])));
    table.tBodies[0].append(...rows.map((row, place) => [row, place])
      .sort(([a, i], [b, j]) => rank(a) - rank(b) || i - j).map(([row]) => row));
    official.setAttribute("aria-pressed", String(!names));
    related.setAttribute("aria-pressed", String(Boolean(names)));
  };
  official.addEventListener("click", () => arrange(null));
  related.addEventListener("click", () => arrange(JSON.parse(related.dataset.related)));
}
