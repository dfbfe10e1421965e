"""Nobody is tested on what he was trained on: within a run, and from one run to another."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcourse.devices import fit
from dlcourse.errors import InputError
from dlcourse.ledgers import read_ledger
from dlcourse.music.corpus import Entry, split_corpus
from dlcourse.splits import SPLITS, TEST, TRAIN, VAL, Split
from dlcourse.training import build, make
from dlcourse.training_list import (
    TrainingList,
    check_same_data,
    check_unseen,
    list_of_checkpoint,
    list_to_begin_with,
    training_list,
)
from dlcourse.xray.radiographs import split_by_patient
from dlcourse.xray.studies import Study
from tests.composing import QUICK_XRAY, composed, saved
from tests.reliability import Trials

Rows = dict[str, dict[str, str]]
SMALL = [*QUICK_XRAY, "data.source.patients=12"]


class Given(Split):
    """Whatever somebody lists."""

    def __init__(self, splits: list[str]) -> None:
        self.splits = splits

    def assign(self, groups, names) -> list[str]:
        return self.splits


def stopped(call: Callable[[], object]) -> bool:
    """Whether a call ends in the one line that tells of a leak."""
    try:
        call()
    except InputError as error:
        message = str(error)
    else:
        return False
    assert message.startswith("leak: ")
    assert "\n" not in message
    return True


def planted(rng: np.random.Generator) -> tuple[list[tuple[int, ...]], list[str]]:
    """Keys of three kinds for twelve items, few of them shared, and a split of every item."""
    keys = rng.integers(0, 40, (12, 3))
    return [tuple(row) for row in keys.tolist()], rng.choice(SPLITS, 12).tolist()


def straddles(keys: list[tuple[int, ...]], splits: list[str]) -> bool:
    """Whether two items that share a key, themselves or through others, are in two splits."""
    together = [{i} for i in range(len(keys))]
    for i, a in enumerate(keys):
        for j, b in enumerate(keys[:i]):
            if any(x == y for x, y in zip(a, b, strict=True)) and together[i] is not together[j]:
                merged = together[i] | together[j]
                for item in merged:
                    together[item] = merged
    return any(len({splits[item] for item in group}) > 1 for group in together)


def test_a_list_that_tears_apart_a_song_a_content_or_a_patient_is_refused(trials: Trials) -> None:
    count = trials("splits with a song, content or patient in two parts", usual=600, nightly=20_000)
    refused = 0
    for seed in range(count):
        keys, splits = planted(np.random.default_rng(seed))
        entries = [
            Entry(
                f"{i}.mid", f"{title}",
                identity=(("title", title), ("content", content), ("melody", melody)),
            )
            for i, (title, content, melody) in enumerate(keys)
        ]  # fmt: skip
        expected = straddles(keys, splits)
        assert stopped(lambda e=entries, s=splits: split_corpus(e, Given(s))) == expected
        studies = [Study(f"{i}.png", None, str(key[0])) for i, key in enumerate(keys)]
        contents = [key[1] for key in keys]
        torn = stopped(lambda a=studies, b=contents, s=splits: split_by_patient(a, b, Given(s)))
        assert torn == straddles([key[:2] for key in keys], splits)
        refused += expected
    assert 0.2 < refused / count < 0.99


def ledger(rng: np.random.Generator, items: range, *, archive: str = "") -> Rows:
    """Images of an archive, two of each patient, whose numbers are those of every archive."""
    split = {patient: str(rng.choice(SPLITS)) for patient in range(20)}
    return {
        f"{item}.png": {
            "file": f"{item}.png", "kept": "yes", "patient": str(item // 2),
            "split": split[item // 2], "sha1": f"{archive}{item}",
        }
        for item in items
    }  # fmt: skip


def trained_and_held(then: Rows, now: Rows) -> set[str]:
    """By the words: held out now, and of a patient, or of an image, that was trained on then."""
    trained = [row for row in then.values() if row["split"] == TRAIN]
    contents, patients = ({row[key] for row in trained} for key in ("sha1", "patient"))
    own = {row["patient"] for row in now.values() if row["split"] == TRAIN}
    return {
        file
        for file, row in now.items()
        if row["split"] in (VAL, TEST)
        and (row["sha1"] in contents or row["patient"] in patients - own)
    }


def test_weights_are_not_held_to_what_they_were_trained_on(trials: Trials) -> None:
    count = trials("weights against other splits of their data", usual=300, nightly=10_000)
    clean = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        first = int(rng.integers(0, 12))
        then, now = ledger(rng, range(8)), ledger(rng, range(first, first + 8))
        leaked = trained_and_held(then, now) if first < 8 else set()
        seen = training_list(then)
        call = lambda s=seen, n=now: check_unseen(s, n, source="a run")  # noqa: E731
        assert stopped(call) == bool(leaked)
        clean += not leaked
        # Another archive, whose patients have the same numbers.
        check_unseen(seen, ledger(rng, range(8), archive="other"), source="a run")
    assert 0.2 < clean / count < 0.9


def test_the_message_names_how_many_the_first_and_what_to_do() -> None:
    rows = ledger(np.random.default_rng(0), range(40))
    then = {file: row | {"split": TRAIN} for file, row in rows.items()}
    now = {file: row | {"split": TEST} for file, row in rows.items()}
    with pytest.raises(InputError) as caught:
        check_unseen(training_list(then), now, splits=[TEST], source="net.weights=runs/a")
    assert str(caught.value).startswith(
        "leak: net.weights=runs/a was trained on 40 of the 40 items of test, or on the same song "
        "or patient: 0.png, 1.png, 2.png, ...; take its run's split"
    )


def test_what_a_benchmark_has_in_two_of_its_own_splits_is_its_own_matter() -> None:
    rows = ledger(np.random.default_rng(0), range(6))
    rows["0.png"] |= {"split": TRAIN, "sha1": "twice", "patient": "a"}
    rows["5.png"] |= {"split": TEST, "sha1": "twice", "patient": "b"}
    check_unseen(training_list(rows), rows, source="the run itself")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five steps with its list in its checkpoints and no ledger beside."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    config = saved(composed(folder, *SMALL, "steps=5", quick=False))
    data, task = build(config)
    data.write_ledger(folder)
    task.trained_on = list_to_begin_with(None, read_ledger(folder / data.ledger))
    fit(make(config.trainer), task, data)
    (folder / data.ledger).rename(folder.parent / "studies.csv")
    return folder


def rows_of(folder: Path, *options: str) -> Rows:
    """The ledger of the same images under other options."""
    config = composed(folder, *SMALL, *options, quick=False)
    data, _ = build(config)
    data.write_ledger(folder)
    return read_ledger(folder / data.ledger)


def test_a_checkpoint_that_was_carried_away_knows_what_it_was_trained_on(
    trained: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "found.ckpt"
    copy.write_bytes((trained / "checkpoints" / "best.ckpt").read_bytes())
    seen, rows = list_of_checkpoint(copy), read_ledger(trained.parent / "studies.csv")
    assert torch.equal(seen.items, training_list(rows).items)
    assert len(seen.items) == sum(row["split"] == TRAIN for row in rows.values())
    again = list_to_begin_with(str(copy), rows)
    assert torch.equal(again.items, seen.items.unique(dim=0))


def test_weights_of_another_split_are_refused_and_so_is_what_began_with_them(
    trained: Path, tmp_path: Path
) -> None:
    other = rows_of(trained.parent / "other", "split.split_seed=1")
    with pytest.raises(InputError, match=r"leak: net\.weights=.*first was trained on \d+ of"):
        list_to_begin_with(str(trained), other)
    # By way of a run on other data, which shares nothing with either.
    foreign = ledger(np.random.default_rng(0), range(6), archive="other")
    second = list_to_begin_with(str(trained), foreign)
    assert len(second.items) > len(training_list(foreign).items)
    with pytest.raises(InputError, match="leak"):
        check_unseen(second, other, source="the second run")


def test_phantoms_may_teach_what_is_then_held_to_others(trained: Path) -> None:
    """Patients of both have the numbers 1, 2, 3."""
    others = rows_of(trained.parent / "others", "data.source.seed=1")
    now = read_ledger(trained.parent / "studies.csv")
    assert {r["patient"] for r in others.values()} == {r["patient"] for r in now.values()}
    assert len(list_to_begin_with(str(trained), others).items)


def test_of_a_run_of_before_the_ledger_tells_and_of_bare_weights_nobody_knows(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "old" / "checkpoints" / "best.ckpt"
    old.parent.mkdir(parents=True)
    content = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    del content["trained_on"]
    torch.save(content, old)
    rows = read_ledger(trained.parent / "studies.csv")
    assert torch.equal(list_to_begin_with(str(old), rows).items, training_list(rows).items)
    assert "nobody knows what these were trained on" in caplog.text
    old.parents[1].joinpath("studies.csv").write_bytes(
        (trained.parent / "studies.csv").read_bytes()
    )
    assert torch.equal(list_of_checkpoint(old).items, training_list(rows).items)
    swapped = {TRAIN: TEST, TEST: TRAIN, VAL: VAL}
    turned = {file: row | {"split": swapped[row["split"]]} for file, row in rows.items()}
    with pytest.raises(InputError, match="leak"):
        list_to_begin_with(str(old), turned)


def test_a_list_of_86000_images_is_small_in_a_checkpoint(tmp_path: Path) -> None:
    rows = {
        str(i): {"file": str(i), "split": TRAIN, "sha1": f"{i:040x}", "patient": str(i // 3)}
        for i in range(86_000)
    }
    content = {"trained_on": training_list(rows).items, "state_dict": {}}
    torch.save(content, tmp_path / "one.ckpt")
    assert (tmp_path / "one.ckpt").stat().st_size < 1_500_000
    assert isinstance(list_of_checkpoint(tmp_path / "one.ckpt"), TrainingList)


class LedgerOf:
    """Data that have these rows."""

    ledger = "studies.csv"

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def write_ledger(self, folder: Path) -> None:
        lines = [",".join(next(iter(self.rows.values())))]
        lines += [",".join(row.values()) for row in self.rows.values()]
        (folder / self.ledger).write_text("\n".join(lines) + "\n")


def test_a_run_goes_on_with_the_data_that_it_was_begun_with_and_no_others(
    tmp_path: Path, trials: Trials
) -> None:
    count = trials("runs to be resumed whose data have changed", usual=40, nightly=2_000)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        rows = ledger(rng, range(8))
        LedgerOf(rows).write_ledger(tmp_path)
        check_same_data(LedgerOf(dict(reversed(rows.items()))), tmp_path)
        file = str(rng.choice([*rows]))
        column = str(rng.choice(["file", "kept", "patient", "split", "sha1"]))
        value = {"kept": "no", "split": VAL if rows[file]["split"] != VAL else TRAIN}
        changed = rows | {file: rows[file] | {column: value.get(column, "other")}}
        with pytest.raises(InputError, match="its data have changed since it was begun: ") as told:
            check_same_data(LedgerOf(changed), tmp_path)
        assert file in str(told.value)
        assert "\n" not in str(told.value)
    check_same_data(LedgerOf(rows), tmp_path / "stopped before its ledger")


@pytest.mark.parametrize("items", ["a list", torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)])
def test_a_list_that_somebody_tampered_with_is_none(tmp_path: Path, items: object) -> None:
    torch.save({"trained_on": items, "state_dict": {}}, tmp_path / "one.ckpt")
    assert list_of_checkpoint(tmp_path / "one.ckpt") is None
    (tmp_path / "two.ckpt").write_bytes(b"nothing")
    assert list_of_checkpoint(tmp_path / "two.ckpt") is None
