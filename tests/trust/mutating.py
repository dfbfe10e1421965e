"""Files as strangers, bad disks and bad lines leave them: real ones, with something changed."""

from collections.abc import Callable, Sequence

import numpy as np

# Lengths and counts at which readers overflow, allocate or loop.
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x0FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def mutated(content: bytes, rng: np.random.Generator, others: Sequence[bytes] = ()) -> bytes:
    """The content after one to four changes.

    Args:
        others: Further files, of which pieces are put in.
    """
    kinds: list[Callable[[bytearray, np.random.Generator], None]] = [
        _flip_bits, _set_bytes, _set_number, _cut_off, _take_out, _double, _insert_noise,
    ]  # fmt: skip
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if others and rng.random() < 0.1:
            donor = others[rng.integers(len(others))]
            start, stop = _span(len(donor), rng)
            at = rng.integers(len(changed) + 1)
            changed[at : at + stop - start] = donor[start:stop]
        elif changed:
            kinds[rng.integers(len(kinds))](changed, rng)
    return bytes(changed)


def _span(length: int, rng: np.random.Generator) -> tuple[int, int]:
    """A piece, often short: its length is log-uniform."""
    start = int(rng.integers(max(1, length)))
    return start, min(length, start + int(np.exp(rng.uniform(0, np.log(max(2, length))))))


def _flip_bits(content: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(len(content), size=rng.integers(1, 9)):
        content[at] ^= 1 << int(rng.integers(8))


def _set_bytes(content: bytearray, rng: np.random.Generator) -> None:
    start, stop = _span(len(content), rng)
    content[start:stop] = bytes([int(rng.choice([0, 0x7F, 0x80, 0xFF]))]) * (stop - start)


def _set_number(content: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.choice([2, 4]))
    order = ("big", "little")[rng.integers(2)]
    number = int(rng.choice(EXTREMES)) & (256**size - 1)
    at = int(rng.integers(len(content)))
    content[at : at + size] = number.to_bytes(size, order)


def _cut_off(content: bytearray, rng: np.random.Generator) -> None:
    del content[rng.integers(len(content)) :]


def _take_out(content: bytearray, rng: np.random.Generator) -> None:
    start, stop = _span(len(content), rng)
    del content[start:stop]


def _double(content: bytearray, rng: np.random.Generator) -> None:
    start, stop = _span(len(content), rng)
    content[start:start] = content[start:stop]


def _insert_noise(content: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(content)))
    content[at:at] = rng.bytes(int(rng.integers(1, 33)))
