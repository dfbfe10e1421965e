"""The look of a comparison's page, light and dark.

Colours are Okabe and Ito's, which are told apart with any colour vision; the order differs between
light and dark so that the first ones stand out from the paper. A dash is the second cue.
"""

STYLE = """
:root { --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #e69f00; --c5: #56b4e9;
  --c6: #1b1d1f; --mark: #ffe08a; --mark-ink: #1b1d1f; }
@media (prefers-color-scheme: dark) {
  :root { --c0: #56b4e9; --c1: #e69f00; --c2: #009e73; --c3: #cc79a7; --c4: #f0e442; --c5: #d55e00;
    --c6: #e9eaeb; --mark: #6b5200; --mark-ink: #ffe9b8; }
}
h3 { font-size: 1rem; margin: 0 0 0.4rem; }
nav { margin: 0 0 1rem; }
nav a { display: inline-block; padding: 0.3rem 1rem 0.3rem 0; }
section { scroll-margin-top: 0.5rem; }
.quiet { color: var(--quiet); font-size: 0.9rem; font-weight: normal; }
.verdict { font-size: 1.25rem; line-height: 1.4; border-left: 5px solid var(--c0);
  padding: 0.2rem 0 0.2rem 0.9rem; margin: 0 0 1rem; }
.notes { margin: 0; padding-left: 1.2rem; }
.notes li { margin: 0 0 0.3rem; }
.errors { margin: 0 0 1rem; }
mark { background: var(--mark); color: var(--mark-ink); padding: 0 0.2em; border-radius: 3px; }
summary { cursor: pointer; padding: 0.3rem 0; color: var(--link); }
details > :last-child { margin-bottom: 0; }

.sortable td { white-space: nowrap; max-width: 24rem; overflow: hidden; text-overflow: ellipsis; }
.sortable td:first-child { white-space: normal; }
#runs .sortable td:first-child { min-width: clamp(8rem, 18vw, 17rem); }
.sortable .last td { color: var(--quiet); font-style: italic; background: var(--paper); }
.sortable .last tr:first-child td { border-top: 2px solid var(--quiet); }
.sortable th, .sortable td { padding-right: 0.75rem; }
.sortable th { white-space: nowrap; vertical-align: bottom; }
.sortable th button { all: unset; cursor: pointer; font-weight: bold; padding: 0.2rem 0; }
.sortable th button:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.sortable th button::after { content: " \\2195"; color: var(--quiet); font-weight: normal; }
.sortable th[aria-sort=ascending] button::after { content: " \\2191"; }
.sortable th[aria-sort=descending] button::after { content: " \\2193"; }
.heat td, .heat th { padding: 0.5rem 0.9rem; }
.heat td { background: color-mix(in srgb, var(--c0) var(--share, 0%), transparent);
  border: 1px solid var(--line); }

.controls { display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; align-items: center;
  margin: 0 0 0.6rem; }
.controls[hidden] { display: none; }
.controls label { display: inline-flex; gap: 0.4rem; align-items: center; }
.controls select { font: inherit; max-width: 14rem; }
.legend, .legend ul { display: flex; flex-wrap: wrap; gap: 0 0.9rem; align-items: baseline; }
.legend { margin: 0 0 0.8rem; }
.legend ul { list-style: none; margin: 0; padding: 0; }
.legend li, .legend button { display: inline-flex; gap: 0.4rem; align-items: center; }
.legend button { font: inherit; color: inherit; background: none; border: 0; padding: 0.3rem 0.2rem;
  border-radius: 4px; cursor: pointer; text-align: left; }
.legend button[aria-pressed=false] { opacity: 0.4; text-decoration: line-through; }
.legend svg { flex: none; }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
  gap: 0.5rem 2rem; }
.charts.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
.charts figure { min-width: 0; margin: 0 0 0.75rem; }
.charts.first figure:first-child { grid-column: 1 / -1; }
.charts.small figure { max-width: 28rem; }
.readout { min-height: 1.4em; margin: 0; font-size: 0.85rem; color: var(--quiet);
  font-variant-numeric: tabular-nums; }
.readout svg { vertical-align: middle; margin-right: 0.25rem; }
.readout span { display: inline-block; margin-right: 0.9rem; }
.chart { display: block; font-size: 12px; fill: var(--ink); overflow: visible; }
.chart.chart.plot { width: calc(100% - 68px); margin: 8px 16px 44px 52px; touch-action: pan-y; }
.chart.chart.rows { width: calc(100% - 44px); margin: 4px 22px 44px; }
.chart .axis { text-anchor: middle; fill: var(--quiet); }
.chart .side { text-anchor: end; fill: var(--quiet); }
.chart .name { font-size: 13px; stroke: var(--card); stroke-width: 3px; paint-order: stroke; }
.chart path, .chart line, .legend path, .readout path { fill: none;
  vector-effect: non-scaling-stroke; }
.grid { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 4 3; }
.guide { stroke: var(--quiet); stroke-width: 1.2; stroke-dasharray: 2 4; }
.cursor { stroke: var(--quiet); stroke-width: 1; }
.line { stroke-width: 2; stroke-linejoin: round; }
.line.thin { stroke-width: 1.6; }
.chart path.band { opacity: 0.16; stroke: none; }
.chart path.dots { stroke-width: 7; stroke-linecap: round; stroke-dasharray: none; }
.faded { opacity: 0.12; }
.chart path.band.faded { opacity: 0.03; }
.off { display: none; }
.d1 { stroke-dasharray: 9 4; } .d2 { stroke-dasharray: 2 3; } .d3 { stroke-dasharray: 10 3 2 3; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
.c6 { stroke: var(--c6); }
.chart .band.c0 { fill: var(--c0); } .chart .band.c1 { fill: var(--c1); }
.chart .band.c2 { fill: var(--c2); } .chart .band.c3 { fill: var(--c3); }
.chart .band.c4 { fill: var(--c4); } .chart .band.c5 { fill: var(--c5); }
.chart .band.c6 { fill: var(--c6); }
.disc { fill: var(--c0); stroke: var(--card); stroke-width: 1.5; }
.ring { fill: none; stroke: var(--c1); stroke-width: 1.6; }
.span { stroke: var(--c0); stroke-width: 3; stroke-linecap: round; }

.gallery td, .gallery th { min-width: 15rem; max-width: 24rem; white-space: normal; }
.gallery tr > :first-child { min-width: 5.5rem; max-width: 9rem; overflow-wrap: anywhere; }
.gallery img { min-width: 0; width: 100%; }
.gallery figure { margin: 0 0 0.6rem; }
@media (min-width: 60rem) {
  .gallery th:first-child { position: sticky; left: 0; background: var(--card); z-index: 1; }
}
"""
