"""How axial slices were named: their places along the spine, what their looks say, and why.

Plain data, as it is printed. A place along the spine counts discs: L1-L2 is 1 and each disc
below it one more, a vertebra lies half a step above its lower disc
(:data:`openlumbar.core.levels.POSITIONS`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from openlumbar.core.anatomy import VERTEBRAE
from openlumbar.core.levels import POSITIONS, LevelRow, Levels, Numbering, SliceLooks
from openlumbar.core.palette import VERTEBRA_COLOURS
from openlumbar.core.run import Run
from openlumbar.io.analysis import Analysis
from openlumbar.models.card import ModelCard, read_card
from openlumbar.report.parts import (
    DOUBTFUL_BELOW,
    AxialSection,
    AxialSlice,
    Naming,
    SliceName,
)
from openlumbar.report.wording import confidence_text, flag_text

#: How a slice was named, by ``LevelRow.source``.
HOW: dict[str, str] = {
    "geometry": "where it cuts the sagittal discs",
    "looks": "by the looks of the stack",
    "both": "where it cuts the sagittal discs, and by its looks",
    "given": "given",
}
#: Sources by which a slice was placed among the discs of a sagittal series.
_MEASURED = ("geometry", "both")
#: Flags that put the names of a whole series in doubt, gravest first, and what stands above.
_HEADLINES: dict[str, str] = {
    "level-conflict": "Two readings of the levels differ",
    "level-uncertain": "The levels are not sure",
    "numbering-uncertain": "The levels are not sure",
    "patient-moved": "The patient moved between the series",
    "transitional": "The vertebra at the lumbosacral border may be transitional",
    "possible-l6": "The vertebra at the lumbosacral border may be transitional",
    "possible-sacralised-l5": "The vertebra at the lumbosacral border may be transitional",
    "possible-lumbarised-s1": "The vertebra at the lumbosacral border may be transitional",
}
_FIRST_LUMBAR = VERTEBRAE.index("L1")
#: Part of a step from disc to disc that the disc itself takes, to draw a slice within it by.
_DISC_PART = 0.25
#: Card of the classifier that ships.
_SHIPPED = "level.json"
_GREY = "#8A8A8A"


@dataclass(frozen=True)
class DiscLine:
    """A disc among the axial slices, as a line of a table.

    Attributes
    ----------
    name, colour
        Of the disc.
    place
        Of its best slice, in :attr:`AxialSection.slices`.
    title
        Of that slice.
    slices
        How many lie in the disc.
    confidence, how, looks
        Of the best slice: how sure its name is, how it was found, and what the classifier
        holds it for, with the probability; empty where nothing is said.
    doubtful
        Flagged, or of low confidence.
    """

    name: str
    colour: str
    place: int
    title: str
    slices: int
    confidence: str
    how: str
    looks: str
    doubtful: bool


def disc_lines(section: AxialSection) -> tuple[DiscLine, ...]:
    """The discs that slices of a series lie in, from head to foot."""
    return tuple(
        _disc_line(section, level.name, level.place)
        for level in section.levels
        if section.slices[level.place].name is not None
    )


def _disc_line(section: AxialSection, disc: str, place: int) -> DiscLine:
    one = section.slices[place]
    sure = one.name.confidence if one.name is not None else 0.0
    return DiscLine(
        name=disc,
        colour=level_colour(disc),
        place=place,
        title=one.title,
        slices=sum(other.level == disc for other in section.slices),
        confidence=confidence_text(sure),
        how=one.name.how if one.name is not None else "",
        looks=looks_text(one.looks),
        doubtful=bool(one.reasons) or sure < DOUBTFUL_BELOW,
    )


def looks_text(looks: SliceLooks | None) -> str:
    """What the classifier holds a slice for: ``L4-L5 0.93``; empty where it was not asked."""
    if looks is None:
        return ""
    name, chance = likeliest(looks)
    return f"{name} {confidence_text(chance)}"


def short_class(name: str) -> str:
    """A class of the classifier as the foot of a narrow bar.

    Examples
    --------
    >>> [short_class(name) for name in ("other", "above L1", "L1", "L4-L5", "S1 and below")]
    ['none', '↑', 'L1', '4-5', 'S1↓']
    """
    short = {"other": "none", "above L1": "↑", "S1 and below": "S1↓"}
    upper, _, lower = name.partition("-")
    return short.get(name) or (f"{upper[1:]}-{lower.removeprefix('L')}" if lower else name)


def lumbar_count(names: Iterable[str]) -> int:
    """How many lumbar vertebrae some names count: 5, unless there is an L6 or a disc L4-S1.

    Examples
    --------
    >>> lumbar_count(["L5", "L5-S1"]), lumbar_count(["L6-S1"]), lumbar_count(["L4-S1"])
    (5, 6, 4)
    """
    parts = {part for name in names for part in name.split("-")}
    if "L6" in parts:
        return 6
    return 4 if "L4-S1" in set(names) else 5


def place_of(level: str, within: float | None = None, lumbar: int = 5) -> float | None:
    """Place of a level along the spine; None for what has none.

    Parameters
    ----------
    level
        A vertebra, a disc, or a class of the classifier such as ``S1 and below``.
    within
        From the level's upper (0) to its lower (1) endplate; its middle when None.
    lumbar
        How many lumbar vertebrae there are.

    Examples
    --------
    >>> place_of("L4-L5"), place_of("L4"), place_of("L3", 1.0), place_of("other")
    (4.0, 3.5, 2.875, None)
    >>> place_of("L6-S1", lumbar=6), place_of("S1", lumbar=4), place_of("T12-L1")
    (6.0, 4.5, 0.0)
    """
    upper, _, lower = level.partition("-")
    if upper not in VERTEBRAE:
        return POSITIONS.get(level)
    if upper.startswith("S"):
        middle = lumbar + int(upper[1:]) - 0.5
    elif upper.startswith("T"):
        middle = float(int(upper[1:]) - 12) - 0.5
    else:
        middle = VERTEBRAE.index(upper) - _FIRST_LUMBAR + 0.5
    middle += 0.5 if lower else 0.0
    part = _DISC_PART if lower else 1.0 - _DISC_PART
    return middle + (0.0 if within is None else (within - 0.5) * part)


def likeliest(looks: SliceLooks) -> tuple[str, float]:
    """The most probable class of a slice by its looks, and its probability."""
    chance, name = max(zip(looks.probability, looks.classes, strict=True))
    return name, chance


def level_colour(level: str) -> str:
    """Colour of a level in pictures: that of the vertebra, or of the one above the disc."""
    return VERTEBRA_COLOURS.get(level.partition("-")[0], _GREY)


def slice_name(row: LevelRow, lumbar: int) -> SliceName | None:
    """How a slice was named, as it is printed; None where it was not."""
    place = place_of(row.level, row.within, lumbar)
    if place is None:
        return None
    return SliceName(
        confidence=row.level_confidence,
        how=HOW.get(row.source, row.source),
        measured=row.source in _MEASURED,
        place=place,
        best=row.disc_level if row.best else "",
        sac_mm=(row.x_mm, row.y_mm, row.z_mm),
    )


def looks_of(levels: Levels, series: str) -> dict[tuple[int, int], SliceLooks]:
    """What the classifier says of each slice of a series, by block and slice."""
    return {(one.block, one.slice): one for one in levels.looks if one.series == series}


# A series as a whole ------------------------------------------------------------------


def naming_of(analysis: Analysis, series: str, slices: Sequence[AxialSlice]) -> Naming | None:
    """How the slices of an axial series were named; None where nothing is known of it."""
    numbering = next((n for n in analysis.levels.numbering if n.series == series), None)
    named = [one for one in slices if one.name is not None]
    looked = any(one.looks is not None for one in slices)
    if not named and not looked and numbering is None:
        return None
    found = numbering or Numbering(series, 0.0)
    return Naming(
        title=_headline(found, len(named), len(slices)),
        grave=any(flag in _HEADLINES for flag in found.flags)
        or (numbering is not None and found.confidence < DOUBTFUL_BELOW),
        confidence=None if numbering is None else found.confidence,
        reasons=tuple(flag_text(flag) for flag in found.flags),
        evidence=found.evidence,
        lumbar=lumbar_count(name for one in slices for name in (one.level, one.disc_level)),
        classifier=classifier_facts(analysis.run) if looked else (),
    )


def level_warnings(sections: Sequence[AxialSection]) -> tuple[str, ...]:
    """A sentence for each axial series whose levels are in doubt as a whole."""
    return tuple(
        f"{section.title}: {section.naming.title[0].lower()}{section.naming.title[1:]}; what "
        "speaks for each reading stands with the axial slices."
        for section in sections
        if section.naming is not None and section.naming.grave
    )


def _headline(numbering: Numbering, named: int, count: int) -> str:
    for flag, words in _HEADLINES.items():
        if flag in numbering.flags:
            return words
    if named == 0:
        return "No slice could be named"
    return "Every slice has a name" if named == count else f"{named} of {count} slices have a name"


def classifier_facts(run: Run) -> tuple[str, ...]:
    """What the classifier of an analysis learnt from, and what it is not good for.

    Known of the one that ships alone, by the hash of its weights; any other has a card of its
    own, which is not part of an analysis.
    """
    card = _shipped_card()
    if card is None or card.sha256 not in {weights.sha256 for weights in run.weights}:
        return (
            "The classifier is not the one that ships with OpenLumbar: its card says what it "
            "learnt from. Research use only.",
        )
    sources = ", ".join(source.name for source in card.data)
    learnt = f"The classifier ({card.name} {card.version}) learnt from: {sources}."
    return (learnt, *card.limits, "Research use only.")


def _shipped_card() -> ModelCard | None:
    path = Path(str(resources.files("openlumbar.models"))) / "weights" / _SHIPPED
    return read_card(path) if path.is_file() else None
