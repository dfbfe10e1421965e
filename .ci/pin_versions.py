"""Write constraints.txt beside this file: the versions, in this environment, of all that is needed.

Not of what torch brings along for one kind of machine: it pins that itself.
"""

from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
OF_ONE_MACHINE = ("nvidia-", "cuda-", "triton")
HEAD = """\
# The versions that CI tests, with Python 3.11: pip install -c .ci/constraints.txt -e .
# A package that has left an older Python behind is free there. Written by .ci/pin_versions.py
"""


def required(config: str) -> list[str]:
    """The requirements of a setup.cfg, those of all extras too."""
    parser = ConfigParser()
    parser.read_string(config)
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    lines = [line.strip() for text in lists for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def pinned(lines: list[str]) -> dict[str, str]:
    """A line for each package, by name: what is required, and what that needs here."""
    found: dict[str, str] = {}
    left, seen = [(line, "") for line in lines], set()
    while left:
        line, extra = left.pop()
        need = Requirement(line)
        here = need.marker is None or need.marker.evaluate({"extra": extra})
        if not here or (line, extra) in seen:
            continue
        seen.add((line, extra))
        name = canonicalize_name(need.name)
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of an extra that is not tested
            continue
        marker = python_marker(package.metadata["Requires-Python"])
        found[name] = f"{name}=={package.version}{marker}"
        left += [(more, part) for more in package.requires or [] for part in ("", *need.extras)]
    return found


def python_marker(supported: str | None) -> str:
    """For a release that not all of our Pythons can install."""
    fit = [version for version in PYTHONS if f"{version}.99" in SpecifierSet(supported or "")]
    return "" if fit == list(PYTHONS) else f' ; python_version >= "{fit[0]}"'


def main() -> None:
    """Write the file."""
    lines = pinned(required((HERE.parent / "setup.cfg").read_text(encoding="utf-8")))
    kept = [line for name, line in sorted(lines.items()) if not name.startswith(OF_ONE_MACHINE)]
    (HERE / "constraints.txt").write_text(HEAD + "\n".join(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
