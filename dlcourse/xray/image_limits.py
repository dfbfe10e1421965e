"""What an image file may be before a decoder looks at it: a file, not endless, not a bomb."""

from dlcourse.errors import InputError

MOST_BYTES = 2**27  # of a file: 67 million pixels of 16 bits, not packed
MOST_SIDE = 6144  # pixels; an image then takes up to 1.1 GB on its way to 8 bits
MOST_SCANS = 50  # of a progressive JPEG, each of which goes over all pixels; usual are 10


def check_sides(width: int, height: int) -> None:
    """Refuse images without pixels, and those that would not fit into memory.

    Raises:
        InputError: A side is 0, or longer than `MOST_SIDE`.
    """
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise InputError(
            f"has {width} x {height} pixels; 1 x 1 to {MOST_SIDE} x {MOST_SIDE} are allowed"
        )


def check_scans(content: bytes) -> None:
    """Refuse a JPEG file that takes minutes; other files pass.

    Raises:
        InputError: It has more scans than `MOST_SCANS`.
    """
    scans = content.count(b"\xff\xda") if content.startswith(b"\xff\xd8") else 0
    if scans > MOST_SCANS:
        raise InputError(f"is a JPEG file of {scans} scans; at most {MOST_SCANS} are allowed")
