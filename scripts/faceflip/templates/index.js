// The gallery's filters, which also say how many pictures they leave.
const pictures = [...document.querySelectorAll(".picture")];
const filters = [...document.querySelectorAll(".filters select")];
const filter = () => {
  const wanted = filters.filter((select) => select.value);
  for (const picture of pictures) picture.hidden = !wanted.every((select) => picture.dataset[select.name] === select.value);
  const shown = pictures.filter((picture) => !picture.hidden).length;
  document.querySelector("#shown").textContent = `${shown} of ${pictures.length} shown`;
};
for (const select of filters) select.addEventListener("change", filter);
if (pictures.length) filter();
// Paper has no closed parts and no pictures that come later.
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (const picture of document.querySelectorAll("img")) picture.loading = "eager";
});
