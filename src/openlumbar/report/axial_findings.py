"""What to read first of an axial series: means and extremes, without a threshold of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import MUSCLES
from openlumbar.report.parts import AxialSlice, Finding
from openlumbar.report.wording import number_text, with_unit

#: A muscle is compared with others where it has this part of the slices that another has: the
#: mean of one slice says little beside that of twenty.
_LEAST_PART = 0.5
_AREA, _FAT = "csa_cm2", "fat_fraction_partial_volume_percent"


@dataclass(frozen=True)
class MuscleMean:
    """A muscle over the slices where both sides are given and nothing is doubtful.

    Attributes
    ----------
    slices, fat_slices
        How many there are with an area, and with fat.
    area_cm2, fat_percent
        Right and left; the fat None where no slice has it.
    """

    muscle: str
    slices: int
    area_cm2: tuple[float, float]
    fat_slices: int
    fat_percent: tuple[float, float] | None

    @property
    def difference_percent(self) -> float:
        """Larger mean area less the smaller, over the larger."""
        right, left = self.area_cm2
        return 100.0 * abs(right - left) / max(right, left, 1e-6)


def muscle_means(slices: Sequence[AxialSlice]) -> tuple[MuscleMean, ...]:
    """Means of each muscle over a series, right and left over the same slices."""
    means = []
    for muscle in MUSCLES:
        areas = _pairs(slices, muscle, _AREA)
        fats = _pairs(slices, muscle, _FAT)
        if areas:
            fat = _mean(fats) if fats else None
            means.append(MuscleMean(muscle, len(areas), _mean(areas), len(fats), fat))
    return tuple(means)


def _pairs(slices: Sequence[AxialSlice], muscle: str, metric: str) -> list[tuple[float, float]]:
    """Right and left of each slice that has both without doubt."""
    found = []
    for one in slices:
        right, left = (one.cell(muscle, side, metric) for side in ("right", "left"))
        if right is None or left is None or right.doubtful or left.doubtful:
            continue
        if right.number is not None and left.number is not None:
            found.append((right.number, left.number))
    return found


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return fmean(right for right, _ in pairs), fmean(left for _, left in pairs)


def axial_findings(
    slices: Sequence[AxialSlice], measured: Sequence[Measurement]
) -> tuple[Finding, ...]:
    """Few, of the series as a whole; the tables have the rest."""
    if not measured:
        return ()
    means = muscle_means(slices)
    found = (
        _fattest(means),
        _most_uneven(means),
        _smallest_sac(slices),
        _seen(slices),
        _numbers(measured),
    )
    return tuple(finding for finding in found if finding is not None)


def _over(count: int) -> str:
    return f"mean of {count} slices" if count > 1 else "one slice"


def _fattest(means: Sequence[MuscleMean]) -> Finding | None:
    least = _LEAST_PART * max((mean.fat_slices for mean in means), default=0)
    known = [
        (mean, mean.fat_percent)
        for mean in means
        if mean.fat_percent is not None and mean.fat_slices >= least
    ]
    if not known:
        return None
    mean, (right, left) = max(known, key=lambda item: sum(item[1]))
    sides = f"right {number_text(right, '%')} %, left {number_text(left, '%')} %"
    return Finding(
        f"Most fat: {mean.muscle}",
        f"{number_text((right + left) / 2, '%')} %",
        f"area fraction · {sides} · {_over(mean.fat_slices)}",
    )


def _most_uneven(means: Sequence[MuscleMean]) -> Finding | None:
    if not means:
        return None
    least = _LEAST_PART * max(mean.slices for mean in means)
    found = [mean for mean in means if mean.slices >= least]
    mean = max(found, key=lambda mean: mean.difference_percent)
    right, left = mean.area_cm2
    smaller = "right" if right < left else "left"
    sides = f"right {number_text(right, 'cm2')}, left {number_text(left, 'cm2')} cm²"
    return Finding(
        f"Sides differ most: {mean.muscle}",
        f"{number_text(mean.difference_percent, '%')} %",
        f"{smaller} smaller · {sides} · {_over(mean.slices)}",
    )


def _smallest_sac(slices: Sequence[AxialSlice]) -> Finding | None:
    """Of slices without doubt; where levels are known, of the lumbar ones alone."""
    lumbar = [one for one in slices if one.disc_level.startswith("L")]
    found = [
        (cell.number, cell, one)
        for one in (lumbar or slices)
        if (cell := one.cell("dural sac", "", "area_mm2")) is not None
        if cell.number is not None and not cell.doubtful
    ]
    if not found:
        return None
    _, cell, one = min(found, key=lambda item: item[0])
    where = one.level or f"{one.title}; levels not known, sacrum included"
    detail = where if not one.level else f"{where} · {one.title}"
    return Finding("Smallest dural sac", with_unit(cell.text, "mm²"), detail, False, cell.key)


def _seen(slices: Sequence[AxialSlice]) -> Finding:
    """In how many slices muscles were measured."""
    count = sum(any(key[0] in MUSCLES for key in one.cells) for one in slices)
    flagged = sum(bool(one.reasons) for one in slices)
    detail = f"{flagged} flagged as a whole" if flagged else "none flagged as a whole"
    return Finding("Slices with muscles", f"{count} of {len(slices)}", detail, count == 0)


def _numbers(measured: Sequence[Measurement]) -> Finding:
    withheld = sum(m.value is None for m in measured)
    flagged = sum(bool(m.flags) and m.value is not None for m in measured)
    given = len(measured) - withheld
    detail = f"{withheld} withheld · {flagged} given with a flag"
    return Finding("Axial numbers", f"{given} of {len(measured)}", detail, bool(withheld))
