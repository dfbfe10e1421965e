"""Run and sweep folders made by hand, with known numbers and in no time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIG = {
    "seed": 0,
    "steps": 100,
    "folder": "${hydra:runtime.output_dir}",
    "data_dir": "data",
    "resume": None,
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.001},
    "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
    "net": {"hidden": 64, "seed": "${seed}", "sizes": []},
    "split": {"fold": 0},
    "logger": {"csv": {"folder": "${folder}"}},
}
CHOICES = {"experiment": "one", "optimizer": "adam", "loss": "cross_entropy", "sweep": "none"}
OPTIONS = {  # what the option files of conf/ say
    "optimizer=sgd": {"_target_": "torch.optim.SGD", "lr": 1.0},
    "optimizer=adam": CONFIG["optimizer"],
    "loss=focal": {"_target_": "dlcourse.losses.FocalLoss", "gamma": 2.0},
    "loss=cross_entropy": CONFIG["loss"],
}
BASELINES = {"bigram": {"nll": 3.0, "top1": 0.25}}


def compose(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and choices, as Hydra would have them for these plain overrides."""
    config, choices = json.loads(json.dumps(CONFIG)), dict(CHOICES)
    chosen_first = sorted(overrides, key=lambda o: o.partition("=")[0] not in choices)
    for override in chosen_first:
        key, _, value = override.partition("=")
        if key in choices:
            choices[key] = value
            config |= {key: OPTIONS[override]} if override in OPTIONS else {}
            continue
        node = config
        *above, last = key.split(".")
        for part in above:
            node = node[part]
        node[last] = yaml.safe_load(value)
    return config, choices


def leave_results(
    folder: Path,
    model: Mapping[str, Any],
    *,
    baselines: Mapping[str, Any] | None = None,
    unit: str = "nats per 16th",
    **more: Any,
) -> None:
    """`results.json` of a finished run."""
    rows = {"model": dict(model), **(BASELINES if baselines is None else baselines)}
    table = {"test": rows, "unit": unit, "scored": "every frame", "interval": "95 %", **more}
    (folder / "results.json").write_text(json.dumps(table), encoding="utf-8")


def leave_run(
    folder: Path,
    *overrides: str,
    nll: float | None = None,
    state: str | None = "done",
    error: str | None = None,
    seconds: float = 10.0,
    **results: Any,
) -> Path:
    """A run folder as training leaves it; without results when `nll` is None."""
    config, choices = compose(overrides)
    (folder / ".hydra").mkdir(parents=True)
    documents = {
        "config": config,
        "overrides": list(overrides),
        "hydra": {"hydra": {"runtime": {"choices": {**choices, "hydra/launcher": "basic"}}}},
    }
    for name, document in documents.items():
        text = yaml.safe_dump(document)
        (folder / ".hydra" / f"{name}.yaml").write_text(text, encoding="utf-8")
    if nll is not None:
        leave_results(folder, {"nll": float(nll), "frames": 7}, **results)
    if state is not None:
        value = None if nll is None else nll + 1
        outcome = {"state": state, "value": value, "seconds": seconds, "error": error}
        (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
    return folder


def leave_sweep(folder: Path, jobs: Mapping[str, Sequence[str]], *, swept: Sequence[str]) -> Path:
    """The plan of a sweep; its runs are left by `leave_run`."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {"command": ["python"], "swept": list(swept), "jobs": {k: [*v] for k, v in jobs.items()}}
    (folder / "sweep.json").write_text(json.dumps(plan), encoding="utf-8")
    return folder


def leave_grid(folder: Path, values: Mapping[tuple[str, ...], Sequence[float]]) -> Path:
    """A sweep of settings with a finished run for every value: its seeds are 0, 1, 2, ..."""
    jobs = {}
    for overrides, numbers in values.items():
        for seed, nll in enumerate(numbers):
            name = "_".join([*overrides, f"seed={seed}"]).replace("=", "-")
            jobs[name] = [*overrides, f"seed={seed}"]
            leave_run(folder / name, *jobs[name], nll=nll)
    swept = dict.fromkeys(o.partition("=")[0] for job in jobs.values() for o in job)
    return leave_sweep(folder, jobs, swept=list(swept))
