"""How training songs are varied: in other keys, at other speeds."""

from dlcourse.music.augmentation.song_augmentation import SongAugmentation

__all__ = ["SongAugmentation"]
