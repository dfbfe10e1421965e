"""MIDI files made byte by byte, and whole ones changed so that a reader gets far into them."""

import struct

import numpy as np

EVENTS = (  # what readers stumble over, put in anywhere
    b"\x00\xff\x51\x03\x00\x00\x00",  # tempo
    b"\x00\xff\x51\x03\x00\x00\x01",
    b"\x00\xff\x51\x03\xff\xff\xff",
    b"\x00\xff\x58\x04\x00\x02\x18\x08",  # metre
    b"\x00\xff\x58\x04\xff\xff\x18\x08",
    b"\x00\xff\x58\x04\x01\x08\x18\x08",
    b"\x00\xff\x59\x02\x7f\x05",  # key
    b"\x00\xff\x03\x7f",  # a name of 127 bytes, which are not there
    b"\x00\xf0",
    b"\x00\xf7\xff\xff\xff\x7f",
    b"\xff\xff\xff\x7f",  # a delta alone
    b"\x8f\xff\x7f\xf0\x01\xf7",
    b"\x00\x90\x7f\x40",  # a note that may never end
    b"\x00\x90\x3c\x40\x00\x80\x3c\x40",
    b"\x00\xc3\x05",
    b"\xf1",
    b"\xf8",
)
NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"  # a quarter long, at 480 ticks to one
SHORT = b"\x00\x90\x3c\x40\x00\x80\x3c\x40"  # of no length
FAR = b"\xff\xff\xff\x7f"  # 2^28 - 1 ticks


def midi_of(
    *tracks: bytes, division: int = 480, kind: int = 1, announced: int | None = None
) -> bytes:
    """A file of these tracks, each of which gets its end."""
    count = len(tracks) if announced is None else announced
    bodies = [track + b"\x00\xff\x2f\x00" for track in tracks]
    return struct.pack(">4sIHHH", b"MThd", 6, kind, count, division) + b"".join(
        struct.pack(">4sI", b"MTrk", len(body)) + body for body in bodies
    )


def tracks_of(content: bytes) -> list[bytes]:
    """The tracks of a whole file, without their ends."""
    at, tracks = 14, []
    while at < len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "big")
        tracks.append(content[at + 8 : at + 8 + length].removesuffix(b"\x00\xff\x2f\x00"))
        at += 8 + length
    return tracks


def changed_within(content: bytes, rng: np.random.Generator) -> bytes:
    """One or two tracks slightly changed, with lengths that are right: it comes far."""
    tracks = tracks_of(content)
    for _ in range(rng.integers(1, 3)):
        at = rng.integers(len(tracks))
        track = bytearray(tracks[at])
        for _ in range(rng.integers(1, 3)):
            place, kind = int(rng.integers(len(track) + 1)), rng.integers(3)
            if kind == 0 and place < len(track):
                track[place] ^= 1 << int(rng.integers(7))
            elif kind == 1:
                track[place:place] = EVENTS[rng.integers(len(EVENTS))]
            else:
                del track[place : place + int(rng.integers(1, 5))]
        tracks[at] = bytes(track)
    division = int(rng.choice([1, 24, 220, 480, 480, 480, 960, 32767]))
    return midi_of(*tracks, division=division, kind=int(rng.choice([0, 1, 1, 1])))
