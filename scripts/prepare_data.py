"""Fetch real data once; what is interrupted goes on when the same command is given again.

python scripts/prepare_data.py chestxray --max-images 1000    the first images, about 430 MB
python scripts/prepare_data.py chestxray --archives 1,2       some archives, whole
python scripts/prepare_data.py chestxray                      all 112,120 images, 42 GB
python scripts/prepare_data.py chestmnist --size 64           the same as small squares
"""

import argparse
import logging
from pathlib import Path

from dlcourse.cli import run_script


def main() -> None:
    """Fill a folder with a data set; a later call fetches only what is absent."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("data", choices=["chestxray", "chestmnist"])
    parser.add_argument("--folder", type=Path, help="where to; default: data/<data>")
    parser.add_argument("--max-images", type=int, help="the first ones only; all if left out")
    parser.add_argument("--archives", default="", help="of the twelve: 1,2,3; all if left out")
    parser.add_argument("--base-url", help="a mirror of images_001.tar.gz, ..., or of ChestMNIST")
    parser.add_argument("--index-url", help="a mirror of the index files")
    parser.add_argument("--keep-archives", action="store_true", help="do not delete what is done")
    parser.add_argument("--size", type=int, default=64, help="of ChestMNIST: 28, 64, 128 or 224")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = options.folder or Path("data") / options.data
    if options.data == "chestmnist":
        from dlcourse.xray.chestmnist import fetch_chestmnist, npz_name

        base = options.base_url and f"{options.base_url}/{npz_name(options.size)}"
        print(fetch_chestmnist(folder, size=options.size, url=base))
        return
    from dlcourse.xray.nih import chosen_archives, fetch_chestxray

    try:
        numbers = [int(number) for number in options.archives.split(",") if number]
    except ValueError:
        parser.error(f"--archives {options.archives}: numbers like 1,2,3 are needed")
    chosen = {"archives": chosen_archives(numbers), "max_images": options.max_images}
    urls = {"base_url": options.base_url, "index_url": options.index_url}
    fetch_chestxray(folder, keep_archives=options.keep_archives, **chosen, **urls)
    print(f"done: data=chestxray data.root={folder} uses it")


if __name__ == "__main__":
    run_script(main, stopped="stopped; the same command goes on from here")
