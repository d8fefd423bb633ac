"""A reader study shows every pair, hides nothing in its order, survives interruption, and scores what was said."""

import csv
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from MedCompressLib.comparison import ReaderSession, draw_trials, read_trials, reader_results
from MedCompressLib.errors import MedCompressError

LEVELS = (1, 2, 5, 10, 20, 50)
CASES = {"ct": range(40, 60), "mr": range(10)}


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_trials_are_balanced_and_reproducible(seed, images):
    trials = draw_trials("ann", CASES, LEVELS, seed, images)
    assert trials == draw_trials("ann", CASES, LEVELS, seed, images) and len(trials) == 15 * images
    assert all(trial.slice in CASES[trial.case] for trial in trials)
    left = Counter(trial.levels for trial in trials if trial.left < trial.right)
    assert all(images // 2 <= left[pair] <= (images + 1) // 2 for pair in {trial.levels for trial in trials})
    other = draw_trials("bob", CASES, LEVELS, seed, images)
    key = lambda t: (t.case, t.slice, t.left, t.right)  # noqa: E731
    assert sorted(map(key, other)) == sorted(map(key, trials))
    assert images < 3 or list(map(key, other)) != list(map(key, trials))


def test_a_session_goes_on_where_it_was(tmp_path):
    path = tmp_path / "ann.csv"
    session = ReaderSession.start(path, draw_trials("ann", CASES, (1, 20), 3, 4))
    session.answer("left")
    session.answer("undecided")
    session.answer("right")
    session.take_back()
    again = ReaderSession.resume(path)
    assert again.position == 2 and [t.answer for t in again.trials] == ["left", "undecided", "", ""]
    assert again.trials == session.trials and again.current == session.current
    with pytest.raises(MedCompressError, match="exists"):
        ReaderSession.start(path, session.trials)
    with pytest.raises(MedCompressError, match="not an answer"):
        again.answer("both")
    again.answer("left")
    again.answer("left")
    with pytest.raises(MedCompressError, match="all pairs are answered"):
        again.answer("left")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["left", "undecided", "left", "left"] and rows[0]["reader"] == "ann"
    assert [entry.name for entry in tmp_path.iterdir()] == ["ann.csv"]


def answered(path, choose):
    session = ReaderSession.start(path, draw_trials("ann", CASES, (1, 5, 50), 11, 10))
    while session.current:
        session.answer(choose(session.current))
    return reader_results(read_trials(path))


def better(trial):
    return "left" if trial.left < trial.right else "right"


def test_results_of_known_readers(tmp_path):
    perfect = answered(tmp_path / "a.csv", better)
    assert [(r.lower, r.higher, r.n, r.spearman, r.score) for r in perfect] == [
        (1, 5, 10, 1, 1),
        (1, 50, 10, 1, 1),
        (5, 50, 10, 1, 1),
    ]
    wrong = answered(tmp_path / "b.csv", lambda t: "right" if better(t) == "left" else "left")
    assert all(r.spearman == r.score == -1 and r.wrong == 10 for r in wrong)
    unsure = answered(tmp_path / "c.csv", lambda t: "undecided" if t.levels == (1, 5) else better(t))
    assert unsure[0].undecided == 10 and unsure[0].score == 0 and math.isnan(unsure[0].spearman)
    assert unsure[1].spearman == 1 and unsure[1].p < 1e-6


def test_what_is_no_study(tmp_path):
    for arguments in (("", CASES, LEVELS), ("a", {}, LEVELS), ("a", CASES, (1,)), ("a", CASES, (5, 5, 1))):
        with pytest.raises(MedCompressError, match="needs"):
            draw_trials(*arguments, 1)
    (tmp_path / "x.csv").write_text("reader,case\na,b\n")
    with pytest.raises(MedCompressError, match="not a session"):
        read_trials(tmp_path / "x.csv")
    with pytest.raises(MedCompressError, match="cannot be read"):
        read_trials(tmp_path / "missing.csv")
