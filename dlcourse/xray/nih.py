"""ChestX-ray14 from its twelve archives: all of it, or the first images of the first archive.

    images/                    the radiographs
    archives/<name>.tar.gz     an archive, until its images are unpacked; one that was put there by
                               hand, with a browser, is taken as it is
    archives/<name>.txt        the images of an archive that was verified and unpacked
    Data_Entry_2017_v2020.csv  and the other index files, see `archive`

Whole archives are verified by size and MD5. The beginning of one cannot be; its images are checked
one by one. Whatever is interrupted goes on with the next call. The images of an archive come in its
own order, so that the same number of them is the same images everywhere.

Source: Wang et al., ChestX-ray8, CVPR 2017; https://nihcc.app.box.com/v/ChestXray-NIHCC, with its
own list of addresses and checksums; the index files from a mirror at Hugging Face.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcourse.downloads.answers import reason_of
from dlcourse.downloads.remote_files import RemoteFile, fetch_file
from dlcourse.errors import InputError
from dlcourse.xray import official
from dlcourse.xray.archive import BOX_FILE, INDEX_FILES
from dlcourse.xray.nih_images import ImageArchive, ImageFolder

log = logging.getLogger(__name__)

INDEX_URL = "https://huggingface.co/datasets/alkzar90/NIH-Chest-X-ray-dataset/resolve/main/data"
TERMS = (
    "ChestX-ray14 of the NIH Clinical Center: its use is unrestricted; give a link to "
    "https://nihcc.app.box.com/v/ChestXray-NIHCC, acknowledge the NIH Clinical Center as the "
    "provider, and cite Wang et al., ChestX-ray8, CVPR 2017"
)
ARCHIVES = tuple(
    ImageArchive(number, *row)
    for number, row in enumerate(
        (
            ("vfk49d74nhbxq3nqjg0900w5nvkorp5c", 2008470987, "fe8ed0a6961412fddcbb3603c11b3698"),
            ("i28rlmbvmfjbl8p2n3ril0pptcmcu9d1", 3952623504, "ab07a2d7cbe6f65ddd97b4ed7bde10bf"),
            ("f1t00wrtdk94satdfb9olcolqx20z2jp", 3929234850, "2301d03bde4c246388bad3876965d574"),
            ("0aowwzs5lhjrceb3qp67ahp0rd1l1etg", 3838903983, "9f1b7f5aae01b13f4bc8e2c44a4b8ef6"),
            ("v5e3goj22zr6h8tzualxfsqlqaygfbsn", 3935496531, "1861f3cd0ef7734df8104f2b0309023b"),
            ("asi7ikud9jwnkrnkj99jnpfkjdes7l6l", 3986301172, "456b53a8b351afd92a35bc41444c58c8"),
            ("jn1b4mw4n6lnh74ovmcjb8y48h8xj07n", 4016328426, "1075121ea20a137b87f290d6a4a5965e"),
            ("tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j", 4018347353, "b61f34cec3aa69f295fbb593cbd9d443"),
            ("upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj", 4111327929, "442a3caa61ae9b64e61c561294d1e183"),
            ("l6nilvfa9cg3s28tqv1qc1olm3gnz54p", 4181556296, "09ec81c4c31e32858ad8cf965c494b74"),
            ("hhq8fkdgvcari67vfhs7ppg2w6ni4jze", 4187084020, "499aefc67207a5a97692424cf5dbeed5"),
            ("ioqwiy20ihqwyr8pf4c24eazhh281pbu", 2914187733, "dc9fda1757c2de0032b63347a7d2895c"),
        ),
        start=1,
    )
)
INDEX = {
    INDEX_FILES[0]: "27d223bb367648f1fd40e28dd42a0af3",
    BOX_FILE: "c288912caf65ab8b6c7aff6717d11005",
    **official.MD5,
}


@dataclass(frozen=True, kw_only=True)
class ChestXray:
    """The first images of ChestX-ray14, or all of them; see `sources.Source`.

    Args:
        max_images: How many at least; None for all 112,120, which are 42 GB.
        base_url: A mirror that has the archives by their names; the NIH's own place when None.
        index_url: The same for the index files.
    """

    max_images: int | None = 1000
    base_url: str | None = None
    index_url: str | None = None

    def folder(self, data_dir: Path) -> Path:
        """`chestxray` below the data folder; what is absent is fetched."""
        urls = {"base_url": self.base_url, "index_url": self.index_url}
        return fetch_chestxray(data_dir / "chestxray", max_images=self.max_images, **urls)


def fetch_chestxray(
    folder: str | Path,
    *,
    max_images: int | None = None,
    base_url: str | None = None,
    index_url: str | None = None,
    keep_archives: bool = False,
    archives: Sequence[ImageArchive] = ARCHIVES,
    index: Mapping[str, str] = INDEX,
) -> Path:
    """Fetch what a folder lacks of the index files and of the images.

    Args:
        max_images: As soon as this many images are at hand, nothing more is read; None for all.
        keep_archives: Leave whole archives where they are, beside their images.
        archives: In the order in which they are taken.
        index: The MD5 of the index files, by name.

    Raises:
        InputError: Something cannot be reached, is not what it has to be, or has no room.
    """
    if max_images is not None and max_images < 1:
        raise InputError(f"max_images={max_images}: at least 1, or none given for all of them")
    folder = Path(folder)
    images = ImageFolder(folder, base_url=base_url, most=max_images, keep=keep_archives)
    todo = [] if images.enough else [one for one in archives if not images.has_all_of(one)]
    try:
        if todo or not all((folder / name).is_file() for name in index):
            log.info(TERMS)
        if todo:
            images.check_room(todo)
        _fetch_index(folder, index, index_url or INDEX_URL)
        listed = _names_listed(folder / INDEX_FILES[0])
        for one in todo:
            if not images.enough:
                images.take(one, listed=listed)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({reason_of(error)})") from error
    if max_images is not None and not images.enough:
        log.warning("these archives have no more than %d images", len(images.have))
    return folder


def chosen_archives(numbers: Sequence[int]) -> tuple[ImageArchive, ...]:
    """The archives of these numbers, 1 to 12; all of them for none.

    Raises:
        InputError: There is no such archive.
    """
    known = {one.number: one for one in ARCHIVES}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        raise InputError(f"there is no archive {unknown[0]}: choose from 1 to {len(ARCHIVES)}")
    return tuple(known[number] for number in numbers) or ARCHIVES


def _fetch_index(folder: Path, index: Mapping[str, str], url: str) -> None:
    advice = (
        f"give the same command again when there is a connection, put this file into {folder} and "
        f"the archives of images into {folder / 'archives'} with a browser, or name a copy of your "
        f"own: data.root=<folder>"
    )
    for name, md5 in index.items():
        file = RemoteFile(url=f"{url.rstrip('/')}/{name}", md5=md5, advice=advice)
        fetch_file(file, folder / name)


def _names_listed(index: Path) -> set[str]:
    """The first column of the index."""
    lines = index.read_text(encoding="utf-8-sig").splitlines()
    return {line.partition(",")[0] for line in lines}
