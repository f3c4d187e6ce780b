"""Agreement of two ways to measure the same things: correlation, mean error, Bland–Altman.

Two sequences of one length go in, pair by pair; None and NaN say that one of the two has no
number, and such a pair is left out of everything (:func:`paired` tells how many are left). All
intervals take the pairs as independent of one another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
#: Numbers, or None or NaN where there is none.
Values = Sequence[float | None] | Array

#: Between the limits of agreement lie 95 % of the differences of a normal distribution.
_LIMIT = 1.96


class UndefinedError(ValueError):
    """A figure that these numbers do not define: too few pairs, or no variation."""


@dataclass(frozen=True)
class Correlation:
    """Pearson's r.

    Attributes
    ----------
    n
        Pairs.
    r, p
        The coefficient, and the two-sided probability of one so far from 0 by chance.
    low, high
        Confidence interval of ``r``.
    """

    n: int
    r: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class MeanError:
    """A mean of errors that have no sign.

    Attributes
    ----------
    n
        How many.
    mean, largest
        In the unit of the numbers.
    half_width
        The confidence interval is ``mean`` ± this; None of a single error.
    """

    n: int
    mean: float
    largest: float
    half_width: float | None


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of second less first, with their confidence intervals.

    Attributes
    ----------
    n
        Pairs.
    bias, sd
        Mean and standard deviation (n − 1) of the differences.
    lower, upper
        Limits of agreement: ``bias`` ∓ 1.96 ``sd``.
    bias_interval, lower_interval, upper_interval
        Low and high end of each.
    """

    n: int
    bias: float
    sd: float
    lower: float
    upper: float
    bias_interval: tuple[float, float]
    lower_interval: tuple[float, float]
    upper_interval: tuple[float, float]


def paired(first: Values, second: Values) -> tuple[Array, Array]:
    """Pairs of which both have a number.

    Returns
    -------
    tuple
        Two arrays ``[n]``, in the order given.

    Raises
    ------
    ValueError
        The two are not of one length.

    Examples
    --------
    >>> paired([1.0, None, 3.0], [1.5, 2.0, float("nan")])
    (array([1.]), array([1.5]))
    """
    one, other = (np.array(values, np.float64) for values in (first, second))  # None becomes NaN
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            f"pairs need two flat sequences of one length; got {one.shape} and {other.shape}"
        )
    both = ~(np.isnan(one) | np.isnan(other))
    return one[both], other[both]


def correlation(first: Values, second: Values, confidence: float = 0.95) -> Correlation:
    """Pearson's r with its p value (t distribution) and interval (Fisher's transformation).

    Of three pairs the interval is all that r can be: the transformation has no spread there.

    Raises
    ------
    UndefinedError
        Fewer than three pairs, or one side does not vary.
    """
    one, other = paired(first, second)
    _need(len(one), 3, "a correlation")
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        raise UndefinedError("a correlation needs numbers that vary; one side is constant")
    found = stats.pearsonr(one, other)
    r = float(found.statistic)
    return Correlation(len(one), r, float(found.pvalue), *_fisher(r, len(one), confidence))


def mean_error(errors: Values, confidence: float = 0.95) -> MeanError:
    """Mean of errors without a sign (distances, absolute differences), with its interval.

    The half width is Student's: t of n − 1 degrees of freedom times the standard error. This
    is what Hess et al. 2023 print behind ± in their tables 6 to 8: their overall values follow
    by it from those of the levels, and by no other reading of ± (tests/stats).

    Raises
    ------
    UndefinedError
        No error at all.
    ValueError
        A negative one.
    """
    values, _ = paired(errors, errors)
    _need(len(values), 1, "a mean error")
    if values.min() < 0:
        raise ValueError(f"errors have no sign here, yet one is {values.min():g}; give their size")
    half = None if len(values) == 1 else _half_width(values, confidence)
    return MeanError(len(values), float(values.mean()), float(values.max()), half)


def mean_absolute_error(first: Values, second: Values, confidence: float = 0.95) -> MeanError:
    """:func:`mean_error` of the absolute differences.

    Raises
    ------
    UndefinedError
        No pair at all.
    """
    one, other = paired(first, second)
    return mean_error(np.abs(other - one), confidence)


def bland_altman(first: Values, second: Values, confidence: float = 0.95) -> BlandAltman:
    """Bias and limits of agreement of ``second`` less ``first``.

    The intervals are exact for normal differences: Student's t for the bias, and the noncentral
    t for each limit on its own, which is a percentile of that distribution (Carkeet 2015,
    doi 10.1097/OPX.0000000000000513; Shieh 2018, BMC Med Res Methodol 18). The approximation of
    Bland and Altman is too narrow outward for samples as small as these mostly are.

    Raises
    ------
    UndefinedError
        Fewer than three pairs.
    """
    one, other = paired(first, second)
    differences = other - one
    _need(len(differences), 3, "limits of agreement")
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    half = _half_width(differences, confidence)
    inner, outer = (sd * factor for factor in _percentile_factors(len(differences), confidence))
    return BlandAltman(
        n=len(differences),
        bias=bias,
        sd=sd,
        lower=bias - _LIMIT * sd,
        upper=bias + _LIMIT * sd,
        bias_interval=(bias - half, bias + half),
        lower_interval=(bias - outer, bias - inner),
        upper_interval=(bias + inner, bias + outer),
    )


def _need(found: int, least: int, what: str) -> None:
    if found < least:
        pairs = "pair" if least == 1 else "pairs"
        raise UndefinedError(f"{what} needs {least} {pairs} of numbers or more; there are {found}")


def _fisher(r: float, n: int, confidence: float) -> tuple[float, float]:
    """Interval of r; at r = ±1 the transformation has no value, and the interval no width."""
    if n <= 3:
        return -1.0, 1.0
    if abs(r) >= 1:
        return r, r
    half = float(stats.norm.ppf((1 + confidence) / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def _half_width(values: Array, confidence: float) -> float:
    """Half of the interval of a mean."""
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    return float(quantile * values.std(ddof=1) / math.sqrt(len(values)))


def _percentile_factors(n: int, confidence: float) -> tuple[float, float]:
    """By how many standard deviations the ends of a limit's interval lie from the mean."""
    tails = ((1 - confidence) / 2, (1 + confidence) / 2)
    inner, outer = stats.nct.ppf(tails, n - 1, _LIMIT * math.sqrt(n)) / math.sqrt(n)
    return float(inner), float(outer)
