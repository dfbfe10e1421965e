"""ChestX-ray14 arrives verified, whole or its first images alone, and never twice."""

import hashlib
import io
import logging
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.xray import nih
from dlcourse.xray.nih import ARCHIVES, INDEX, ChestXray, chosen_archives, fetch_chestxray
from dlcourse.xray.nih_images import ImageArchive
from dlcourse.xray.unpacking import png_fault
from tests.serving import FileServer, serving

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared/data/chestxray"
DATA_ENTRY = "Data_Entry_2017_v2020.csv"


def radiograph(seed: int, side: int = 256) -> bytes:
    """A PNG file of noise, so that it cannot be packed further."""
    grey = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG", compress_level=1)
    return out.getvalue()


def image_name(place: int) -> str:
    # Not in the order of the alphabet, which the archives do not promise.
    return f"{(place * 7) % 40 + 1:08}_{place:03}.png"


IMAGES = {image_name(place): radiograph(place) for place in range(40)}
NAMES = list(IMAGES)
CSV = "\n".join(["Image Index,Finding Labels", *(f"{name},No Finding" for name in NAMES)]).encode()


def packed(members: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        folder = tarfile.TarInfo("images")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in members.items():
            info = tarfile.TarInfo(f"images/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


PACKED = [packed({name: IMAGES[name] for name in part}) for part in (NAMES[:30], NAMES[30:])]


class Place:
    """A server of the two archives and the index, and a folder to fetch into."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.archives = [
            ImageArchive(i, "", len(content), md5(content)) for i, content in enumerate(PACKED, 1)
        ]

    def fetch(self, **options: object) -> Path:
        urls = {"base_url": self.server.url, "index_url": f"{self.server.url}/index/"}
        own = {"archives": self.archives, "index": {DATA_ENTRY: md5(CSV)}}
        return fetch_chestxray(self.folder, **(urls | own | options))

    def refused(self, **options: object) -> str:
        with pytest.raises(InputError) as caught:
            self.fetch(**options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def replace_first(self, content: bytes) -> None:
        self.server.files["/images_001.tar.gz"] = content
        self.archives[0] = ImageArchive(1, "", len(content), md5(content))

    @property
    def images(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "images").glob("*")}

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.server.asked]


def first(count: int) -> dict[str, bytes]:
    return {name: IMAGES[name] for name in NAMES[:count]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    files = {f"/images_{i:03}.tar.gz": content for i, content in enumerate(PACKED, 1)}
    with serving(files | {f"/index/{DATA_ENTRY}": CSV}) as server:
        yield Place(server, tmp_path / "chestxray")


def test_whole_archives_become_images_and_are_not_fetched_twice(place: Place) -> None:
    assert place.fetch() == place.folder
    assert place.images == IMAGES
    assert (place.folder / DATA_ENTRY).read_bytes() == CSV
    assert not [*place.folder.rglob("*.tar.gz*"), *place.folder.rglob("*.part*")]
    place.server.forget()
    place.fetch()
    place.fetch(max_images=10)
    assert place.asked == []


def test_images_that_are_gone_are_fetched_again(place: Place) -> None:
    place.fetch()
    (place.folder / "images" / NAMES[35]).unlink()
    place.server.forget()
    place.fetch()
    assert place.asked == ["/images_002.tar.gz"]
    assert place.images == IMAGES


def test_archives_can_be_kept(place: Place) -> None:
    place.fetch(keep_archives=True)
    kept = [(place.folder / "archives" / one.name).read_bytes() for one in place.archives]
    assert kept == PACKED


def test_a_broken_download_goes_on_where_it_was(place: Place) -> None:
    place.fetch(max_images=1)  # the index is there then
    place.server.break_after = 1_000_000
    message = place.refused()
    assert f"images_001.tar.gz: interrupted: got 1000000 of {len(PACKED[0])} bytes" in message
    assert "same command again" in message
    assert place.images == first(1)
    place.server.break_after = None
    place.server.forget()
    place.fetch()
    assert place.server.asked[0] == ("/images_001.tar.gz", "bytes=1000000-")
    assert place.images == IMAGES


def test_wrong_content_is_thrown_away_and_not_unpacked(place: Place) -> None:
    place.archives[0] = ImageArchive(1, "", len(PACKED[0]), "0" * 32)
    message = place.refused()
    assert f"md5 {md5(PACKED[0])}, expected {'0' * 32}; what came was removed" in message
    assert place.images == {}
    assert not list((place.folder / "archives").iterdir())


@pytest.mark.parametrize("most", [None, 5])
def test_a_wrong_size_is_refused_before_anything_comes(place: Place, most: int | None) -> None:
    place.archives[0] = ImageArchive(1, "", 2_008_470_987, "0" * 32)
    message = place.refused(max_images=most)
    assert f"wrong size: {len(PACKED[0])} bytes are offered, expected 2008470987" in message
    assert place.images == {}


@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("most", [None, 5])
def test_a_refusing_server_is_named(place: Place, status: int, most: int | None) -> None:
    place.fetch(max_images=1)
    place.server.status = status
    message = place.refused(max_images=most)
    assert f"images_001.tar.gz: the server answers {status}" in message
    assert place.server.url in message
    assert str(place.folder / "archives") in message
    assert "data.root=<folder>" in message


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil.png", size=4),
        member("images/../../00000001_999.png", size=4),
        member("/tmp/00000001_999.png", size=4),
        member("images/..\\00000001_999.png", size=4),
        member("C:00000001_999.png", size=4),
        member("images/00000001_999.png", tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("images/00000001_999.png", tarfile.LNKTYPE, linkname="images/00000001_000.png"),
        member("images/00000001_999.png", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("images/00000001_999.png", tarfile.FIFOTYPE),
        member("images", tarfile.SYMTYPE, linkname="/tmp"),
    ],
    ids=lambda bad: f"{bad.type.decode()} {bad.name}",
)
def test_unsafe_members_stop_everything(place: Place, tmp_path: Path, bad: tarfile.TarInfo) -> None:
    place.replace_first(packed(first(2), bad, member("images/00000001_998.png", size=4)))
    for most in (40, None):
        message = place.refused(max_images=most)
        assert "unsafe name" in message or "link or device" in message
        assert place.images == first(2)
    assert not [*tmp_path.rglob("*evil*"), *tmp_path.rglob("*99?.png")]


def test_other_files_of_an_archive_are_passed_over(place: Place) -> None:
    names = ["README", "images/run.sh", "images/._00000001_000.png", "images/a/00000001_999.png"]
    place.replace_first(packed(first(2), *(member(name, size=4) for name in names)))
    place.fetch(archives=place.archives[:1])
    assert place.images == first(2)


def test_the_first_images_come_in_the_archives_order_and_no_more_is_read(place: Place) -> None:
    place.fetch(max_images=5)
    assert place.images == first(5)
    assert place.server.sent < 0.6 * len(PACKED[0])  # sockets have buffers
    assert place.asked == [f"/index/{DATA_ENTRY}", "/images_001.tar.gz"]
    place.server.forget()
    place.fetch(max_images=5)
    place.fetch(max_images=3)
    assert place.asked == []


def test_more_images_are_added_to_those_at_hand(place: Place) -> None:
    place.fetch(max_images=5)
    times = {path: path.stat().st_mtime_ns for path in (place.folder / "images").iterdir()}
    place.fetch(max_images=33)  # of both archives
    assert place.images == first(33)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    place.server.forget()
    place.fetch(max_images=34)
    assert place.asked == ["/images_002.tar.gz"]  # the first was read to its end


def test_interrupted_first_images_are_the_same_in_the_end(place: Place) -> None:
    place.fetch(max_images=1)
    place.server.break_after = 500_000
    assert "interrupted: got 500000 of" in place.refused(max_images=20)
    assert first(2).items() <= place.images.items() <= first(10).items()
    place.server.break_after = None
    place.fetch(max_images=20)
    assert place.images == first(20)


def test_more_than_there_are_is_all_of_them(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.fetch(max_images=1000)
    assert place.images == IMAGES
    assert caplog.messages[-1] == "these archives have no more than 40 images"


def test_an_archive_read_to_its_end_is_verified_after_all(place: Place) -> None:
    place.fetch(max_images=3)
    place.archives[0] = ImageArchive(1, "", len(PACKED[0]), "0" * 32)
    assert f"md5 {md5(PACKED[0])}, expected {'0' * 32}" in place.refused(max_images=1000)
    assert place.images == first(3)


def test_what_stands_after_the_end_of_the_tar_belongs_to_the_archive(place: Place) -> None:
    place.replace_first(packed(first(2)) + bytes(1_000_000))
    place.fetch(max_images=10, archives=place.archives[:1])
    assert place.images == first(2)


def broken(name: str, content: bytes) -> bytes:
    return packed({**first(2), name: content, **{n: IMAGES[n] for n in NAMES[3:9]}})


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (NAMES[2], IMAGES[NAMES[2]][:-1], "is cut short after"),
        (NAMES[2], IMAGES[NAMES[2]][:30_000], "is cut short after"),
        (NAMES[2], IMAGES[NAMES[2]][:30_000] + b"?" + IMAGES[NAMES[2]][30_001:], "is damaged"),
        (NAMES[2], b"<html>" * 100, "is not a PNG file"),
        ("00000099_000.png", IMAGES[NAMES[2]], "has no row in the index"),
    ],
)
def test_a_bad_image_of_a_beginning_is_refused(
    place: Place, name: str, content: bytes, fault: str
) -> None:
    place.replace_first(broken(name, content))
    assert f"{name} in the archive {fault}" in place.refused(max_images=5)
    assert place.images == first(2)


@pytest.mark.parametrize("most", [None, 5])
def test_an_archive_of_a_browser_is_taken(place: Place, most: int | None) -> None:
    (place.folder / "archives").mkdir(parents=True)
    for one, content in zip(place.archives, PACKED, strict=True):
        (place.folder / "archives" / one.name).write_bytes(content)
    place.fetch(max_images=most)
    assert place.asked == [f"/index/{DATA_ENTRY}"]
    assert place.images == (first(5) if most else IMAGES)
    # One of which the beginning was taken is still wanted.
    assert any((place.folder / "archives").glob("*.gz")) == (most is not None)
    place.fetch()
    assert place.images == IMAGES
    assert place.asked == [f"/index/{DATA_ENTRY}"]


def test_a_wrong_archive_of_a_browser_is_named_and_left_alone(place: Place) -> None:
    path = place.folder / "archives" / "images_001.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(PACKED[0][:-1])
    message = place.refused()
    assert f"wrong size: {len(PACKED[0]) - 1} bytes, expected {len(PACKED[0])}" in message
    assert path.read_bytes() == PACKED[0][:-1]


def test_a_full_disk_is_noticed_before_anything_is_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000_000))
    assert "are needed, 100 MB are free" in place.refused()
    assert "are needed, 100 MB are free" in place.refused(max_images=5)
    assert place.asked == []


def test_the_terms_are_told_before_a_byte_is_fetched_and_not_when_none_is(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place.server.status = 503
    place.refused(max_images=5)
    assert "acknowledge the NIH Clinical Center" in caplog.messages[0]
    assert "Wang et al., ChestX-ray8, CVPR 2017" in caplog.messages[0]
    assert f"to come, into {place.folder}" in caplog.messages[1]
    place.server.status = None
    place.fetch(max_images=5)
    assert "has no MD5 to compare" in caplog.messages[-1]
    caplog.clear()
    place.fetch(max_images=5)
    assert caplog.messages == []


def test_an_index_of_ones_own_is_named_and_left_alone(place: Place) -> None:
    place.folder.mkdir()
    (place.folder / DATA_ENTRY).write_text("mine")
    assert f"md5 {md5(b'mine')}, expected {md5(CSV)}; move it away" in place.refused(max_images=5)
    assert (place.folder / DATA_ENTRY).read_text() == "mine"
    assert place.asked == []


def test_a_wrong_index_is_not_kept(place: Place) -> None:
    place.server.files[f"/index/{DATA_ENTRY}"] = b"Image Index\n"
    assert "wrong content: md5" in place.refused()
    assert not list(place.folder.glob("Data_Entry*"))


@pytest.mark.parametrize("most", [0, -1])
def test_no_images_are_none_to_ask_for(place: Place, most: int) -> None:
    assert f"max_images={most}: at least 1" in place.refused(max_images=most)


def test_archives_are_chosen_by_number() -> None:
    assert chosen_archives([]) == ARCHIVES
    assert [one.name for one in chosen_archives([3, 12])] == [
        "images_003.tar.gz",
        "images_012.tar.gz",
    ]
    with pytest.raises(InputError, match="no archive 13: choose from 1 to 12"):
        chosen_archives([1, 13])


def test_the_source_fills_a_folder_below_the_data_folder(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fetch_chestxray.__kwdefaults__, "archives", place.archives)
    monkeypatch.setitem(fetch_chestxray.__kwdefaults__, "index", {DATA_ENTRY: md5(CSV)})
    urls = {"base_url": place.server.url, "index_url": f"{place.server.url}/index"}
    assert ChestXray(max_images=3, **urls).folder(tmp_path) == tmp_path / "chestxray"
    assert place.images == first(3)


def test_every_flipped_byte_and_every_cut_of_a_png_file_is_found() -> None:
    content = radiograph(0, side=12)
    assert png_fault(content) == ""
    for at in range(len(content)):
        assert png_fault(content[:at]), f"cut at {at}"
        flipped = bytearray(content)
        flipped[at] ^= 0x41
        assert png_fault(bytes(flipped)), f"flipped at {at}"


@pytest.mark.skipif(not REAL.is_dir(), reason="no chestxray beside the repository")
def test_the_archives_own_files_are_right() -> None:
    for name, digest in INDEX.items():
        assert md5((REAL / name).read_bytes()) == digest
    listed = nih._names_listed(REAL / DATA_ENTRY)
    assert len(listed - {"Image Index"}) == 112_120
    for path in sorted((REAL / "images").iterdir()):
        assert png_fault(path.read_bytes()) == ""
        assert path.name in listed


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts/prepare_data.py"), "chestxray", *options]


def test_without_a_network_the_script_says_what_to_do_on_one_line(tmp_path: Path) -> None:
    options = ["--max-images", "3", "--index-url", "http://127.0.0.1:9", "--folder", "x"]
    done = subprocess.run(command(*options), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"error: {DATA_ENTRY}: cannot be reached (Connection refused)")
    assert "http://127.0.0.1:9/Data_Entry" in error
    assert "x/archives with a browser" in error
    assert error.endswith("data.root=<folder>")
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_script_on_one_line_that_says_how_to_go_on(place: Place) -> None:
    place.server.break_after, place.server.hold = 100, threading.Event()
    options = ["--index-url", f"{place.server.url}/index", "--folder", str(place.folder)]
    with subprocess.Popen(
        command("--max-images", "3", *options), stderr=subprocess.PIPE, text=True
    ) as process:
        assert place.server.holding.wait(20)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    place.server.hold.set()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "stopped; the same command goes on from here"
    assert "Traceback" not in errors


@pytest.mark.skipif(not REAL.is_dir(), reason="no chestxray beside the repository")
def test_the_script_reads_the_beginning_of_the_archive_alone(place: Place) -> None:
    names = sorted(path.name for path in (REAL / "images").iterdir())[:40]
    images = dict(zip(names, IMAGES.values(), strict=True))
    place.server.files = {f"/{name}": (REAL / name).read_bytes() for name in INDEX}
    place.server.files["/images_001.tar.gz"] = packed(images)
    options = ["--base-url", place.server.url, "--index-url", place.server.url]
    options += ["--folder", str(place.folder), "--max-images", "4"]
    place.server.promised = {"/images_001.tar.gz": 2_008_470_987}
    done = subprocess.run(command(*options), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert place.images == {name: images[name] for name in names[:4]}
    assert done.stdout == f"done: data=chestxray data.root={place.folder} uses it\n"
