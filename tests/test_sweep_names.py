"""Folders that follow from what was typed: the same for the same, different for the different."""

import re
from itertools import combinations

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.sweep_names import grid, job_name, parse, slug, split_overrides, sweep_name

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=150)


def test_what_varies_is_told_from_what_does_not() -> None:
    swept, fixed = split_overrides(["loss=bce,focal", "seed=range(3)", "steps=100", "~callbacks.x"])
    assert swept == {"loss": ["bce", "focal"], "seed": ["0", "1", "2"]}
    assert fixed == ["steps=100", "~callbacks.x=null"]


def test_the_last_word_on_a_key_counts() -> None:
    swept, fixed = split_overrides(["loss=bce,focal", "seed=0,1", "seed=5", "loss=brier,focal"])
    assert swept == {"loss": ["brier", "focal"]}
    assert fixed == ["seed=5"]


@pytest.mark.parametrize(
    "typed",
    [
        ["loss=bce,focal", "seed=range(3)", "steps=100"],
        ["net.channels=[1,2],[3]", "seed=choice(4,5)", "seed=1,2"],
        ["data.root='a b'", "+x=1", "~callbacks.songs", "optimizer.lr=1e-3,1e-2"],
    ],
)
def test_the_grid_is_what_hydra_multiplies_out(typed: list[str]) -> None:
    assert [grid(typed)] == BasicSweeper.split_arguments(parse(typed), None)


def test_jobs_are_named_by_what_varies_in_any_order() -> None:
    name = "loss-focal_optimizer.lr-0.01_seed-1"
    overrides = ["seed=1", "steps=100", "loss=focal", "optimizer.lr=0.01"]
    swept = ["loss", "seed", "optimizer.lr"]
    assert job_name(overrides, swept) == name
    assert job_name(overrides[::-1], swept[::-1]) == name


def test_a_grid_that_grows_keeps_its_folders() -> None:
    names = []
    for typed in (["loss=bce,focal", "seed=0,1"], ["seed=0,1,2", "loss=bce,focal,brier"]):
        swept, _ = split_overrides(typed)
        jobs = {job_name(job, list(swept)) for job in grid(typed)}
        names.append((sweep_name("none", {}, typed), jobs))
    assert names[0][0] == names[1][0] == "loss-seed"
    assert names[0][1] < names[1][1]


def test_what_else_was_typed_tells_sweeps_apart() -> None:
    losses = {"params": {"loss": "bce,focal", "seed": "0,1"}}
    kinds = [
        ("none", {}, ["loss=bce,focal"]),
        ("none", {}, ["loss=bce,focal", "steps=100"]),
        ("none", {}, ["loss=bce,focal", "steps=200"]),
        ("none", {}, ["loss=bce,focal", "seed=0,1"]),
        ("losses", losses, ["sweep=losses"]),
        ("losses", losses, ["sweep=losses", "steps=100"]),
        ("losses", losses, ["sweep=losses", "net.cell=lstm,gru"]),
    ]
    names = [sweep_name(*kind) for kind in kinds]
    assert len(set(names)) == len(names)
    assert names[0] == "loss"
    assert names[4] == "losses"
    assert sweep_name("none", {}, ["loss=bce,focal", "b=1", "a=2"]) == sweep_name(
        "none", {}, ["a=2", "b=1", "experiment=music_2018", "loss=bce,brier"]
    )
    assert sweep_name("folds", {"params": {"split.fold": "0,1"}}, ["experiment=x"]) == "folds"


@given(st.lists(VALUES, min_size=2, max_size=6, unique=True))
def test_different_values_never_share_a_folder_and_names_are_plain(values: list[str]) -> None:
    names = [slug(f"data.root={value}", "seed=1") for value in values]
    assert all(a != b for a, b in combinations(names, 2))
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,128}", name)


def test_a_value_cannot_pass_for_another_key() -> None:
    assert slug("a=x", "b=y_b-z") != slug("a=x_b-y", "b=z")


def test_values_that_look_alike_once_they_are_plain_get_a_hash() -> None:
    assert slug("net.channels=[4,8]") != slug("net.channels=[4;8]")
    assert re.fullmatch(r"net\.channels-4-8-[0-9a-f]{6}", slug("net.channels=[4,8]"))
