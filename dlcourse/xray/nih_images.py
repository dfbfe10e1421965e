"""The images of ChestX-ray14, archive by archive: fetched, verified, unpacked, never twice."""

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.downloads.answers import opened
from dlcourse.downloads.remote_files import (
    CHUNK,
    RemoteFile,
    check_room,
    fetch_file,
    in_words,
    part_of,
)
from dlcourse.downloads.tar_streams import Stream
from dlcourse.errors import InputError
from dlcourse.files import write_text
from dlcourse.progress import progress_bar
from dlcourse.xray.unpacking import FOLDER, images_at_hand, unpack_images

log = logging.getLogger(__name__)

BOX = "https://nihcc.box.com/shared/static"
IMAGE_BYTES = 430_000  # of an archive for each image, about


@dataclass(frozen=True)
class ImageArchive:
    """One of the archives: its number, Box's name for it, size in bytes and MD5."""

    number: int
    box_id: str
    size: int
    md5: str

    @property
    def name(self) -> str:
        """As the NIH names it."""
        return f"images_{self.number:03}.tar.gz"


class ImageFolder:
    """The folder that is to be filled, see `nih`.

    Args:
        base_url: A mirror that has the archives by their names; Box when None.
        most: Nothing more is read when this many images are at hand; None for all of them.
        keep: Leave whole archives beside their images.
    """

    def __init__(self, folder: Path, *, base_url: str | None, most: int | None, keep: bool) -> None:
        self.folder, self.base_url, self.most, self.keep = folder, base_url, most, keep
        self.archives, self.images = folder / "archives", folder / FOLDER
        self.have = images_at_hand(self.images)

    @property
    def enough(self) -> bool:
        """Whether as many images are at hand as were asked for."""
        return self.most is not None and len(self.have) >= self.most

    def has_all_of(self, one: ImageArchive) -> bool:
        """Whether an archive was verified and unpacked, and its images are still here."""
        file = self._names_file(one)
        return file.is_file() and self.have.issuperset(file.read_text(encoding="utf-8").split())

    def check_room(self, todo: Sequence[ImageArchive]) -> None:
        """Say how much is to come from these archives.

        Raises:
            InputError: The disk has no room for it.
        """
        sizes = [one.size for one in todo]
        if self.most is None:
            places = [self.archives / one.name for one in todo]
            parts = [part_of(place) for place in places]
            to_come = sum(sizes) - sum(p.stat().st_size for p in places + parts if p.is_file())
            # PNG files cannot be packed further: an archive is as large as its images.
            need = to_come + (sum(sizes) if self.keep else max(sizes))
        else:
            need = to_come = min(sum(sizes), IMAGE_BYTES * (self.most - len(self.have)))
        log.info("about %s to come, into %s", in_words(to_come), self.folder)
        check_room(self.folder, need)

    def take(self, one: ImageArchive, *, listed: Collection[str]) -> None:
        """Get the images of an archive, or of its beginning where that is enough.

        Args:
            listed: The names of the index.

        Raises:
            InputError: It cannot be had, or is not what it has to be.
        """
        file, place = self._remote(one), self.archives / one.name
        if self.most is not None and not place.exists():
            self._take_beginning(one, file, listed)
            return
        fetch_file(file, place)
        try:
            with open(place, "rb") as content:
                names = self._unpack(one, content)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if self.enough:
            return  # so that the rest of the archive was not looked at
        self._note(one, names)
        if not self.keep:
            place.unlink()

    def _take_beginning(self, one: ImageArchive, file: RemoteFile, listed: Collection[str]) -> None:
        """Unpack what comes in, as far as needed; an archive that came to its end is verified."""
        log.info("%s: a beginning has no MD5 to compare; each image is checked instead", one.name)
        before, md5 = set(self.have), hashlib.md5(usedforsecurity=False)
        try:
            with opened(file.url, lambda got, total: None) as body:
                if body.total not in (None, one.size):
                    raise InputError(
                        f"wrong size: {body.total} bytes are offered, expected {one.size}"
                    )
                stream = _Passing(body, md5.update)
                names = self._unpack(one, stream, listed=listed)
                if self.enough:
                    return  # which closes the connection
                while stream.read(CHUNK):
                    pass  # what comes after the end of the tar belongs to the MD5
            if md5.hexdigest() != one.md5:
                self._take_back(self.have - before)
                raise InputError(
                    f"wrong content: md5 {md5.hexdigest()}, expected {one.md5}; its images are "
                    f"removed"
                )
        except InputError as error:
            reason = " ".join(str(error).split())  # urllib has reasons of several lines
            raise InputError(f"{one.name}: {reason} ({file.url}); {file.advice}") from error
        self._note(one, names)

    def _unpack(
        self, one: ImageArchive, stream: Stream, *, listed: Collection[str] | None = None
    ) -> list[str]:
        images = unpack_images(stream, self.images, have=self.have, listed=listed, most=self.most)
        return list(progress_bar(images, f"images of {one.name}", total=self.most))

    def _take_back(self, names: set[str]) -> None:
        for name in names:
            (self.images / name).unlink(missing_ok=True)
        self.have -= names

    def _names_file(self, one: ImageArchive) -> Path:
        return self.archives / f"images_{one.number:03}.txt"

    def _note(self, one: ImageArchive, names: Sequence[str]) -> None:
        """Write down what a verified archive holds, so that it is not fetched again."""
        write_text(self._names_file(one), "\n".join(names) + "\n")

    def _remote(self, one: ImageArchive) -> RemoteFile:
        url = f"{BOX}/{one.box_id}.gz"
        if self.base_url is not None:
            url = f"{self.base_url.rstrip('/')}/{one.name}"
        advice = (
            f"give the same command again to go on, put {one.name} into {self.archives} with a "
            f"browser, or name a copy of your own: data.root=<folder>"
        )
        return RemoteFile(url=url, md5=one.md5, size=one.size, advice=advice)


class _Passing:
    """A stream that shows somebody else what is read from it."""

    def __init__(self, stream: Stream, see: Callable[[bytes], Any]) -> None:
        self._stream, self._see = stream, see

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self._see(data)
        return data
