"""What the failure atlas looks like and does: CSS, and JavaScript without libraries.

The script reads the state of the form, and shows, sorts and colours the cards accordingly. A link
such as #outcome=FN&map=other sets the form first.
"""

STYLE = """
main { max-width: 110rem; }
[hidden] { display: none !important; }
.top { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fit,
  minmax(min(100%, 26rem), 1fr)); align-items: start; }
.top ol { margin: 0; padding-left: 1.25rem; }
.top li { margin: 0 0 0.6rem; }
.atlas { display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
#cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill,
  minmax(min(100%, var(--size)), 1fr)); align-items: start; scroll-margin: 1rem; }
#cards .card { margin: 0; padding: 0.75rem; max-width: calc(1.5 * var(--size)); }
#cards h3 { font-size: 1rem; line-height: 1.3; margin: 0 0 0.25rem; }
#cards dl { font-size: 0.9rem; grid-template-columns: 6rem 1fr; }
#cards dt, #cards dd { padding: 0.1rem 0.5rem 0.1rem 0; }
#count { display: block; font-weight: 600; margin: 0 0 0.5rem; }
.outcome { margin: 0 0 0.5rem; font-weight: 600; }
.score { float: right; font-variant-numeric: tabular-nums; }
.stack { position: relative; background: #000; border-radius: 4px; overflow: hidden; }
figure .stack img { display: block; width: 100%; min-width: 0; height: auto; background: none; }
figure .stack .overlay, .stack .marks { position: absolute; inset: 0; width: 100%; height: 100%;
  border-radius: 0; pointer-events: none; }
.overlay, .bar i { opacity: var(--opacity, 0.65); }
svg.marks { overflow: hidden; fill: none; }
svg.marks * { stroke: #ffd400; stroke-width: 2; vector-effect: non-scaling-stroke; }
svg.marks .other { stroke: #fff; stroke-dasharray: 4 4; stroke-width: 1.5; }
svg.marks .peak { stroke: #7dff6a; }
.unmarked .marks { display: none; }
.files { font-size: 0.85rem; margin: 0.4rem 0 0; }
.files a { display: inline-block; padding: 0.2rem 0.6rem 0.2rem 0; }
fieldset { border: 1px solid var(--line); border-radius: 6px; margin: 0 0 0.6rem;
  padding: 0.2rem 0.6rem 0.4rem; min-width: 0; }
legend { color: var(--quiet); font-size: 0.9rem; padding: 0 0.3rem; }
form label { display: flex; gap: 0.5rem; align-items: center; min-height: 1.9rem; }
form input, form select, form button { accent-color: var(--link); font: inherit;
  flex: none; margin: 0; }
form input[type="range"] { flex: 1 1 6rem; min-width: 0; }
form select { width: 100%; padding: 0.2rem; background: var(--paper); color: var(--ink);
  border: 1px solid var(--line); border-radius: 4px; }
form button { padding: 0.35rem 0.9rem; background: var(--paper); color: var(--ink);
  border: 1px solid var(--quiet); border-radius: 4px; cursor: pointer; }
form output { min-width: 3.2rem; text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; font-weight: 600; padding: 0.2rem 0; margin: 0 0 0.4rem; }
.scale { margin: 0 0 0.9rem; font-size: 0.9rem; }
.scale p { margin: 0; }
.bar { display: block; height: 1.6rem; border: 1px solid var(--line); border-radius: 3px;
  overflow: hidden; background: linear-gradient(#181818 50%, #c8c8c8 50%); }
.bar i { display: block; height: 100%; }
.ticks { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
@media (min-width: 62rem) {
  .atlas { grid-template-columns: 19rem minmax(0, 1fr); }
  .panel { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; padding: 0.25rem; }
}
"""

SCRIPT = """
"use strict";
(() => {
  const form = document.getElementById("controls");
  const list = document.getElementById("cards");
  const count = document.getElementById("count");
  const cards = [...list.children];
  const difference = (name) => (a, b) => a.dataset[name] - b.dataset[name];
  const orders = {
    wrong: difference("wrong"),
    down: (a, b) => b.dataset.score - a.dataset.score,
    up: difference("score"),
    file: difference("place"),
  };

  const isShown = (card, chosen) => {
    const { outcome, view, score, groups } = card.dataset;
    const ends = [Number(chosen.get("low")), Number(chosen.get("high"))];
    const group = chosen.get("group");
    return chosen.getAll("outcome").includes(outcome) && chosen.getAll("view").includes(view) &&
      score >= Math.min(...ends) && score <= Math.max(...ends) &&
      (!group || groups.split(" ").includes(group));
  };

  const showMap = (card, choice) => {
    const { predicted, other, file } = card.dataset;
    const map = { predicted, other }[choice] || choice;
    const overlay = card.querySelector(".overlay");
    if (overlay.getAttribute("src") !== overlay.dataset[map]) {
      overlay.src = overlay.dataset[map];
    }
    overlay.alt = `${list.dataset[map]}, laid over ${file}`;
    card.querySelector("figcaption").textContent = list.dataset[map];
  };

  const apply = () => {
    const chosen = new FormData(form);
    for (const card of cards) {
      card.hidden = !isShown(card, chosen);
      showMap(card, chosen.get("map"));
    }
    cards.sort(orders[chosen.get("sort")]);
    if (cards.some((card, place) => list.children[place] !== card)) {
      list.append(...cards);
    }
    document.documentElement.style.setProperty("--opacity", chosen.get("opacity") / 100);
    list.classList.toggle("unmarked", !chosen.has("marks"));
    for (const output of form.querySelectorAll("output")) {
      const input = form.elements[output.htmlFor.value];
      output.value = input.name === "opacity" ? `${input.value} %` : input.value;
    }
    const text = `${cards.filter((card) => !card.hidden).length} of ${cards.length} shown`;
    if (count.textContent !== text) {
      count.textContent = text;
    }
  };

  const restore = (fragment) => {
    const given = new URLSearchParams(fragment.slice(1));
    form.reset();
    for (const [name, value] of given) {
      for (const input of form.querySelectorAll("input, select")) {
        if (input.name !== name) {
          continue;
        }
        const wanted = value.split(",").includes(input.value);
        if (input.type === "checkbox") {
          input.checked = wanted;
        } else if (input.type === "radio") {
          input.checked ||= wanted;
        } else {
          input.value = value;
        }
      }
    }
    apply();
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  window.addEventListener("hashchange", () => restore(location.hash));
  for (const link of document.querySelectorAll("a.preset")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      restore(link.hash);
      list.scrollIntoView();
    });
  }
  if (matchMedia("(max-width: 61.9rem)").matches) {
    form.closest("details").open = false; // on a phone the images would be far below
  }
  form.hidden = false;
  restore(location.hash);
})();
"""
