"""Agreement of observers, lesion reading and statistics follow the papers' definitions and other implementations."""

import math

import numpy as np
import pytest
import scipy.stats
from MedCompressLib.comparison import (
    LesionReading,
    inter_observer,
    intra_observer,
    lesion_centers,
    paired_t,
    read_lesions,
    tukey,
    valid_slices,
    verdicts,
    wilcoxon_signed_rank,
)
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry

SPACING = (1.0, 1.0, 3.0)


def disc(radius: float, shift: float, slices: int = 12) -> np.ndarray:
    j, i = np.ogrid[:64, :64]
    return np.stack([np.hypot(j - 32, i - 32 - shift - 0.1 * k) <= radius for k in range(slices)])


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def test_valid_slices_and_iaov():
    first, second = disc(12, 0), disc(12, 1)
    second[3] = np.roll(second[3], 15, 0)
    first[5] = second[5] = False
    second[6] = False
    expected = [k for k in range(12) if k not in (3, 5, 6)]
    assert valid_slices(first, second).tolist() == expected
    found = intra_observer(first, second, SPACING)
    assert found.jaccard == pytest.approx(np.mean([jaccard(first[k], second[k]) for k in expected]))
    assert 0 < found.average_hausdorff < 1 and found.n == 9
    second[3, 0, 0] = True
    assert intra_observer(first, second, SPACING).average_hausdorff == found.average_hausdorff
    assert math.isnan(intra_observer(first, np.zeros_like(first), SPACING).jaccard)


def test_ieov_compares_what_each_marked_twice():
    a, b = (disc(12, 0), disc(11, 0)), (disc(12, 3), disc(12, 4))
    b[1][2] = False
    found = inter_observer(a, b, SPACING)
    slices = [k for k in range(12) if k != 2]
    both = [jaccard(a[0][k] & a[1][k], b[0][k] & b[1][k]) for k in slices]
    assert found.slices.tolist() == slices and found.jaccard == pytest.approx(np.mean(both))


def test_verdict_needs_smaller_and_different():
    first, second = disc(12, 0), disc(12, 0.6)
    intra = intra_observer(first, second, SPACING)
    inter = inter_observer((first, second), (disc(9, 2), disc(9, 2)), SPACING)
    light, heavy = verdicts(first, {"10:1": disc(12, 1), "900:1": disc(6, 8)}, intra, inter, SPACING)
    assert light.acceptable and light.smaller and light.test.p < 0.05 and light.test.test == "Tukey HSD, 4 groups"
    assert heavy.different and not heavy.smaller and not heavy.acceptable
    with pytest.raises(MedCompressError, match="valid slices"):
        verdicts(first, {}, intra_observer(first, disc(2, 20), SPACING), inter, SPACING)


def test_lesion_scores_of_the_published_table():
    for counts, sensitivity, score in [
        ((41, 21, 20), 67.2, 0.0),
        ((39, 16, 22), 63.9, 1.6),
        ((40, 19, 21), 65.6, 0.0),
        ((44, 15, 17), 72.1, 19.7),
        ((43, 13, 18), 70.5, 19.7),
        ((42, 12, 19), 68.9, 18.0),
    ]:
        found = LesionReading(*counts, (), ())
        assert found.sensitivity == pytest.approx(sensitivity, abs=0.06)
        assert found.normalized_score == pytest.approx(score, abs=0.06)


def test_marks_are_assigned_once_and_at_best():
    lesions = [[0, 0, 0], [15, 0, 0], [100, 0, 0]]
    found = read_lesions(lesions, [[8, 0, 0], [-9, 0, 0], [110, 0, 0]])
    assert (found.true_positives, found.false_positives, found.false_negatives) == (2, 1, 1)
    assert found.pairs == ((0, 1), (1, 0)) and found.distances == (9.0, 7.0)
    assert read_lesions([], [[0, 0, 0]]).false_positives == 1 and math.isnan(read_lesions([], []).sensitivity)
    total = found + read_lesions([[0, 0, 0]], [])
    assert (total.true_positives, total.false_negatives) == (2, 2)


def test_lesion_centers_are_the_middle_of_the_longest_diameter():
    mask = np.zeros((20, 40, 40), bool)
    mask[4, 5, 10:21] = True
    mask[4, 5:8, 10] = True
    mask[12:15, 30:33, 30:33] = True
    found = lesion_centers(mask, Geometry((2.0, 1.0, 3.0), (-10.0, 0.0, 5.0)))
    ends = np.array([[10, 7, 4], [20, 5, 4]]) * (2.0, 1.0, 3.0) + (-10.0, 0.0, 5.0)
    np.testing.assert_allclose(found, [ends.mean(0), np.array([62.0 - 10, 31.0, 39.0 + 5])])


@pytest.fixture
def scores():
    random = np.random.default_rng(7)
    first = random.normal(0.9, 0.03, 14)
    return first, first - random.normal(0.02, 0.02, 14)


def test_paired_tests_equal_scipy(scores):
    first, second = scores
    t, w = paired_t(first, second), wilcoxon_signed_rank(first, second)
    interval = scipy.stats.ttest_rel(second, first).confidence_interval()
    assert t.p == pytest.approx(scipy.stats.ttest_1samp(second - first, 0).pvalue)
    assert (t.low, t.high) == pytest.approx((interval.low, interval.high))
    assert t.effect == pytest.approx(t.statistic / math.sqrt(14)) and t.n == 14
    assert w.p == pytest.approx(scipy.stats.wilcoxon(first, second).pvalue)
    change = second - first
    ranks = scipy.stats.rankdata(abs(change))
    assert w.effect == pytest.approx((ranks[change > 0].sum() - ranks[change < 0].sum()) / ranks.sum())
    assert w.low < w.difference < w.high and (w.low < 0 < w.high) == (w.p > 0.05)


def test_paired_tests_of_what_does_not_vary():
    same = [0.9, 0.8, 0.7]
    assert paired_t(same, same).p == wilcoxon_signed_rank(same, same).p == 1
    assert paired_t(same, np.add(same, 0.1)).p == 0
    found = paired_t([*same, math.nan], [0.8, 0.8, 0.6, 0.5])
    assert (found.n, found.dropped) == (3, 1)
    with pytest.raises(MedCompressError, match="two or more"):
        wilcoxon_signed_rank([1, math.nan], [1, 2])
    with pytest.raises(MedCompressError, match="equal length"):
        paired_t([1, 2, 3], [1, 2])


def test_tukey_equals_the_studentized_range():
    random = np.random.default_rng(3)
    groups = {"a": random.normal(0, 1, 9), "b": random.normal(1, 1, 12), "c": [*random.normal(0.2, 1, 7), math.nan]}
    found = tukey(groups)
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    values = [np.array(groups[name]) for name in "abc"]
    values[2] = values[2][:-1]
    variance = sum(((v - v.mean()) ** 2).sum() for v in values) / (28 - 3)
    for pair, (first, second) in zip(found, [(0, 1), (0, 2), (1, 2)], strict=True):
        difference = values[second].mean() - values[first].mean()
        error = math.sqrt(variance / 2 * (1 / values[first].size + 1 / values[second].size))
        assert pair.difference == pytest.approx(difference)
        assert pair.p == pytest.approx(scipy.stats.studentized_range.sf(abs(difference) / error, 3, 25), abs=1e-6)
        assert pair.low < difference < pair.high and pair.effect == pytest.approx(difference / math.sqrt(variance))
    assert tukey({"a": [1, 1], "b": [1, 1]})[0].p == 1 and tukey({"a": [1, 1], "b": [2, 2]})[0].p == 0
    with pytest.raises(MedCompressError, match="two values"):
        tukey({"a": [1, 2], "b": [1]})
