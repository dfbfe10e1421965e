"""A run's options as one flat table: all of them, but for where the run lies."""

import pytest
from omegaconf import OmegaConf

from dlcourse.options import flat_options, resolved

OPTIONS = {"seed": 0, "timing": "auto", "callbacks": {"last": {"dirpath": "${folder}/checkpoints"}}}


@pytest.mark.parametrize("folder", ["a", "auto", "runs/a", "/runs/a"])
def test_only_what_lies_in_the_run_folder_is_left_out(folder: str) -> None:
    config = OmegaConf.create(
        OPTIONS | {"folder": folder, "curves": "${folder}", "near": f"{folder}b"}
    )
    expected = {"seed": 0, "timing": "auto", "near": f"{folder}b"}
    if folder == "auto":  # a folder of the working directory, as far as anybody can tell
        del expected["timing"]
    assert flat_options(config) == expected


def test_what_is_read_from_the_environment_stays_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MADE_UP", "a secret")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    typed = {"a": "${oc.env:MADE_UP}", "b": ["${oc.env:MADE_UP}", "${c}"], "c": 3}
    typed |= {"mode": "${oc.env:WANDB_MODE,offline}"}  # as conf/ has it
    assert resolved(OmegaConf.create(typed)) == {
        "a": "${oc.env:MADE_UP}", "b": ["${oc.env:MADE_UP}", 3], "c": 3, "mode": "disabled",
    }  # fmt: skip
