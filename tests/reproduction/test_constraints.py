""".ci/constraints.txt pins what setup.cfg asks for, in versions that setup.cfg allows."""

import re
import runpy
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CI = Path(__file__).resolve().parents[2] / ".ci"
UNTESTED = {"torchxrayvision"}  # of the extra xrv, which CI does not install
pytestmark = pytest.mark.trust


@pytest.fixture(scope="module")
def pins() -> dict[str, Requirement]:
    """The lines of the file, by package."""
    lines = (CI / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    assert len({pin.name for pin in found}) == len(found) > 100
    return {canonicalize_name(pin.name): pin for pin in found}


@pytest.fixture(scope="module")
def required() -> list[Requirement]:
    """What setup.cfg asks for, its extras included."""
    script = runpy.run_path(str(CI / "pin_versions.py"))
    config = (CI.parent / "setup.cfg").read_text(encoding="utf-8")
    return [Requirement(line) for line in script["required"](config)]


def test_every_requirement_is_pinned_within_its_range(
    pins: dict[str, Requirement], required: list[Requirement]
) -> None:
    assert {"torch", "pytest", "optuna"} <= {need.name for need in required}
    for need in required:
        if need.name in UNTESTED:
            continue
        (pin,) = pins[canonicalize_name(need.name)].specifier
        assert pin.operator == "=="
        assert need.specifier.contains(pin.version), f"{need} against {pin}"


def test_what_torch_brings_for_one_kind_of_machine_is_left_to_torch(
    pins: dict[str, Requirement],
) -> None:
    assert not [name for name in pins if re.match("nvidia-|cuda|triton|dlcourse", name)]


def test_a_release_that_python_310_cannot_install_is_not_asked_of_it(
    pins: dict[str, Requirement],
) -> None:
    marker = runpy.run_path(str(CI / "pin_versions.py"))["python_marker"]
    assert marker(">=3.9") == marker(None) == ""
    assert marker(">=3.11") == ' ; python_version >= "3.11"'
    applies = pins["numpy"].marker
    assert applies is not None, "numpy 2.3 has left Python 3.10 behind"
    assert not applies.evaluate({"python_version": "3.10"})
    assert applies.evaluate({"python_version": "3.13"})
