"""From an archive of ChestX-ray14 to its images, as a stream: each appears whole or not at all.

Only regular files images/########_###.png are written, and under that name: a link, a device or a
path that leads elsewhere stops everything.
"""

import logging
import re
import struct
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from dlcourse.downloads.tar_streams import Stream, unpacked
from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.trust.terminal import one_line

log = logging.getLogger(__name__)

NAME = re.compile(r"[0-9]{8}_[0-9]{3}\.png")
FOLDER = "images"
MOST_BYTES = 64 * 1024**2  # of one image; the largest of the archive has less than 2 MB
MOST_MEMBERS = 50_000  # of one archive; the largest has 11,000 images
MOST_OF_ALL = 2**33  # bytes of one archive, unpacked; the largest has 4.2 GB
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def images_at_hand(folder: Path) -> set[str]:
    """The names of the archive's images in a folder; none where there is no folder."""
    if not folder.is_dir():
        return set()
    return {path.name for path in folder.iterdir() if NAME.fullmatch(path.name)}


def unpack_images(
    archive: Stream,
    folder: Path,
    *,
    have: set[str],
    listed: Collection[str] | None = None,
    most: int | None = None,
) -> Iterator[str]:
    """Write the images of a .tar.gz stream that are not at hand, in its order; yields each name.

    Args:
        have: Names at hand; grows by every image that is written.
        listed: The names of the index. When they are given, an image has to be one of them and
            every byte of it is checked: for an archive that cannot be verified as a whole.
        most: Stop reading as soon as this many are at hand.

    Raises:
        InputError: It is damaged or cut short, or holds something unsafe. What was written until
            then is whole and stays.
    """
    with unpacked(archive) as tar:
        total = 0
        for count, member in enumerate(tar, start=1):
            total += member.size
            if count > MOST_MEMBERS or total > MOST_OF_ALL:
                raise InputError(f"more than {MOST_MEMBERS} files or {MOST_OF_ALL} bytes unpacked")
            name = _image_name(member)
            if name is None:
                continue
            if name not in have:
                content = tar.extractfile(member).read()
                if listed is not None:
                    _check_image(content, name, listed)
                with written_whole(folder / name) as partial:
                    partial.write_bytes(content)
                have.add(name)
            yield name
            if most is not None and len(have) >= most:
                break


def _image_name(member: tarfile.TarInfo) -> str | None:
    """The name to write a member under; None for one that is passed over."""
    path, shown = member.name.removeprefix("./"), repr(one_line(member.name))
    if not (member.isreg() or member.isdir()):
        raise InputError(f"the archive holds the link or device {shown}")
    if path.startswith("/") or ".." in path.split("/") or set("\\:") & set(path):
        raise InputError(f"the archive holds the unsafe name {shown}")
    folder, _, name = path.partition("/")
    if member.isdir():
        return None
    if folder != FOLDER or not NAME.fullmatch(name):
        log.info("%s in the archive is no image: passed over", shown)
        return None
    if not 0 < member.size <= MOST_BYTES:
        raise InputError(f"{shown} in the archive has {member.size} bytes: no radiograph")
    return name


def _check_image(content: bytes, name: str, listed: Collection[str]) -> None:
    if name not in listed:
        raise InputError(f"{name} in the archive has no row in the index")
    fault = png_fault(content)
    if fault:
        raise InputError(f"{name} in the archive is {fault}")


def png_fault(content: bytes) -> str:
    """What is wrong with a PNG file, by its chunks' checksums up to its end; empty if nothing is.

    Source: W3C, Portable Network Graphics, section 5: length, kind, data, checksum of the latter.
    """
    if not content.startswith(SIGNATURE):
        return "not a PNG file"
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content.ljust(start + 8, b"\0"), start)
        end = start + 8 + length
        if end + 4 > len(content):
            return f"cut short after {len(content)} bytes"
        if content[end : end + 4] != struct.pack(">I", zlib.crc32(content[start + 4 : end])):
            return f"damaged, {start} bytes into the file"
        start = end + 4
    return ""
