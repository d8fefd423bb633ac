"""Which of two pictures of the same slice looks better: a blinded reader study (Kurmukov et al. 2024, section 3).

A session is a CSV file with one line a pair, written anew after each answer, so it may stop and go on at any time.
"""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from ..errors import MedCompressError
from .table import write_text

ANSWERS = ("left", "right", "undecided")
IMAGES_PER_PAIR = 10


@dataclass(frozen=True)
class Trial:
    """One pair: the slice k of a case at two compression levels, and the answer ("" while there is none)."""

    reader: str
    case: str
    slice: int
    left: float
    right: float
    answer: str = ""
    answered: str = ""

    @property
    def levels(self) -> tuple[float, float]:
        """The lower level, the higher level."""
        return min(self.left, self.right), max(self.left, self.right)


_COLUMNS = tuple(field.name for field in fields(Trial))


def draw_trials(
    reader: str,
    cases: Mapping[str, Sequence[int]],
    levels: Sequence[float],
    seed: int,
    images_per_pair: int = IMAGES_PER_PAIR,
) -> list[Trial]:
    """All pairs of levels, each on `images_per_pair` slices drawn from the cases, in an order of the reader's own.

    cases: name to the slices k that may be shown. levels: compression ratios, 1 for uncompressed; lower is better.
    Of each pair of levels the better one is on the left as often as on the right, one more at most; which slices those
    are is random. Equal seeds give all readers the same pairs, in different orders.

    Raises MedCompressError for fewer than two levels, equal levels, no slices, a reader without a name.
    """
    slices = [(case, int(k)) for case, numbers in cases.items() for k in numbers]
    if len(set(levels)) < max(2, len(levels)) or not slices or not reader.strip() or images_per_pair < 1:
        raise MedCompressError(
            "a reader study needs a reader's name, two different levels or more, and one slice or more of a case;"
            f" given: reader {reader!r}, levels {list(levels)}, {len(slices)} slices, {images_per_pair} a pair"
        )
    random, trials = Random(f"{seed}"), []
    for better, worse in itertools.combinations(sorted(levels), 2):
        shown = [slices[n] for n in random.sample(range(len(slices)), min(images_per_pair, len(slices)))]
        shown += random.choices(slices, k=images_per_pair - len(shown))
        sides = [(better, worse), (worse, better)] * (len(shown) // 2 + 1)
        sides = sides[random.getrandbits(1) :][: len(shown)]
        random.shuffle(sides)
        trials += [Trial(reader, case, k, *side) for (case, k), side in zip(shown, sides, strict=True)]
    Random(f"{seed} {reader}").shuffle(trials)
    return trials


class ReaderSession:
    """One reader's way through the trials, kept in a CSV file. Show left and right; never the levels."""

    def __init__(self, path: str | Path, trials: Sequence[Trial]):
        self.path = Path(path)
        self.trials = list(trials)

    @classmethod
    def start(cls, path: str | Path, trials: Sequence[Trial]) -> "ReaderSession":
        """A new session. Raises MedCompressError where the file exists: resume it, or choose another name."""
        if Path(path).exists():
            raise MedCompressError(f"{path} exists; resume that session or choose another name")
        session = cls(path, trials)
        session._save()
        return session

    @classmethod
    def resume(cls, path: str | Path) -> "ReaderSession":
        """The session in a file. Raises MedCompressError when it is missing or not a session."""
        return cls(path, read_trials(path))

    @property
    def position(self) -> int:
        """Number of the first trial without an answer; the number of trials when all are answered."""
        return next((n for n, trial in enumerate(self.trials) if not trial.answer), len(self.trials))

    @property
    def current(self) -> Trial | None:
        """The trial to show now, None when all are answered."""
        return self.trials[self.position] if self.position < len(self.trials) else None

    def answer(self, answer: str) -> None:
        """Answer the current trial with "left", "right" or "undecided" and save. Raises MedCompressError otherwise."""
        if answer not in ANSWERS:
            raise MedCompressError(f"{answer!r} is not an answer; choose one of {', '.join(ANSWERS)}")
        if self.current is None:
            raise MedCompressError("all pairs are answered; see the results or start another session")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._replace(self.position, replace(self.current, answer=answer, answered=now))

    def take_back(self) -> None:
        """Remove the last answer and save; nothing where there is none."""
        if self.position:
            self._replace(self.position - 1, replace(self.trials[self.position - 1], answer="", answered=""))

    def _replace(self, number: int, trial: Trial) -> None:
        before = self.trials[number]
        self.trials[number] = trial
        try:
            self._save()
        except MedCompressError:
            self.trials[number] = before
            raise

    def _save(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_COLUMNS, *map(astuple, self.trials)])
        write_text(text.getvalue(), self.path)


def read_trials(path: str | Path) -> list[Trial]:
    """Trials of a session file. Raises MedCompressError when it cannot be read or is not one."""
    try:
        rows = list(csv.DictReader(Path(path).read_text("utf-8-sig").splitlines()))
        trials = [
            Trial(
                row["reader"],
                row["case"],
                int(row["slice"]),
                float(row["left"]),
                float(row["right"]),
                row["answer"],
                row["answered"],
            )
            for row in rows
        ]
    except OSError as error:
        raise MedCompressError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except (KeyError, TypeError, ValueError):
        trials = []
    if not trials or not all(trial.answer in ("", *ANSWERS) and trial.left != trial.right for trial in trials):
        raise MedCompressError(
            f"{path} is not a session of a reader study; it needs the columns {', '.join(_COLUMNS)},"
            f" two different levels a line, and the answers {', '.join(ANSWERS)} or none"
        )
    return trials


@dataclass(frozen=True)
class PairResult:
    """What a reader said of one pair of levels.

    correct, wrong, undecided: counts of answers. score: (correct - wrong) / n.
    spearman: rank correlation between the side of the better picture and the side chosen (undecided between the two):
        1 always right, -1 always wrong; NaN where one of the two never changes. p: of no correlation, two-sided.
    """

    reader: str
    lower: float
    higher: float
    n: int
    correct: int
    wrong: int
    undecided: int
    score: float
    spearman: float
    p: float


def reader_results(trials: Sequence[Trial]) -> list[PairResult]:
    """One result for each reader and pair of levels with an answer, in the order of readers and levels."""
    groups: dict[tuple[str, float, float], list[Trial]] = {}
    for trial in trials:
        if trial.answer:
            groups.setdefault((trial.reader, *trial.levels), []).append(trial)
    return [_result(*key, group) for key, group in sorted(groups.items())]


def _result(reader: str, lower: float, higher: float, trials: list[Trial]) -> PairResult:
    from scipy.stats import spearmanr

    sides = {"left": -1, "undecided": 0, "right": 1}
    truth = [-1 if trial.left < trial.right else 1 for trial in trials]
    chosen = [sides[trial.answer] for trial in trials]
    correct = sum(a == b for a, b in zip(truth, chosen, strict=True))
    undecided = chosen.count(0)
    wrong = len(trials) - correct - undecided
    rho = p = float("nan")
    if len(set(truth)) > 1 and len(set(chosen)) > 1:
        found = spearmanr(truth, chosen)
        rho, p = float(found.statistic), float(found.pvalue)
    score = (correct - wrong) / len(trials)
    return PairResult(reader, lower, higher, len(trials), correct, wrong, undecided, score, rho, p)
