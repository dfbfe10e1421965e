"""The part of a page's script that draws learning curves anew; the diagrams are those of `charts`.

It uses `el` of `script`. The numbers come from the JSON of `curves.embedded`.
"""

CURVES = r"""
const WIDE = 4000, HIGH = 2000, COLOURS = 7, DASHES = 4, FEW = 15;
function roundTicks(low, high) {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(digit => power * digit >= raw * (1 - 1e-9));
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step + 1e-9); n++)
    found.push(n * step);
  return found;
}

function logTicks(low, high) {
  for (const digits of [[1], [1, 3], [1, 2, 5]]) {
    const found = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++)
      for (const digit of digits)
        if (digit * 10 ** p >= low && digit * 10 ** p <= high) found.push(digit * 10 ** p);
    if (found.length >= 3) return found.filter((_, n) => n % Math.ceil(found.length / 7) === 0);
  }
  return roundTicks(low, high);
}

function makeAxis(values, margin, log) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  const scale = log ? Math.log10 : value => value;
  let a = scale(low), b = scale(high);
  const free = (b - a) * margin || Math.abs(a) * margin || 1;
  if (a === b || margin) { a -= free; b += free; }
  const ticks = log ? logTicks(10 ** a, 10 ** b) : roundTicks(a, b);
  return { at: value => (scale(value) - a) / (b - a), ticks,
    back: share => a + share * (b - a) };
}

const short = value => String(Number(value.toPrecision(6)));
const percent = share => (100 * share).toFixed(2) + "%";

function interpolate(xs, ys, x) {
  if (x <= xs[0]) return ys[0];
  let right = 1;
  while (right < xs.length && xs[right] < x) right++;
  if (right >= xs.length) return ys[xs.length - 1];
  const share = (x - xs[right - 1]) / (xs[right] - xs[right - 1]);
  return ys[right - 1] + share * (ys[right] - ys[right - 1]);
}

function curvesPage(data) {
  const state = { factor: 0, log: false, seconds: false, off: new Set(), raised: null };
  const figures = [...document.querySelectorAll("figure[data-curves]")];
  const valueOf = group => data.factors[state.factor].of[group];
  const look = group => `c${valueOf(group) % COLOURS} d${valueOf(group) % DASHES}`;

  function shownLines(name) {
    const lines = [];
    for (const line of data.charts[name]) {
      const clock = data.seconds[line.g];
      if (state.off.has(valueOf(line.g)) || (state.seconds && !clock)) continue;
      const keep = line.x.map((_, n) => !state.log || (line.lo || line.m)[n] > 0);
      const pick = values => values.filter((_, n) => keep[n]);
      const x = state.seconds ? line.x.map(step => interpolate(...clock, step)) : line.x;
      const made = { g: line.g, x: pick(x), m: pick(line.m) };
      if (line.lo) Object.assign(made, { lo: pick(line.lo), hi: pick(line.hi) });
      if (made.x.length) lines.push(made);
    }
    return lines;
  }

  function draw(figure) {
    const name = figure.dataset.curves, lines = shownLines(name);
    const old = figure.querySelector("svg.chart"), height = Number(old.getAttribute("height"));
    const chart = el("svg", { class: "chart plot", height, role: "img", tabindex: "0",
      "aria-label": `${name}, ${lines.length} lines; arrow keys read values` });
    if (lines.length) fill(chart, lines, height);
    else chart.append(el("text", { x: 0, y: 40 }, "No line is switched on, or none has times."));
    old.replaceWith(chart);
    listen(figure, chart, lines);
  }

  function fill(chart, lines, height) {
    const xs = lines.flatMap(line => [line.x[0], line.x[line.x.length - 1]]);
    const ys = lines.flatMap(line => line.lo ? line.lo.concat(line.hi) : line.m);
    const x = makeAxis(xs, 0, false), y = makeAxis(ys, 0.04, state.log);
    for (const tick of x.ticks) {
      const at = percent(x.at(tick));
      chart.append(el("line", { x1: at, x2: at, y1: 0, y2: height, class: "grid" }),
        el("text", { x: at, y: height + 17, class: "axis" }, short(tick)));
    }
    for (const tick of y.ticks) {
      const at = percent(1 - y.at(tick));
      chart.append(el("line", { x1: 0, x2: "100%", y1: at, y2: at, class: "grid" }),
        el("text", { x: -6, y: at, dy: 4, class: "side" }, short(tick)));
    }
    const label = state.seconds ? "seconds of training" : "step";
    const square = el("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none",
      width: "100%", height: "100%" });
    chart.append(square, el("text", { x: "50%", y: height + 36, class: "axis" }, label));
    const place = (a, b) => `${Math.round(WIDE * x.at(a))} ${Math.round(HIGH * (1 - y.at(b)))}`;
    const path = (line, kind, d) => square.append(el("path",
      { d, class: `${kind} ${look(line.g)}${faded(line.g)}`, "data-group": line.g },
      el("title", {}, data.labels[line.g])));
    for (const line of lines) if (line.lo) {
      const low = line.x.map((a, n) => place(a, line.lo[n]));
      const high = line.x.map((a, n) => place(a, line.hi[n])).reverse();
      path(line, "band", `M${low.concat(high).join("L")}Z`);
    }
    for (const line of lines) {
      const points = line.x.map((a, n) => place(a, line.m[n]));
      path(line, "line", `M${points.join("L")}`);
      if (points.length <= FEW) path(line, "line dots", points.map(p => `M${p}h0`).join(""));
    }
    chart.axis = x;
  }

  const faded = group => state.raised !== null && valueOf(group) !== state.raised ? " faded" : "";

  function listen(figure, chart, lines) {
    const readout = figure.querySelector(".readout");
    const grid = [...new Set(lines.flatMap(line => line.x))].sort((a, b) => a - b);
    let at = -1;
    function show(index) {
      if (!grid.length) return;
      at = Math.max(0, Math.min(grid.length - 1, index));
      chart.querySelector(".cursor")?.remove();
      const share = percent(chart.axis.at(grid[at]));
      chart.append(el("line", { x1: share, x2: share, y1: 0, y2: "100%", class: "cursor" }));
      tell(readout, lines, grid[at]);
    }
    chart.onkeydown = event => {
      const far = event.shiftKey ? 10 : 1, size = grid.length;
      const next = { ArrowRight: at + far, ArrowLeft: at - far, Home: 0, End: size - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      show(next);
    };
    chart.onpointermove = event => {
      if (!grid.length) return;
      const box = chart.getBoundingClientRect();
      const x = chart.axis.back((event.clientX - box.left) / box.width);
      const right = grid.findIndex(each => each >= x), next = right < 0 ? grid.length - 1 : right;
      show(next > 0 && x - grid[next - 1] < grid[next] - x ? next - 1 : next);
    };
  }

  function tell(readout, lines, x) {
    const within = lines.filter(line => x >= line.x[0] && x <= line.x[line.x.length - 1]);
    const value = line => interpolate(line.x, line.m, x);
    within.sort((a, b) => value(b) - value(a));
    const name = state.seconds ? `${x.toPrecision(4)} s` : `step ${short(x)}`;
    const told = within.slice(0, 8).map(line => {
      let text = `${data.labels[line.g]} ${value(line).toPrecision(4)}`;
      if (line.lo) text += ` (${[line.lo, line.hi].map(
        ys => interpolate(line.x, ys, x).toPrecision(4)).join(" to ")})`;
      return el("span", {}, swatch(valueOf(line.g)), text);
    });
    if (within.length > 8) told.push(el("span", {}, `and ${within.length - 8} more below`));
    readout.replaceChildren(el("span", {}, name), ...told);
  }

  function swatch(number) {
    return el("svg", { width: 30, height: 12, "aria-hidden": "true" },
      el("path", { d: "M1 6H29", class: `line c${number % COLOURS} d${number % DASHES}` }));
  }

  function repaint() {
    for (const path of document.querySelectorAll("path[data-group]")) {
      const group = Number(path.dataset.group);
      const kept = [...path.classList].filter(name => !/^(c\d|d\d|faded|off)$/.test(name));
      if (state.off.has(valueOf(group))) kept.push("off");
      path.setAttribute("class", `${kept.join(" ")} ${look(group)}${faded(group)}`);
    }
  }

  function legends() {
    const factor = data.factors[state.factor];
    for (const legend of document.querySelectorAll(".legend")) {
      const items = factor.values.map((value, number) => {
        const button = el("button", { type: "button", "aria-pressed": !state.off.has(number) },
          swatch(number), value);
        const raise = raised => { state.raised = raised; repaint(); };
        button.onpointerenter = button.onfocus = () => raise(number);
        button.onpointerleave = button.onblur = () => raise(null);
        button.onclick = () => {
          if (!state.off.delete(number)) state.off.add(number);
          document.querySelectorAll(".legend").forEach(each => each.querySelectorAll("button")
            .forEach((other, n) => other.setAttribute("aria-pressed", !state.off.has(n))));
          drawAll();
        };
        return el("li", {}, button);
      });
      legend.replaceChildren(el("span", { class: "quiet" }, factor.name), el("ul", {}, ...items));
    }
  }

  function drawAll() { figures.forEach(draw); repaint(); }

  const controls = document.getElementById("controls");
  if (controls) {
    const [factor, x, log] = ["by", "x", "log"].map(id => document.getElementById(id));
    factor.onchange = () => {
      state.factor = factor.selectedIndex;
      state.off.clear();
      legends();
      drawAll();
    };
    if (x) x.onchange = () => { state.seconds = x.value === "seconds"; drawAll(); };
    log.onchange = () => { state.log = log.checked; drawAll(); };
    controls.hidden = false;
  }
  legends();
  drawAll();
}
"""
