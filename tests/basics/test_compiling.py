"""torch.compile beside eager mode: values, times, and what happens where it does not work."""

import os
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo import register_backend

from dlcourse.basics import compiling
from dlcourse.basics.compiling import Case, compared, comparisons, timed
from dlcourse.basics.models import Expression, Perceptron

CASE = Case("e", Expression(), (torch.tensor(2.0), torch.tensor(4.0)))
ASKED: list[str] = []  # what the broken backend was asked


@register_backend
def basics_broken(module: torch.fx.GraphModule, inputs: list[Tensor]) -> None:
    """Like one without its compiler."""
    ASKED.append("compile")
    raise OSError("no compiler was found\nset CXX")


@register_backend
def basics_wrong(module: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
    """Is off in the second of two numbers."""
    return lambda *inputs: (module(*inputs)[0] + torch.tensor([0.0, -0.5]),)


@pytest.mark.parametrize("backend", ["aot_eager", "eager"])
def test_compiled_values_are_those_of_eager_mode(backend: str) -> None:
    cases = [CASE, Case("p", Perceptron(), (torch.tensor([0.25, 0.15]),))]
    for one in comparisons(cases, backend=backend, seconds=0.01):
        assert one.backend == backend
        assert one.difference == 0
        assert one.failures == []


def test_the_first_call_pays_for_compiling() -> None:
    one = compared(CASE, backends=["aot_eager"], seconds=0.01)
    assert one.compiled.first > 10 * one.compiled.steady


def test_a_difference_is_the_largest_and_not_hidden() -> None:
    case = Case("e", Expression(), (torch.ones(2), torch.ones(2)))
    assert compared(case, backends=["basics_wrong"], seconds=0.01).difference == 0.5


def test_without_a_compiler_it_is_said_in_one_line_and_another_backend_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ASKED.clear()
    monkeypatch.setattr(compiling, "BACKENDS", ("basics_broken", "eager"))
    found = comparisons([CASE, CASE], backend="basics_broken", seconds=0.01)
    assert [one.backend for one in found] == ["eager", "eager"]
    assert found[1].failures == []
    assert ASKED == ["compile"], "it is not asked again"
    (line,) = found[0].failures
    assert "no compiler was found" in line
    assert "\n" not in line


def test_where_nothing_works_eager_mode_is_left() -> None:
    one = compared(CASE, backends=["basics_broken"], seconds=0.01)
    assert one.compiled is None
    assert one.eager.steady > 0


def test_times_are_those_of_the_first_and_of_a_later_call() -> None:
    class SlowAtFirst(nn.Module):
        called = 0

        def forward(self, x: Tensor) -> Tensor:
            self.called += 1
            time.sleep(0.05 if self.called == 1 else 0.001)
            return x

    _, timing = timed(SlowAtFirst(), [torch.ones(1)], seconds=0.02)
    assert timing.first >= 0.05
    assert 0.001 <= timing.steady < 0.05


@pytest.mark.parametrize("before", [None, "mine"])
def test_torch_s_cache_is_left_as_it_was(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "TORCHINDUCTOR_CACHE_DIR"
    monkeypatch.delenv(name, raising=False)
    if before:
        monkeypatch.setenv(name, before)
    seen = []

    def cases() -> object:
        seen.append(os.environ[name])
        yield CASE

    comparisons(cases(), backend="eager", seconds=0.01)
    assert seen != [before]
    assert os.environ.get(name) == before
    assert not os.path.exists(seen[0])
