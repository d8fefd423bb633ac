"""Tests that a report needs, each with its name, n, effect size and interval; p values and quantiles are scipy's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedTest:
    """Outcome of a test on n pairs: mean difference (second - first) with its confidence interval, effect size.

    dropped: pairs left out because a value was undefined.
    """

    test: str
    n: int
    dropped: int
    difference: float
    low: float
    high: float
    statistic: float
    p: float
    effect: float
    effect_name: str


@dataclass(frozen=True)
class PairwiseTest:
    """Outcome for one pair of groups among several: mean difference (second - first), simultaneous interval."""

    test: str
    first: str
    second: str
    n_first: int
    n_second: int
    difference: float
    low: float
    high: float
    p: float
    effect: float
    effect_name: str


def paired_t(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> PairedTest:
    """Student's paired t-test, two-sided; effect size Cohen's d_z = mean / standard deviation of the differences.

    Where all differences are equal there is no spread to test against: p is 1 for zero differences, else 0.

    Raises MedCompressError for fewer than two pairs.
    """
    from scipy.stats import t, ttest_rel

    first, second, dropped = _pairs(first, second)
    change = second - first
    mean, spread, n = float(change.mean()), float(change.std(ddof=1)), change.size
    name, effect_name = "paired t-test, two-sided", "Cohen's d_z"
    if spread <= 1e-12 * max(float(np.abs(change).max()), 1e-300) or not spread:
        sign = math.copysign(math.inf, mean) if mean else 0.0
        return PairedTest(name, n, dropped, mean, mean, mean, sign, 0.0 if mean else 1.0, sign, effect_name)
    found, half = ttest_rel(second, first), float(t.ppf((1 + confidence) / 2, n - 1)) * spread / math.sqrt(n)
    return PairedTest(
        name,
        n,
        dropped,
        mean,
        mean - half,
        mean + half,
        float(found.statistic),
        float(found.pvalue),
        mean / spread,
        effect_name,
    )


def wilcoxon_signed_rank(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> PairedTest:
    """Wilcoxon's signed-rank test, two-sided, differences of zero left out of the ranks.

    difference and its interval are the Hodges-Lehmann estimate and its normal approximation's interval; effect size:
    matched-pairs rank-biserial correlation (Kerby 2014, Compr. Psychol. 3). All differences zero: p = 1, effect 0.

    Raises MedCompressError for fewer than two pairs.
    """
    from scipy.stats import norm, rankdata, wilcoxon

    first, second, dropped = _pairs(first, second)
    change = second - first
    n, moved = change.size, change[change != 0]
    name, effect_name = "Wilcoxon signed-rank test, two-sided", "rank-biserial correlation"
    if not moved.size:
        return PairedTest(name, n, dropped, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, effect_name)
    ranks = rankdata(np.abs(moved))
    effect = float((ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum())
    at = np.triu_indices(n)
    averages = np.sort((change[at[0]] + change[at[1]]) / 2)
    half = norm.ppf((1 + confidence) / 2) * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    first_inside = max(0, int(math.floor(n * (n + 1) / 4 - half)))
    found = wilcoxon(second, first)
    return PairedTest(
        name,
        n,
        dropped,
        float(np.median(averages)),
        float(averages[first_inside]),
        float(averages[-1 - first_inside]),
        float(found.statistic),
        float(found.pvalue),
        effect,
        effect_name,
    )


def tukey(groups: Mapping[str, Sequence[float]], confidence: float = CONFIDENCE) -> list[PairwiseTest]:
    """Tukey's honestly significant difference (Tukey-Kramer for unequal n) for every pair of groups.

    Undefined values are left out. Effect size: difference over the pooled standard deviation (Cohen's d).

    Raises MedCompressError for fewer than two groups or a group with fewer than two values.
    """
    from scipy.stats import tukey_hsd

    values = {name: _defined(group) for name, group in groups.items()}
    small = [name for name, group in values.items() if group.size < 2]
    if len(values) < 2 or small:
        raise MedCompressError(
            f"Tukey's test needs two groups or more of two values or more; too small: {', '.join(small) or 'none'},"
            f" groups: {len(values)}; give more cases or slices"
        )
    names = list(values)
    free = sum(group.size - 1 for group in values.values())
    pooled = math.sqrt(sum(float(np.square(group - group.mean()).sum()) for group in values.values()) / free)
    found = tukey_hsd(*values.values()) if pooled else None
    interval = found.confidence_interval(confidence) if found else None
    results = []
    for a, first in enumerate(names):
        for b in range(a + 1, len(names)):
            difference = float(values[names[b]].mean() - values[first].mean())
            low = high = difference
            p, effect = (0.0, math.copysign(math.inf, difference)) if difference else (1.0, 0.0)
            if found:
                p, effect = float(found.pvalue[b, a]), difference / pooled
                low, high = float(interval.low[b, a]), float(interval.high[b, a])
            sizes = values[first].size, values[names[b]].size
            name = f"Tukey HSD, {len(names)} groups"
            results.append(PairwiseTest(name, first, names[b], *sizes, difference, low, high, p, effect, "Cohen's d"))
    return results


def _pairs(first: Sequence[float], second: Sequence[float]) -> tuple[np.ndarray, np.ndarray, int]:
    one, two = np.asarray(first, float), np.asarray(second, float)
    if one.shape != two.shape or one.ndim != 1:
        raise MedCompressError(
            f"a paired test needs two lists of equal length, not {one.shape} and {two.shape}; pair them by case"
        )
    defined = np.isfinite(one) & np.isfinite(two)
    if defined.sum() < 2:
        raise MedCompressError(
            f"{int(defined.sum())} pairs have a value on both sides; a paired test needs two or more: give more cases"
        )
    return one[defined], two[defined], int((~defined).sum())


def _defined(values: Sequence[float]) -> np.ndarray:
    values = np.asarray(values, float).ravel()
    return values[np.isfinite(values)]
