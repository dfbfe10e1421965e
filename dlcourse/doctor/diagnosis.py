"""What would keep somebody from training here, and what to do about it.

Checks are functions of `Facts` and nothing else.
"""

from collections.abc import Callable

from dlcourse.doctor.findings import NOTE, OK, PROBLEM, Finding
from dlcourse.doctor.machine_facts import Facts, package_name

_GB = 1e9
LITTLE, TOO_LITTLE = 5 * _GB, 0.2 * _GB  # free disk: to be said; no run fits
REINSTALL = "pip install -e ."
# Uploads that were malicious: https://github.com/advisories/GHSA-w37p-236h-pfx3
MALICIOUS = {"lightning": ("2.6.2", "2.6.3"), "pytorch-lightning": ("2.6.2", "2.6.3")}
# Their presence alone ends every Hydra app: written for a Hydra that is gone.
BREAKING = {"hydra-ax-sweeper": "1.2.0", "hydra-rq-launcher": "1.2.0"}


def diagnose(facts: Facts) -> list[Finding]:
    """All findings, in the order in which things have to be put right."""
    return [finding for check in CHECKS for finding in check(facts)]


def check_python(facts: Facts) -> list[Finding]:
    """The version, within setup.cfg's range."""
    if _within(facts.wants.python, facts.python) is False:
        advice = "make the environment anew with another Python: python3.12 -m venv .venv"
        found = f"{facts.python}, wanted {facts.wants.python}"
        return [Finding(PROBLEM, "python", found, advice)]
    return [Finding(OK, "python", facts.python)]


def check_packages(facts: Facts) -> list[Finding]:
    """Every requirement of setup.cfg, and versions that must not be there."""
    findings, missing = [], []
    for requirement in ("dlcourse", *facts.wants.packages):
        name = package_name(requirement)
        there, wanted = facts.versions.get(name), requirement.removeprefix(name)
        if there is None:
            missing.append(name)
        elif _within(wanted, there) is False:
            found = f"{there}, wanted {wanted}"
            findings.append(Finding(PROBLEM, name, found, f"pip install '{requirement}'"))
    if missing:
        found = f"not installed: {', '.join(missing)}"
        findings.append(Finding(PROBLEM, "packages", found, REINSTALL))
    if _within("", "1") is None:
        found = "not installed: versions were not compared"
        findings.append(Finding(PROBLEM, "packaging", found, REINSTALL))
    whole = Finding(OK, "packages", f"{len(facts.wants.packages)} as in setup.cfg")
    return findings or [whole]


def check_dangers(facts: Facts) -> list[Finding]:
    """What has to go: malicious uploads, and plugins that break everything."""
    findings = []
    for name, versions in MALICIOUS.items():
        if facts.versions.get(name) in versions:
            found = f"{facts.versions[name]} is a malicious upload (GHSA-w37p-236h-pfx3)"
            advice = "delete this environment and renew the passwords and keys of this account"
            findings.append(Finding(PROBLEM, name, found, advice))
    for name, broken in BREAKING.items():
        if facts.versions.get(name) == broken:
            found = f"{broken} breaks every Hydra program of its environment"
            findings.append(Finding(PROBLEM, name, found, f"pip uninstall {name}"))
    return findings


def check_torch(facts: Facts) -> list[Finding]:
    """Whether it can be imported and computes right."""
    torch = facts.torch
    if "error" in torch:
        advice = f"{REINSTALL}; or as https://pytorch.org/get-started says for this machine"
        return [Finding(PROBLEM, "torch", str(torch["error"]), advice)]
    if not torch["right"]:
        found = f"{torch['version']} computes 2 x 2 wrong"
        return [Finding(PROBLEM, "torch", found, "pip install --force-reinstall torch")]
    if torch["vision"]:
        advice = "pip install --upgrade torch torchvision: they have to be of one release"
        return [Finding(PROBLEM, "torchvision", torch["vision"], advice)]
    return [Finding(OK, "torch", f"{torch['version']}, computes right")]


def check_threads(facts: Facts) -> list[Finding]:
    """As many threads as cores; more are slower, not faster."""
    cores = f"{facts.cores:g} {'core' if facts.cores == 1 else 'cores'}"
    threads = facts.torch.get("threads")
    wanted = max(1, int(facts.cores))
    found = f"{cores}; torch would take {threads or '?'} threads"
    if facts.omp_threads is not None:
        found += f" (OMP_NUM_THREADS={facts.omp_threads})"
    if threads is not None and threads > wanted:
        return [Finding(NOTE, "threads", found, f"export OMP_NUM_THREADS={wanted}")]
    return [Finding(OK, "threads", found)]


def check_gpu(facts: Facts) -> list[Finding]:
    """Which one is used, or why none is."""
    torch = facts.torch
    if torch.get("gpus"):
        return [Finding(OK, "gpu", ", ".join(torch["gpus"]))]
    if torch.get("mps"):
        return [Finding(OK, "gpu", "Apple's, by MPS")]
    if facts.driver is None:
        found = "none: there is no NVIDIA driver (nvidia-smi)"
        return [Finding(OK, "gpu", found, "the default experiments take minutes without one")]
    if torch.get("cuda") is None:
        advice = "install torch for CUDA: https://pytorch.org/get-started"
        return [Finding(NOTE, "gpu", f"{facts.driver}; but this torch is for CPUs alone", advice)]
    found = f"{facts.driver}; but torch, made for CUDA {torch['cuda']}, does not see it"
    advice = "a newer driver, or torch for an older CUDA; CUDA_VISIBLE_DEVICES must not be empty"
    return [Finding(NOTE, "gpu", found, advice)]


def check_places(facts: Facts) -> list[Finding]:
    """Whether runs and data can be written, and how many."""
    findings = []
    for place in facts.places:
        free = f"{place.free / _GB:.1f} GB free"
        if not place.writable:
            advice = "go to a folder of your own, or name one: data_dir=<folder>, hydra.run.dir=..."
            found = f"{place.path}: cannot be written"
            findings.append(Finding(PROBLEM, "folder", found, advice))
        elif place.free < LITTLE:
            state = PROBLEM if place.free < TOO_LITTLE else NOTE
            advice = "make room: a run takes 1 to 500 MB, ChestX-ray14 42 GB"
            findings.append(Finding(state, "folder", f"{place.path}: {free}", advice))
        else:
            findings.append(Finding(OK, "folder", f"{place.path}: can be written, {free}"))
    return findings


def check_data(facts: Facts) -> list[Finding]:
    """What there is, and what was not finished."""
    findings = []
    for folder in facts.data:
        kinds = sorted(folder.files.items(), key=lambda kind: -kind[1])
        counts = ", ".join(f"{count} {suffix}" for suffix, count in kinds[:4])
        found = f"{folder.path}: {counts or 'nothing yet'}"
        found += "" if folder.rows is None else f"; its largest CSV has {folder.rows} rows"
        if folder.unfinished:
            found += f"; not finished: {', '.join(folder.unfinished[:3])}"
            advice = "the same command again goes on with it, if it is not at work right now"
            findings.append(Finding(NOTE, "data", found, advice))
        else:
            findings.append(Finding(OK, "data", found))
    return findings


def check_wandb(facts: Facts) -> list[Finding]:
    """Mode, login and what has not been uploaded."""
    wandb = facts.wandb
    mode = wandb.mode or "offline"
    found = f"{mode}, {'logged in' if wandb.key else 'no account, and none is needed'}"
    if mode == "online" and not wandb.key:
        advice = "wandb login, or unset WANDB_MODE"
        return [Finding(PROBLEM, "wandb", "WANDB_MODE=online, but there is no key", advice)]
    if not wandb.unsynced:
        return [Finding(OK, "wandb", found)]
    found += f"; {len(wandb.unsynced)} offline runs are not uploaded"
    state = NOTE if wandb.key else OK
    return [Finding(state, "wandb", found, f"with an account: wandb sync {wandb.unsynced[0]}")]


def check_extras(facts: Facts) -> list[Finding]:
    """Which optional parts are there."""
    extras = {
        name: all(facts.versions.get(package_name(one)) for one in packages)
        for name, packages in facts.wants.extras.items()
    }
    there = ", ".join(name for name, whole in extras.items() if whole) or "none"
    missing = [name for name, whole in extras.items() if not whole]
    if not missing:
        return [Finding(OK, "extras", there)]
    advice = f"not installed: {', '.join(missing)}; pip install -e '.[{missing[0]}]'"
    return [Finding(OK, "extras", there, advice)]


def check_git(facts: Facts) -> list[Finding]:
    """What runs note as their source."""
    if not facts.revision:
        found = "no repository: runs cannot note which code they came from"
        return [Finding(NOTE, "git", found, "git clone, instead of a copied folder")]
    changes = f", {facts.changes} changed files" if facts.changes else ", nothing changed"
    return [Finding(OK, "git", facts.revision[:10] + changes)]


def _within(wanted: str, version: str) -> bool | None:
    """Whether a version is in a range; None where `packaging` is missing."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return None
    return SpecifierSet(wanted).contains(version, prereleases=True)


CHECKS: tuple[Callable[[Facts], list[Finding]], ...] = (
    check_python,
    check_dangers,
    check_packages,
    check_torch,
    check_threads,
    check_gpu,
    check_places,
    check_data,
    check_wandb,
    check_extras,
    check_git,
)
