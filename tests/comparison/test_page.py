"""The report's page: whole, self-contained, small, and what its script does in a browser."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from dlcourse.comparison.page import gallery as page_gallery
from dlcourse.comparison.page.page import write_page
from dlcourse.comparison.records import Comparison, Record
from tests.comparison.made_up import LOSSES, compared, grid, run, sweep
from tests.test_pages import Reader

HOSTILE = "</script><script>alert('x')</script> & \"y\" onload=z"
SECTIONS = [
    "Verdict", "Settings", "Learning curves", "Main effects", "Differences to the best",
    "Overlays", "Gallery", "Runs",
]  # fmt: skip
CURVE = {"x": [0.0, 1.0], "y": [0.0, 1.0], "xlabel": "fpr", "ylabel": "tpr", "guide": "diagonal"}


def written(comparison: Comparison, folder: Path) -> str:
    write_page(comparison, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def with_media(folder: Path, *, seeds: int = 2, keys: int = 2) -> Comparison:
    """Two settings whose runs left pictures, a sound and a curve."""
    records = []
    for record in sweep(LOSSES[:2], seeds=seeds).records:
        place = folder / record.name
        place.mkdir()
        items = [
            {"kind": "image", "key": f"patient {n}", "caption": f"says {n}", "file": f"{n}.png"}
            for n in range(keys)
        ]
        for item in items:
            Image.new("RGB", (40, 30), (20, 40, 60)).save(place / item["file"])
        soundfile.write(place / "song.wav", np.zeros(4000), 8000)
        items.append({"kind": "audio", "key": "song 0", "caption": "short", "file": "song.wav"})
        overlays = {"ROC": CURVE}
        records.append(replace(record, folder=place, gallery=items, overlays=overlays))
    return compared(records, ["loss"], folder=folder)


def table_rows(text: str, section: str) -> list[list[str]]:
    """The texts of the cells of a section's first table, without its header."""
    own = text[text.index(f'<section id="{section}"') :]
    own = own[own.index("<tbody") : own.index("</table>")]
    return [
        [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<td.*?</td>", row)]
        for row in own.split("<tr>")[1:]
    ]


def test_a_page_has_all_sections_in_order_and_is_well_formed(tmp_path: Path) -> None:
    text = written(with_media(tmp_path), tmp_path)
    Reader(text)
    assert re.findall(r"<h2>(.*?)</h2>", text) == SECTIONS
    links = re.findall(r'href="#([^"]*)"', text)
    assert links
    assert set(links) <= set(re.findall(r'\bid="([^"]*)"', text))


def test_a_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    text = written(with_media(tmp_path), tmp_path)
    for _, attributes in Reader(text).tags:
        for name in ("src", "href", "srcset", "poster", "action", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "@import" not in text
    assert "url(" not in text
    # The names of the two namespaces of SVG are no addresses that anybody opens.
    assert set(re.findall(r"\w+://[^\"' ]*", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("shape", ["4 losses x 4 seeds", "16 settings"])
def test_a_page_of_16_runs_of_1000_steps_is_below_a_megabyte(tmp_path: Path, shape: str) -> None:
    if shape == "16 settings":
        runs = [run(n, 0, {"lr": str(n)}, steps=1000) for n in range(16)]
    else:
        runs = sweep(seeds=4, steps=1000).records
    runs = [replace(r, curves=crowded(r)) for r in runs]
    text = written(compared(runs, list(set(runs[0].options) - {"seed"})), tmp_path)
    assert len(text.encode()) < 1_000_000
    assert text.count('data-curves="') == 10


def crowded(record: Record) -> dict[int, dict[str, float]]:
    """Everything logged at every step, and five more quantities."""
    rng = np.random.default_rng(0)
    names = ["val/loss", "val/nll", "val/top1", *(f"val/other{n}" for n in range(5))]
    return {
        step: {**row, **dict(zip(names, rng.normal(size=8).tolist(), strict=True))}
        for step, row in record.curves.items()
    }


def test_hostile_names_stay_text_everywhere(tmp_path: Path) -> None:
    comparison = with_media(tmp_path)
    records = [
        replace(
            record,
            name=f"{HOSTILE} {number}",
            error=HOSTILE,
            command=HOSTILE,
            options={**record.options, "loss": f"{record.options['loss']} {HOSTILE}"},
            baselines={HOSTILE: {"nll": 1.0}},
            curves={s: {**row, f"val/{HOSTILE}": 1.0} for s, row in record.curves.items()},
            provenance={"git_revision": HOSTILE, "versions": {HOSTILE: str(number)}},
            gallery=[{**i, "key": HOSTILE, "caption": HOSTILE} for i in record.gallery]
            + [{"kind": "image", "key": HOSTILE, "file": HOSTILE}],
            overlays={HOSTILE: {**CURVE, "xlabel": HOSTILE}},
        )
        for number, record in enumerate(comparison.records)
    ]
    hostile = replace(
        compared(records, ["loss"], folder=tmp_path),
        title=HOSTILE, verdict=HOSTILE, notes=[HOSTILE], unit=HOSTILE,
    )  # fmt: skip
    text = written(hostile, tmp_path)
    plain = written(comparison, tmp_path)
    reader = Reader(text)
    assert len(reader.named("script")) == len(Reader(plain).named("script")) == 2
    assert not [a for _, attributes in reader.tags for a in attributes if a.startswith("on")]
    assert reader.text.count("<script>alert('x')") > 20


def test_the_settings_are_in_order_and_baselines_are_set_apart_at_the_end(tmp_path: Path) -> None:
    comparison = grid()
    text = written(comparison, tmp_path)
    rows = table_rows(text, "settings")
    assert [row[:2] for row in rows[:6]] == [list(g.options.values()) for g in comparison.groups]
    assert rows[6][0] == "bigram"
    last = text[text.index('<tbody class="last">') :]
    assert last[: last.index("</tbody>")].count("<tr>") == 1
    assert comparison.verdict in html.unescape(text)
    assert all(note in html.unescape(text) for note in comparison.notes)


def test_differences_are_in_the_table_with_their_intervals(tmp_path: Path) -> None:
    comparison = sweep()
    rows = table_rows(written(comparison, tmp_path), "differences-to-the-best")
    for found, row in zip(comparison.differences, rows, strict=True):
        assert found.interval is not None
        assert float(row[1]) == pytest.approx(found.mean, abs=6e-4)
        ends = [float(end) for end in row[2].split(" to ")]
        assert ends == pytest.approx(found.interval, abs=6e-4)
        assert row[4] == "4"


def test_every_run_has_its_state_its_line_and_what_is_odd_about_it(tmp_path: Path) -> None:
    records = sweep(LOSSES[:2], seeds=2).records
    records[1] = replace(records[1], state="failed", error="out of luck at step 7", metrics={})
    odd = {"git_revision": "f" * 40, "git_changes": [" M a.py"], "versions": {"torch": "1.0"}}
    records[2] = replace(records[2], provenance=odd)
    records[3] = replace(records[3], state="missing", folder=None, metrics={}, provenance={})
    records = [replace(r, command=f"python train.py 'a b'={n}") for n, r in enumerate(records)]
    text = written(compared(records, ["loss"]), tmp_path)
    reader, rows = Reader(text), table_rows(text, "runs")
    assert [row[1] for row in rows] == ["done", "failed", "done", "missing"]
    assert "out of luck at step 7" in reader.text
    assert all(record.command in reader.text for record in records)
    marked = [html.unescape(m) for m in re.findall("<mark>(.*?)</mark>", text)]
    assert marked == ["failed", "f" * 10, "1 file changed", "1.0", "missing"]


def test_the_gallery_lays_the_same_key_side_by_side_first_seeds_first(tmp_path: Path) -> None:
    comparison = with_media(tmp_path)
    text = written(comparison, tmp_path)
    images = [image["alt"] for image in Reader(text).named("img")]
    first = [f"patient {n}, loss-{loss}_seed-0" for n in range(2) for loss in LOSSES[:2]]
    assert images[:4] == first
    assert sorted(images[4:]) == sorted(name.replace("seed-0", "seed-1") for name in first)
    players = Reader(text).named("audio")
    assert len(players) == 4
    assert players[0]["aria-label"] == f"song 0, loss-{LOSSES[0]}_seed-0"
    assert text.index("<details", text.index(first[-1])) < text.index(
        "seed-1", text.index(first[-1])
    )


def test_missing_media_are_named_and_entries_that_are_none_are_passed_over(tmp_path: Path) -> None:
    comparison = with_media(tmp_path)
    record = comparison.records[0]
    assert record.folder is not None
    (record.folder / "0.png").unlink()
    (record.folder / "song.wav").write_bytes(b"no sound")
    record.gallery.extend([7, {"kind": "film", "key": "a", "file": "b"}, {"key": "a"}])  # type: ignore
    text = written(comparison, tmp_path)
    assert "0.png is missing." in text
    assert "song.wav is damaged." in text
    assert len(Reader(text).named("img")) == 7


@pytest.mark.parametrize(
    ("limit", "value", "shown", "left_out"),
    [("MEDIA_BYTES", 2000, None, "song.wav"), ("KEYS", 1, 2, "1.png, 2.png, song.wav"),
     ("RUNS", 1, 4, "0.png, 1.png, 2.png, song.wav")],
)  # fmt: skip
def test_what_is_beyond_a_limit_is_left_out_and_said_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    limit: str, value: int, shown: int | None, left_out: str,
) -> None:  # fmt: skip
    comparison = with_media(tmp_path, seeds=1, keys=3)
    whole = written(comparison, tmp_path)
    assert (len(sources(whole)), "Left out" in whole) == (8, False)
    monkeypatch.setattr(page_gallery, limit, value)
    text = written(comparison, tmp_path)
    places = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", text[text.index("Left out") :]))
    worst = comparison.groups[-1].records[0]
    assert left_out in places[worst.name]
    assert f"Left out: {8 - len(sources(text))} files" in text
    if shown is None:
        assert 0 < sum(map(len, sources(text))) <= value
    else:
        assert len(sources(text)) == shown


def sources(text: str) -> list[str]:
    """The contents of all pictures and sounds."""
    return [str(item["src"]) for tag in ("img", "audio") for item in Reader(text).named(tag)]


def test_without_any_finished_run_there_is_still_a_page(tmp_path: Path) -> None:
    records = [
        replace(r, state="missing", folder=None, metrics={}, baselines={}, curves={}, times={})
        for r in sweep(seeds=1).records
    ]
    text = written(compared(records, ["loss"]), tmp_path)
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["Verdict", "Settings", "Runs"]
    Reader(text)


def test_one_setting_without_any_option_that_varies_has_a_page(tmp_path: Path) -> None:
    records = [run(0, seed, {}) for seed in range(3)]
    text = written(compared(records, []), tmp_path)
    assert "Learning curves" in text
    assert "Main effects" not in text
    assert len(re.findall('class="band c0', text)) == 4  # all but the rate, which has no spread


def test_the_page_shows_its_curves_without_the_script(tmp_path: Path) -> None:
    text = re.sub("<script>.*?</script>", "", written(grid(), tmp_path), flags=re.S)
    charts = text.split('data-curves="')[1:]
    assert len(charts) == 5
    assert all(len(re.findall(r'<path d="[^"]+" class="line c\d d\d"', c)) == 6 for c in charts)
    assert re.search(r'<div id="controls"[^>]* hidden>', text)


# In a browser.

Browser = Callable[[Comparison, str], dict]
DRIVER = """
const q = s => document.querySelector(s), all = s => [...document.querySelectorAll(s)];
const said = {}, errors = [];
addEventListener("error", event => errors.push(event.message));
const change = (id, index) => {
  q(id).selectedIndex = index; q(id).dispatchEvent(new Event("change")); };
const chart = () => q("figure[data-curves] svg.chart");
const lines = () => [...chart().querySelectorAll("path.line:not(.dots)")];
const looks = () => lines().map(path => path.getAttribute("class"));
const texts = () => [...chart().querySelectorAll("text")].map(text => text.textContent);
const column = n => all("#settings tbody tr").map(row => row.cells[n].textContent);
const key = name => chart().dispatchEvent(new KeyboardEvent("keydown", { key: name }));
"""


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """Opens a page in Chromium, runs some script after its own, and returns what it noted."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")

    def drive(comparison: Comparison, script: str) -> dict:
        text = written(comparison, tmp_path)
        end = "said.errors = errors; document.body.dataset.said = JSON.stringify(said);"
        driven = f"<script>{{{DRIVER}{script};{end}}}</script></body>"
        (tmp_path / "driven.html").write_text(text.replace("</body>", driven), encoding="utf-8")
        options = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1300,2000", "--virtual-time-budget=1000", "--dump-dom",
        ]  # fmt: skip
        done = subprocess.run(
            [chromium, *options, (tmp_path / "driven.html").as_uri()],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        found = re.search(r'data-said="([^"]*)"', done.stdout)
        assert found, done.stderr[-2000:]
        said = json.loads(html.unescape(found[1]))
        assert said.pop("errors") == []
        return said

    return drive


def test_curves_are_drawn_anew_by_the_script(browser: Browser, tmp_path: Path) -> None:
    comparison = grid()
    said = browser(
        comparison,
        """
        said.drawn = lines().map(path => path.getAttribute("d")); said.texts = texts();
        said.first = looks();
        change("#by", 1); said.other = looks();
        q("#log").click(); said.log = lines().map(path => path.getAttribute("d"));
        q("#log").click();
        change("#x", 1); said.seconds = texts(); change("#x", 0);
        q(".legend button").click(); said.pressed = q(".legend button").ariaPressed;
        said.fewer = looks(); q(".legend button").click();
        all(".legend button")[1].focus(); said.raised = looks(); document.activeElement.blur();
        key("End"); said.values = q(".readout").textContent;
        """,
    )
    static = written(comparison, tmp_path).split('data-curves="')[1]
    paths = re.findall(r'<path d="([^"]+)" class="(line c\d d\d)"', static)
    assert said["first"] == [look for _, look in paths]
    for (ours, _), theirs in zip(paths, said["drawn"], strict=True):
        numbers = [np.array(re.findall(r"[\d.]+", d), float) for d in (ours, theirs)]
        assert np.allclose(*numbers, atol=2)  # the script has five figures of each value
    assert said["texts"] == re.findall(r"<text[^>]*>([^<]*)</text>", static.split("</figure>")[0])
    loss = [LOSSES.index(group.options["loss"]) for group in comparison.groups]
    assert said["other"] == [f"line c{n} d{n}" for n in loss]
    assert said["log"] != said["drawn"]
    assert said["seconds"][-1] == "seconds of training"
    assert said["pressed"] == "false"
    assert said["fewer"] == [f"line c{n} d{n}" for n in loss if n]
    assert said["raised"] == [f"line c{n} d{n}" + " faded" * (n != 1) for n in loss]
    assert said["values"].startswith("step 60")
    final = max(np.mean([r.curves[60]["val/nll"] for r in g.records]) for g in comparison.groups)
    assert f" {final:.4g} " in said["values"]


def test_tables_sort_overlays_follow_the_colours_and_links_open_a_run(
    browser: Browser, tmp_path: Path
) -> None:
    said = browser(
        with_media(tmp_path),
        """
        const heads = all("#settings th button"); said.before = column(1);
        heads[1].click(); said.up = column(1); said.sorted = heads[1].parentNode.ariaSort;
        heads[1].click(); said.down = column(1); said.turned = heads[1].parentNode.ariaSort;
        heads[1].click(); heads[4].click(); said.p = [column(4)];
        heads[4].click(); said.p.push(column(4));
        q(".legend button").click();
        said.off = all("#overlays path[data-group]").map(p => getComputedStyle(p).display);
        location.hash = "#run-1"; dispatchEvent(new Event("hashchange"));
        said.open = all("details.run").map(details => details.open);
        all("details").forEach(details => { details.open = true; });
        document.body.style.width = "420px";
        said.wide = all("main *").filter(each => !each.closest(".scroll")
          && each.getBoundingClientRect().right > 420).map(each => each.outerHTML.slice(0, 200));
        """,
    )
    *settings, baseline = said["before"]
    assert said["up"] == [*sorted(settings), baseline]
    assert said["down"] == [*sorted(settings, reverse=True), baseline]
    assert (said["sorted"], said["turned"]) == ("ascending", "descending")
    (value,) = {cell for cell in said["p"][0] if cell}
    assert said["p"] == [[value, "", ""]] * 2  # empty cells come last either way
    assert said["off"].count("none") == 2 * 2  # two runs, a line and its dots each
    assert said["open"] == [False, True, False, False]
    assert said["wide"] == []  # tables scroll by themselves
