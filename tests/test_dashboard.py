"""The class dashboard: built, read back, sent to a W&B of our own, held against what runs log."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from dlcourse.dashboard import LABS, OPTIONS, STEP, build_dashboard, save_dashboard, specification
from dlcourse.errors import InputError
from dlcourse.loggers import GLOBAL_STEP
from dlcourse.training import train
from tests.composing import QUICK, QUICK_XRAY, composed, saved
from tests.reading_wandb import OfflineRun, read_runs

ws = pytest.importorskip("wandb_workspaces.workspaces")
ROOT = Path(__file__).resolve().parents[1]
CHOICES = {"task": "notes", "loss": "focal", "optimizer": "sgd"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OfflineRun]:
    """What a small run of each lab logs."""
    quick = {
        "music": [o for o in QUICK if o != "~callbacks.songs"],
        "xray": [o for o in QUICK_XRAY if o != "~callbacks.maps"],
    }
    short = ["steps=5", "logger=wandb", "logger.wandb.log_model=false"]
    more = {
        "music": [*short, "callbacks.songs.songs=1", "callbacks.songs.bars=1"],
        "xray": [*short, "callbacks.evaluation.atlas=0"],
    }
    read = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        for lab in LABS:
            folder = tmp_path_factory.mktemp(lab) / "run"
            config = saved(composed(folder, *quick[lab], *more[lab], quick=False))
            noted = OmegaConf.create({"hydra": {"runtime": {"choices": CHOICES}}})
            OmegaConf.save(noted, folder / ".hydra" / "hydra.yaml")
            train(config)
            (read[lab],) = read_runs(folder)
    return read


def logged(run: OfflineRun) -> set[str]:
    """Every name under which a run logged something, media among them."""
    names = {key for row in run.history for key in row} | set(run.summary)
    return names | {name.removesuffix("._type") for name in names}


def panels_of(lab: str) -> list[Any]:
    page = build_dashboard(entity="me", project="dlcourse", lab=lab)
    return [panel for section in page.sections for panel in section.panels]


def shown(panels: list[Any]) -> set[str]:
    """Every metric and every key of media that panels ask for."""
    names = set()
    for panel in panels:
        model = panel._to_model().config
        names |= set(getattr(model, "metrics", None) or [])
        names |= set(getattr(model, "media_keys", None) or [])
        accessors = [column.accessor for column in getattr(model, "columns", None) or []]
        names |= {a.removeprefix("summary:") for a in accessors if a.startswith("summary:")}
        names |= {a for a in [getattr(model, "x_axis", None)] if a}
    return names


@pytest.mark.parametrize("lab", list(LABS))
def test_every_panel_of_a_lab_shows_what_its_runs_log(
    lab: str, runs: dict[str, OfflineRun]
) -> None:
    asked = shown(panels_of(lab))
    assert {"val/nll", "val/loss", "train/loss", "test/nll", *LABS[lab].media} <= asked
    assert asked <= logged(runs[lab])


def test_the_page_of_both_labs_has_the_panels_of_each() -> None:
    assert shown(panels_of("both")) == set().union(*(shown(panels_of(lab)) for lab in LABS))


def test_panels_group_by_columns_that_runs_have(runs: dict[str, OfflineRun]) -> None:
    groups = {p._to_model().config.group_by for p in panels_of("both") if hasattr(p, "groupby")}
    # A nested column is found below `value` of its first part.
    assert groups == {f"choice.value.{option}" for option in OPTIONS}
    for run in runs.values():
        for option in OPTIONS:
            assert run.config["choice"][option] == CHOICES[option]
            assert (ROOT / "conf" / option).is_dir()


def test_curves_are_drawn_against_the_step_that_the_logger_logs() -> None:
    assert STEP == GLOBAL_STEP


def test_a_lab_s_page_shows_the_runs_that_are_tagged_with_its_tasks(
    runs: dict[str, OfflineRun],
) -> None:
    for path in (ROOT / "conf" / "task").glob("*.yaml"):
        lab = "music" if "dlcourse.music" in path.read_text() else "xray"
        assert path.stem in LABS[lab].tasks
    assert "notes" in runs["music"].facts["tags"], "runs are tagged with their task"
    page = build_dashboard(entity="me", project="dlcourse", lab="xray")
    rule = json.dumps(specification(page)["spec"]["section"]["runSets"][0]["filters"])
    assert "pneumothorax" in rule
    assert "findings" in rule
    assert "notes" not in rule


@pytest.mark.parametrize("lab", [*LABS, "both"])
def test_a_saved_page_is_read_back_as_it_was(lab: str, tmp_path: Path) -> None:
    from wandb_workspaces.workspaces import internal

    page = build_dashboard(entity="me", project="dlcourse", lab=lab)
    save_dashboard(page, tmp_path / "page.json")
    text = (tmp_path / "page.json").read_text()
    back = ws.Workspace._from_model(internal.View.model_validate_json(text))
    assert specification(back) == json.loads(text)
    kinds = [[type(panel) for panel in section.panels] for section in back.sections]
    assert kinds == [[type(panel) for panel in section.panels] for section in page.sections]
    titles = {panel.title for section in back.sections for panel in section.panels[:-1]}
    assert {"val/nll by optimizer", "test/nll by loss"} <= titles


class Clerk(BaseHTTPRequestHandler):
    """W&B's answers, as far as a page needs them."""

    server: Any

    def do_POST(self) -> None:
        """Note a page, or refuse it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer: dict[str, Any] = {"data": {"viewer": {"id": "1", "entity": "me", "flags": "{}"}}}
        if b"upsertView" in body:
            variables = json.loads(body)["variables"]
            self.server.pages.append(variables)
            view = {"id": "1", "name": variables["name"]}
            answer = {"data": {"upsertView": {"view": view, "inserted": True}}}
            if self.server.refusal:
                answer = {"errors": [{"message": self.server.refusal}]}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def wandb_server(refusal: str = "") -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Clerk)
    server.pages, server.refusal = [], refusal
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def script(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "dashboard.py"), "--entity", "me"]
    hidden = ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC")
    kept = {k: v for k, v in os.environ.items() if k not in hidden} | {"HOME": str(home)}
    return subprocess.run(
        [*command, *arguments], env=kept | environment, capture_output=True, text=True, cwd=home
    )


def test_one_command_sends_the_page_and_tells_its_address(tmp_path: Path) -> None:
    with wandb_server() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        done = script(
            tmp_path, "--project", "class", WANDB_BASE_URL=url, WANDB_API_KEY="0123456789" * 4
        )
    assert done.returncode == 0, done.stderr
    (sent,) = server.pages
    assert (sent["entityName"], sent["projectName"]) == ("me", "class")
    assert done.stdout.strip().startswith(f"{url}/me/class?nw=")
    sections = json.loads(sent["spec"])["section"]["panelBankConfig"]["sections"]
    names = [section["name"] for section in sections]
    assert [lab.title for lab in LABS.values()] == names[1:3]


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    with wandb_server("permission denied: this team is another's") as server:
        url = f"http://127.0.0.1:{server.server_port}"
        done = script(tmp_path, WANDB_BASE_URL=url, WANDB_API_KEY="0123456789" * 4)
    assert done.returncode == 2
    assert "permission denied: this team is another's" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_a_key_one_line_says_so_and_a_file_can_be_saved(tmp_path: Path) -> None:
    done = script(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no W&B key: `wandb login`")
    assert done.stderr.count("\n") == 1
    assert script(tmp_path, "--lab", "music", "--save", "page.json").stdout == "page.json\n"
    assert json.loads((tmp_path / "page.json").read_text())["displayName"] == "The lab: Music"


def test_a_missing_package_or_lab_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="lab=art: choose one of music, xray, both"):
        build_dashboard(entity="me", project="dlcourse", lab="art")
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(InputError, match=r"pip install 'dlcourse\[dashboard\]'"):
        build_dashboard(entity="me", project="dlcourse")
