"""Primers and the songs that follow them, also from a network that has learnt nothing."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.music.corpus import Entry, read_corpus, split_corpus
from dlcourse.music.encoding import Encoding
from dlcourse.music.generation import Primer, choose_primers, file_primer, new_songs
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.melody import Melody
from dlcourse.music.midi import write_midi
from dlcourse.music.notes import END, START, Metre, Song, Track, note_array
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.sampling import Sampler, sample
from dlcourse.splits import Fractions


def untrained(encoding: Encoding) -> NotePredictor:
    torch.manual_seed(0)
    net = partial(NoteLSTM, hidden=8, head_std=1.0)
    options = {"loss": None, "optimizer": None, "scheduler": None, "seed": 0}
    return NotePredictor(encoding=encoding, net=net, supervise="every", **options).eval()


@pytest.fixture
def entries(make_corpus) -> list[Entry]:
    folder = make_corpus(8)
    (folder / "Broken.mid").write_bytes(b"")
    return split_corpus(read_corpus(folder, Melody()), Fractions())


def chosen(entries: list[Entry], start: str | int, songs: int = 3, seed: int = 0) -> list[Primer]:
    return choose_primers(start, entries, Melody(), songs=songs, seed=seed)


@pytest.mark.parametrize(
    "encoding", [Melody(lookback=[1, 4]), Lab2018(), Lab2018(rests=True, rearticulate=True)]
)
def test_an_untrained_network_composes_from_nothing(encoding: Encoding) -> None:
    primers = choose_primers("nothing", [], encoding, songs=3, seed=0)
    options = {"primer_steps": 64, "steps": 48, "sampler": Sampler(), "seed": 0}
    songs = new_songs(untrained(encoding), primers, **options)
    assert len({tuple(map(tuple, s.song.tracks[0].notes.tolist())) for s in songs}) == 3
    for new in songs:
        ticks_per_step = new.song.ticks_per_quarter // 4
        assert (new.seed_end, new.new_steps) == (0, 48)
        assert new.song.end == 48 * ticks_per_step
        assert len(new.song.tracks[0].notes) > 5
    again = new_songs(untrained(encoding), primers, **options)
    assert [s.song.tracks[0].notes.tolist() for s in again] == [
        s.song.tracks[0].notes.tolist() for s in songs
    ]


def test_songs_begin_with_their_primers_and_go_on_as_sampled(entries: list[Entry]) -> None:
    encoding, predictor = Melody(), untrained(Melody())
    primers = [*chosen(entries, 0, 1), *chosen(entries, "Song 03", 1)]
    songs = new_songs(predictor, primers, primer_steps=20, steps=30, sampler=Sampler(), seed=5)
    places = np.stack([bar_positions(Metre(0, 4, 4), 50)] * 2)
    start = np.stack([primer.frames[:20] for primer in primers])
    frames = sample(
        predictor.next_inputs, start, places, head=predictor.head, sampler=Sampler(), seed=5
    )
    for new, row in zip(songs, frames.tolist(), strict=True):
        assert new.song.tracks[0].notes.tolist() == encoding.decode(row).tracks[0].notes.tolist()
        assert (new.seed_end, new.song.end) == (20 * 120, 50 * 120)


def test_primers_are_cut_to_the_shortest_and_the_beat_goes_on(entries: list[Entry]) -> None:
    primers = chosen(entries, "random", 2)
    short = [primers[0], primers[1].cut(7)]
    songs = new_songs(
        untrained(Melody()), short, primer_steps=64, steps=5, sampler=Sampler(), seed=0
    )
    assert [len(new.primer.frames) for new in songs] == [7, 7]
    assert [new.seed_end for new in songs] == [7 * 120] * 2


def test_nonsense_is_refused(entries: list[Entry]) -> None:
    primers = chosen(entries, 0, 1)
    for steps, primer_steps, start in ((0, 8, primers), (8, -1, primers), (8, 8, [])):
        with pytest.raises(InputError):
            new_songs(
                untrained(Melody()),
                start,
                primer_steps=primer_steps,
                steps=steps,
                sampler=Sampler(),
                seed=0,
            )
    options = {"primer_steps": 8, "steps": 8, "seed": 0}
    with pytest.raises(InputError, match="shorter than the window of 64"):
        new_songs(untrained(Melody()), primers, sampler=Sampler(window=64), **options)


def test_random_primers_are_training_songs_each_once_while_there_are_enough(
    entries: list[Entry],
) -> None:
    trained = {Path(e.file).stem for e in entries if e.split == "train"}
    names = [primer.name for primer in chosen(entries, "random", len(trained))]
    assert sorted(names) == sorted(f"{stem} (train)" for stem in trained)
    more = [primer.name for primer in chosen(entries, "random", 40)]
    assert len(more) == 40
    assert set(more) <= set(names)
    drawn = [[p.name for p in chosen(entries, "random", 3, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_index_counts_the_kept_songs_in_the_order_of_the_ledger(entries: list[Entry]) -> None:
    assert entries[0].file == "Broken.mid"
    for start in (5, "5"):
        primers = chosen(entries, start)
        assert [primer.name.split(" (")[0] for primer in primers] == ["Song 05"] * 3
        assert primers[0].frames.tolist() == entries[6].encoded.frames.tolist()
    with pytest.raises(InputError, match="start=8: choose 0 to 7"):
        chosen(entries, 8)


def test_index_41_of_the_lab_is_its_own_seed(lab_folder: Path) -> None:
    encoding = Lab2018()
    entries = read_corpus(lab_folder, encoding)
    primer = choose_primers(41, entries, encoding, songs=1, seed=0)[0]
    assert primer.name.startswith("How Deep Is Your Love - Chorus")
    assert len(primer.frames) >= 64


def test_a_name_may_be_a_part_whatever_its_case_but_of_one_song(entries: list[Entry]) -> None:
    assert chosen(entries, "sONG 04", 1)[0].name.startswith("Song 04")
    assert chosen(entries, "g 04", 1)[0].name.startswith("Song 04")
    with pytest.raises(InputError, match="8 songs have that in their name: 'Song 00', 'Song 01'"):
        chosen(entries, "song")
    with pytest.raises(InputError, match=r"no song of 8 and no MIDI file.*nearest is 'Song 02'"):
        chosen(entries, "Snog 02")


def test_a_whole_name_wins_over_the_names_it_is_part_of(make_corpus) -> None:
    folder = make_corpus(4)
    (folder / "Song 01.mid").rename(folder / "Song.mid")
    entries = split_corpus(read_corpus(folder, Melody()), Fractions())
    assert chosen(entries, "song", 1)[0].name.startswith("Song (")


def test_any_midi_file_can_be_a_primer_from_the_bar_of_its_first_note(tmp_path: Path) -> None:
    rows = [(120 * step, 120 * step + 120, 60 + step % 7, 80) for step in range(29, 60)]
    song = Song("x", 480, (), ((0, 90.0),), (Metre(0, 3, 4),))
    write_midi(song.with_tracks((Track(note_array(rows), "Melody"),)), tmp_path / "My song.mid")
    primer = chosen([], str(tmp_path / "My song.mid"), 1)[0]
    assert (primer.name, primer.metre) == ("My song.mid", Metre(0, 3, 4))
    assert primer.tempo == pytest.approx(90, abs=0.01)
    # Two empty bars of twelve steps are left out; the first note is the sixth step of the third.
    onset = Melody.FIRST_KEY + 60 + 29 % 7 - 24
    assert primer.frames[:7].tolist() == [0, 0, 0, 0, 0, onset, onset + 1]
    notes = Melody().decode(primer.frames).tracks[0].notes
    assert notes[:, [START, END]].tolist() == [[s - 2880, e - 2880] for s, e, *_ in rows]


def test_a_file_without_notes_is_no_primer(tmp_path: Path) -> None:
    write_midi(Song("x", 480, (Track(note_array([])),)), tmp_path / "x.mid")
    with pytest.raises(InputError, match=r"x\.mid: no notes that this encoding can hold"):
        file_primer(tmp_path / "x.mid", Melody())


def test_an_endless_note_is_called_a_loop() -> None:
    predictor = untrained(Melody())
    with torch.no_grad():
        predictor.net.head.bias[Melody.HOLD] = 100.0
    primers = [Primer("one", np.array([40]))]
    options = {"primer_steps": 1, "steps": 70, "sampler": Sampler(), "seed": 0}
    assert new_songs(predictor, primers, **options)[0].loop == 1
    assert new_songs(untrained(Melody()), primers, **options)[0].loop is None
