"""What is said of the names in a series that is stored upside down or back to front."""

from __future__ import annotations

from dataclasses import replace

from openlumbar.level.naming import SeriesLevels

_FLAGS = ("upside-down", "numbering-uncertain")


def mark_turned(levels: SeriesLevels, turn: str) -> SeriesLevels:
    """Take back all trust in the names of a series that is stored turned.

    Parameters
    ----------
    levels
        As :func:`~openlumbar.level.naming.name_levels` gives them.
    turn
        How the series is turned, as the evidence says it: ``by 180°``.

    Returns
    -------
    SeriesLevels
        The same names and masks, with confidence 0 and ``upside-down`` on the numbering and
        on every row, so that nothing is measured.
    """
    numbering = levels.numbering
    sentence = (
        f"Turned {turn}, the picture shows the network a sacrum that it does not find as the "
        "header has it: the picture is stored against its header."
    )
    return replace(
        levels,
        rows=tuple(
            replace(row, level_confidence=0.0, flags=_with_turned(row.flags)) for row in levels.rows
        ),
        numbering=replace(
            numbering,
            confidence=0.0,
            flags=_with_turned(numbering.flags),
            evidence=(sentence, *numbering.evidence),
        ),
    )


def _with_turned(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_FLAGS, *flags)))
