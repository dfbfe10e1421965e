"""The score card of generated songs: what they are like, beside real songs, and what they copy."""

from dlcourse.music.scorecard.batch import score_batch
from dlcourse.music.scorecard.card import ScoreCard, SongScore, write_scorecard
from dlcourse.music.scorecard.memorisation import Reference
from dlcourse.music.scorecard.song import score_song

__all__ = ["Reference", "ScoreCard", "SongScore", "score_batch", "score_song", "write_scorecard"]
