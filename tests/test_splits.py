"""Splits are by group, whole, repeatable, and the same whatever the order of the items."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.splits import (
    SPLITS,
    FileLists,
    Folders,
    Folds,
    Fractions,
    Listed,
    Split,
    check_no_leak,
    connected_groups,
    named_groups,
)

GROUPS = [f"song {i // 3}" for i in range(60)]  # twenty groups of three
NAMES = [f"file {i}" for i in range(60)]


def by_name(split: Split, groups: list[str] = GROUPS, names: list[str] = NAMES) -> dict[str, str]:
    return dict(zip(names, split.assign(groups, names), strict=True))


def straddling(groups: list[str], splits: list[str]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        seen.setdefault(group, set()).add(split)
    return [group for group, found in seen.items() if len(found) > 1]


@given(
    groups=st.lists(st.integers(0, 30), min_size=3, max_size=80),
    val=st.floats(0.01, 0.98),
    test=st.floats(0.01, 0.98),
    seed=st.integers(0, 5),
)
def test_fractions_keep_groups_whole_and_leave_no_split_empty(
    groups: list[int], val: float, test: float, seed: int
) -> None:
    names = [str(group) for group in groups]
    split = Fractions(val=val, test=test, split_seed=seed)
    if val + test >= 1 or len(set(groups)) < 3:
        with pytest.raises(InputError):
            split.assign(names, names)
        return
    splits = split.assign(names, names)
    assert not straddling(names, splits)
    assert set(splits) == set(SPLITS)
    sizes = Counter(dict(zip(names, splits, strict=True)).values())
    assert abs(sizes["test"] - test * len(set(groups))) <= 2
    assert abs(sizes["val"] - val * len(set(groups))) <= 2


@given(
    num=st.integers(2, 40),
    folds=st.integers(2, 8),
    val=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
)
@example(num=3, folds=2, val=0.1, seed=0)
@example(num=5, folds=5, val=0.99, seed=0)
def test_over_all_folds_every_group_is_tested_exactly_once(
    num: int, folds: int, val: float, seed: int
) -> None:
    groups = [f"g{i % num}" for i in range(2 * num)]
    if num < max(folds, 4 if folds == 2 else 3):
        with pytest.raises(InputError, match="groups to split, at least"):
            Folds(folds=folds).assign(groups, groups)
        return
    tested: Counter[str] = Counter()
    for fold in range(folds):
        splits = Folds(fold=fold, folds=folds, val=val, split_seed=seed).assign(groups, groups)
        assert not straddling(groups, splits)
        assert set(splits) == set(SPLITS)
        tested.update({g for g, split in zip(groups, splits, strict=True) if split == "test"})
    assert tested == Counter(set(groups))


@pytest.mark.parametrize("split", [Fractions(), Folds(fold=1)])
def test_the_order_of_the_items_changes_nothing(split: Split) -> None:
    order = np.random.default_rng(0).permutation(60)
    shuffled = by_name(split, [GROUPS[i] for i in order], [NAMES[i] for i in order])
    assert shuffled == by_name(split)


def test_split_seed_0_is_a_seed_and_another_than_1() -> None:
    for kind in (Fractions, Folds):
        assert by_name(kind(split_seed=0)) == by_name(kind(split_seed=0)) == by_name(kind())
        assert by_name(kind(split_seed=0)) != by_name(kind(split_seed=1))


def test_global_seeds_do_not_reach_the_split() -> None:
    np.random.seed(1)  # noqa: NPY002
    first = by_name(Fractions())
    np.random.seed(2)  # noqa: NPY002
    assert by_name(Fractions()) == first


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Fractions(val=0.5, test=0.5), "together below 1"),
        (Fractions(val=0), "above 0"),
        (Folds(fold=5), "choose 0 to 4"),
        (Folds(fold=-1), "choose 0 to 4"),
        (Folds(folds=1), "at least 2"),
        (Folds(folds=21), "20 groups to split, at least 21"),
    ],
)
def test_impossible_splits_are_errors(split: Split, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split.assign(GROUPS, NAMES)


def test_a_listed_split_is_followed_and_a_bom_does_not_matter(tmp_path: Path) -> None:
    wanted = by_name(Folds(fold=2))
    lines = "".join(f"{name},{split},x\n" for name, split in wanted.items())
    for encoding in ("utf-8", "utf-8-sig"):
        path = tmp_path / "corpus.csv"
        path.write_text(f"file,split,more\n{lines}dropped,,x\n", encoding=encoding)
        assert by_name(Listed(file=str(path))) == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a list of splits"),
        (b"", "'file 0' has split None"),
        (b"name,split\na,b\n", "not a list of splits"),
        (b"file,split\nfile 0,\xff\n", "not a list of splits"),
        (b"file,split\nfile 0,train\nfile 1,training\n", "'file 1' has split 'training', 59"),
    ],
)
def test_a_bad_list_is_an_error_that_names_it(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "splits.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        Listed(file=str(path)).assign(GROUPS, NAMES)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "split"),
    {
        "train/a.png": "train",
        "Training/x/a.png": "train",
        "corpus/val/1/a.png": "val",
        "valid/a.png": "val",
        "VALIDATION/a.png": "val",
        "a/b/test/a.png": "test",
        "testing/test/a.png": "test",
        "trainer/test/train.png": "test",
    }.items(),
)
def test_folders_name_the_split_of_their_files(name: str, split: str) -> None:
    assert Folders().assign(["g"], [name]) == [split]


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "train.png": "train.png: none of its folders name a split; one of train, training, val",
        "data/a.png": "a.png: none of its",
        "train/test/a.png": "a.png: several of its folders",
    }.items(),
)
def test_a_file_in_no_such_folder_is_an_error(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Folders().assign(["g", "g"], ["train/b.png", name])


def write_lists(folder: Path, **names: list[str]) -> FileLists:
    for split in SPLITS:
        (folder / f"{split}.txt").write_text("\n".join([*names.get(split, []), "", " "]))
    return FileLists(**{split: str(folder / f"{split}.txt") for split in SPLITS})


def test_file_lists_are_followed_with_folders_or_without(tmp_path: Path) -> None:
    wanted = by_name(Folds(fold=2))
    own = {split: [n for n, s in wanted.items() if s == split] for split in SPLITS}
    split = write_lists(tmp_path, **own)
    assert by_name(split) == wanted
    assert split.assign(GROUPS, [f"a/b/{name}" for name in NAMES]) == [*wanted.values()]
    split = write_lists(tmp_path, train=["a/x"], val=["b/x"], test=["y"])
    assert split.assign(["", "", ""], ["b/x", "a/x", "a/y"]) == ["val", "train", "test"]


def test_a_file_of_no_list_or_of_two_is_an_error(tmp_path: Path) -> None:
    split = write_lists(tmp_path, train=["x", "y"], test=["y", "z"])
    with pytest.raises(InputError, match="a/w: stands in none of the lists"):
        split.assign(["", ""], ["x", "a/w"])
    with pytest.raises(InputError, match="y: stands in the lists of train and test"):
        split.assign(["", ""], ["x", "y"])
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"val\.txt: not a readable list of file names"):
        split.assign([""], ["x"])


@pytest.mark.trust
def test_a_leak_names_the_pair_and_what_they_share() -> None:
    check_no_leak(["a", "b", "a"], ["train", "val", "train"], ["1", "2", "3"], what="the song")
    with pytest.raises(InputError, match=r"'1' \(train\) and '3' \(val\) share the song 'a'"):
        check_no_leak(["a", "b", "a"], ["train", "val", "val"], ["1", "2", "3"], what="the song")


@pytest.mark.parametrize(
    ("groups", "ending"),
    [
        ("a", "into one split"),
        ("ab", "; 2 are in several: 'a', 'b'"),
        ("abcde", "; 5 are in several: 'a', 'b', 'c', 'd', 'e'"),
        ("gfedcba", "; 7 are in several: 'g', 'f', 'e', 'd', 'c', ..."),
    ],
)
def test_several_leaks_are_counted_and_five_are_named(groups: str, ending: str) -> None:
    names = [str(i) for i in range(2 * len(groups) + 2)]
    splits = ["train"] * len(groups) + ["test"] * len(groups) + ["val"] * 2
    with pytest.raises(InputError) as caught:
        check_no_leak([*groups, *groups, groups[0], "alone"], splits, names, what="the song")
    assert str(caught.value).endswith(ending)


def test_published_folders_that_share_patients_are_refused() -> None:
    """1,000 radiographs in their author's folders; a name begins with its patient."""
    root = Path(__file__).resolve().parents[2] / "shared/data/nih1000_64"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    if not names:
        pytest.skip("no nih1000_64 beside the repository")
    patients = [Path(name).name.split("_")[0] for name in names]
    splits = Folders().assign(patients, names)
    shared = sorted(straddling(patients, splits))
    assert set(splits) == set(SPLITS)
    assert shared
    with pytest.raises(InputError, match=f"{len(shared)} are in several: '") as caught:
        check_no_leak(patients, splits, names, what="the patient")
    named = str(caught.value).split("several: ")[1].removesuffix(", ...").split(", ")
    assert len(named) == min(5, len(shared))
    assert {name.strip("'") for name in named} <= set(shared)


@given(keys=st.lists(st.sets(st.integers(0, 25), max_size=4), max_size=15))
def test_connected_groups_are_the_classes_of_sharing_a_key(keys: list[set[int]]) -> None:
    """Against the transitive closure of the matrix of who shares a key with whom."""
    size = len(keys)
    linked = np.array([[bool(a & b) for b in keys] for a in keys], dtype=bool).reshape(size, size)
    linked |= np.eye(size, dtype=bool)
    for _ in range(size):
        linked |= (linked.astype(int) @ linked.astype(int)) > 0
    groups = connected_groups(keys)
    for a in range(size):
        assert [groups[a] == groups[b] for b in range(size)] == linked[a].tolist()


def test_a_group_has_the_first_of_its_names_whatever_the_order() -> None:
    keys = [("b", 1), ("a", 2), ("c", 1), ("d", 2), ("e",)]
    names = ["zoe", "bob", "ann", "cid", "dan"]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        groups = named_groups([keys[i] for i in order], [names[i] for i in order])
        wanted = {0: "ann", 1: "bob", 2: "ann", 3: "bob", 4: "dan"}
        assert groups == [wanted[i] for i in order]
