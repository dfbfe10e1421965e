"""Archives of radiographs from strangers: nothing is written elsewhere, memory is bounded."""

import functools
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.xray import unpacking
from dlcourse.xray.unpacking import NAME, unpack_images
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated
from tests.trust.strange_pictures import encoded

IMAGE = encoded("PNG")
GOOD, OTHER = "images/00000001_000.png", "images/00000002_000.png"


def member(
    name: str = OTHER,
    content: bytes = IMAGE,
    *,
    kind: bytes = tarfile.REGTYPE,
    form: int = tarfile.GNU_FORMAT,
    claims: int | None = None,
    **fields: object,
) -> bytes:
    """A member as bytes, with its headers.

    Args:
        claims: Another size than that of the content.
    """  # fmt: skip
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content) if claims is None else claims
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(form, errors="surrogateescape") + content + bytes(-len(content) % 512)


def archive(*members: bytes) -> bytes:
    """A good image, and then these."""
    return gzip.compress(member(GOOD) + b"".join(members) + bytes(1024), 1)


@functools.cache
def zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()


def bomb(before: bytes, megabytes: int) -> bytes:
    """Zeros after a header: one gzip file goes on in the next."""
    return gzip.compress(member(GOOD) + before) + zeros(megabytes)


PAX = tarfile.PAX_FORMAT
GB = 2**30
UNSAFE: dict[str, Callable[[], bytes]] = {
    "a path that leads out": lambda: archive(member("../evil.png")),
    "a path that leads out of images": lambda: archive(member("images/../../00000002_000.png")),
    "an absolute path": lambda: archive(member("/tmp/00000002_000.png")),
    "a drive": lambda: archive(member("C:00000002_000.png")),
    "backslashes": lambda: archive(member("images\\..\\00000002_000.png")),
    "a link": lambda: archive(member(content=b"", kind=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "a link in place of the folder": lambda: archive(
        member("images", b"", kind=tarfile.SYMTYPE, linkname="/tmp"), member()
    ),
    "a hard link": lambda: archive(member(content=b"", kind=tarfile.LNKTYPE, linkname=GOOD)),
    "a hard link that leads out": lambda: archive(
        member(content=b"", kind=tarfile.LNKTYPE, linkname="../../etc/passwd")
    ),
    "a device": lambda: archive(member(content=b"", kind=tarfile.CHRTYPE, devmajor=1, devminor=5)),
    "a disk": lambda: archive(member(content=b"", kind=tarfile.BLKTYPE, devmajor=8, devminor=0)),
    "a pipe": lambda: archive(member(content=b"", kind=tarfile.FIFOTYPE)),
    "a path in a pax header": lambda: archive(
        member(form=PAX, pax_headers={"path": "../00000002_000.png"})
    ),
    "a link in a pax header": lambda: archive(
        member(content=b"", kind=tarfile.SYMTYPE, form=PAX, pax_headers={"linkpath": "/etc"})
    ),
    "a pax size of 1 TB": lambda: archive(member(form=PAX, pax_headers={"size": str(2**40)})),
    "a pax size below 0": lambda: archive(member(form=PAX, pax_headers={"size": "-512"})),
    "a pax header of 1 GB": lambda: bomb(member("pax", b"", kind=tarfile.XHDTYPE, claims=GB), 200),
    "pax defaults of 1 GB": lambda: bomb(member("pax", b"", kind=tarfile.XGLTYPE, claims=GB), 200),
    "a name of 1 GB": lambda: bomb(
        member("././@LongLink", b"", kind=tarfile.GNUTYPE_LONGNAME, claims=GB), 320
    ),
    "a link's name of 1 GB": lambda: bomb(
        member("././@LongLink", b"", kind=tarfile.GNUTYPE_LONGLINK, claims=GB), 320
    ),
    "an image of 1 GB": lambda: bomb(member(content=b"", claims=GB), 8),
    "a sparse image of 1 TB": lambda: archive(
        member(form=PAX, pax_headers={
            "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,8",
            "GNU.sparse.size": str(2**40),
        })
    ),
    "a sparse image of endless parts": lambda: archive(
        member(content=b"999999999\n" + b"1\n" * 2**20, form=PAX,
               pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    ),
    "9 GB of other files": lambda: archive(*[member("readme", b"", claims=9 * GB)]),
    "an image of 0 bytes": lambda: archive(member(content=b"")),
    "a cut": lambda: archive(member(content=bytes(9999)))[:-40],
    "no gzip": lambda: member(GOOD),
    "a gzip of nothing": lambda: gzip.compress(b""),
    "a wrong checksum": lambda: archive(member())[:-8] + bytes(8),
}  # fmt: skip


def everything(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]


def unpack(content: bytes, folder: Path) -> None:
    for _ in unpack_images(io.BytesIO(content), folder / "images", have=set()):
        pass


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_unsafe_archive_is_refused_and_writes_nowhere_else(
    tmp_path: Path, kind: str, trials: Trials
) -> None:
    trials("archives with links, devices, ways out, bombs", usual=1, nightly=1)
    folder = tmp_path / "a/b"
    message = refused(unpack, UNSAFE[kind](), folder, megabytes=150, seconds=10)
    assert message is not None
    assert message.isprintable()
    assert len(message) < 400
    assert {*everything(tmp_path)} <= {folder / GOOD, folder / OTHER}
    assert all(path.read_bytes() == IMAGE for path in everything(tmp_path))


def test_endless_small_files_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 100)
    small = member("readme", b"")
    unpack(archive(*[small] * 99), tmp_path)
    with pytest.raises(InputError, match="more than 100 files"):
        unpack(archive(*[small] * 100), tmp_path)


def test_names_of_passed_over_files_do_not_flood_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    unpack(archive(member("x" * 500_000), member("a\nb\x1b[2J")), tmp_path)
    assert len(caplog.messages) == 2
    assert all(line.isprintable() and len(line) < 300 for line in caplog.messages)


def whole_images(names: Iterator[bytes], folder: Path) -> None:
    for place, content in enumerate(names):
        own, message = folder / f"{place}", ""
        try:
            unpack(content, own)
        except InputError as error:
            message = str(error)
        assert message.isprintable(), repr(message)
        found = everything(own) if own.exists() else []
        assert all(NAME.fullmatch(path.name) and path.parent == own / "images" for path in found)


def test_mutated_archives_write_images_or_nothing(tmp_path: Path, trials: Trials) -> None:
    plain = member(GOOD) + member(form=PAX, pax_headers={"path": OTHER, "mtime": "1.5"})
    plain += member("images/" + "0" * 200) + bytes(1024)
    count = trials("mutated archives of radiographs", usual=200, nightly=4000)
    rng, contents = np.random.default_rng(0), []
    for i in range(count):
        # Every other one within the gzip stream, whose checksum then is right.
        inner = gzip.compress(mutated(plain, rng), 1)
        contents.append(inner if i % 2 else mutated(gzip.compress(plain, 1), rng))
    call = functools.partial(whole_images, contents)
    assert refused(call, tmp_path, megabytes=300, seconds=120) is None
