"""Where the learning rate stands at each step."""

import pytest
import torch

from dlcourse.schedules import cosine, one_cycle


def rates(total_steps: int, **options: float) -> list[list[float]]:
    """The rates of two parameter groups at every optimizer step."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.02)]
    optimizer = torch.optim.SGD(groups)
    scheduler = one_cycle(optimizer, total_steps=total_steps, **options)
    seen = []
    for _ in range(total_steps or 5):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("peak", "warm_up"), [(3.0, 0.3), (1.0, 0.5), (10.0, 0.1)])
def test_the_rate_rises_to_the_peak_and_falls_to_nothing(peak: float, warm_up: float) -> None:
    seen = rates(200, peak=peak, warm_up=warm_up)
    for group, own in enumerate((0.1, 0.02)):
        column = [step[group] for step in seen]
        top = column.index(max(column))
        assert top == warm_up * 200 - 1
        assert column[top] == pytest.approx(peak * own)
        assert column[: top + 1] == sorted(column[: top + 1])
        assert column[top:] == sorted(column[top:], reverse=True)
        assert column[0] < 0.1 * column[top]
        assert 0 <= column[-1] < 1e-3 * own


def test_the_defaults_are_three_times_the_rate_after_three_tenths() -> None:
    column = [step[0] for step in rates(100)]
    assert (column.index(max(column)), max(column)) == (29, pytest.approx(0.3))


def test_without_steps_the_rate_stays() -> None:
    assert rates(0) == [[0.1, 0.02]] * 5


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_short_runs_have_a_rate_at_every_step(steps: int) -> None:
    for step in rates(steps):
        assert all(0 <= rate <= 0.3 + 1e-9 for rate in step)


def test_momentum_is_left_alone() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.77)
    scheduler = one_cycle(optimizer, total_steps=10)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]["momentum"] == 0.77


def test_one_cycle_is_torch_s() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=200, cycle_momentum=False
    )
    for own in rates(200):
        # torch ends at 4e-6 of the peak, not at nothing
        assert own[0] == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-5)
        optimizer.step()
        reference.step()


def test_cosine_is_torch_s() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    ours, theirs = (torch.optim.SGD(parameters, lr=0.1) for _ in range(2))
    own = cosine(ours, total_steps=40)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=40)
    for _ in range(41):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12)
        for stepper in (ours, theirs, own, reference):
            stepper.step()


@pytest.mark.parametrize("make", [cosine, one_cycle])
def test_a_longer_budget_after_resuming_follows_the_longer_curve(make) -> None:
    def run(optimizer: torch.optim.Optimizer, scheduler, steps: int) -> float:
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
        return optimizer.param_groups[0]["lr"]

    first, second, whole = (
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1) for _ in range(3)
    )
    short = make(first, total_steps=10)
    run(first, short, 10)
    longer = make(second, total_steps=30)
    second.load_state_dict(first.state_dict())
    longer.load_state_dict(short.state_dict())
    expected = run(whole, make(whole, total_steps=30), 15)
    assert run(second, longer, 5) == pytest.approx(expected)
