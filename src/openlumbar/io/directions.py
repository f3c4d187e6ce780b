"""What headers say of directions in letters, and whether their numbers agree."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: How each sentence begins that casts doubt on the sides, whichever header it is about.
SIDES_CONTRADICT = "its header contradicts itself about left and right"

#: Letters of DICOM (head, foot) and of ITK (superior, inferior), as LPS directions.
_LETTERS: dict[str, tuple[float, float, float]] = {
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "H": (0, 0, 1),
    "S": (0, 0, 1),
    "F": (0, 0, -1),
    "I": (0, 0, -1),
}
_WORDS = {"L": "left", "R": "right", "P": "back", "A": "front", "H": "head", "F": "foot"}

#: The first letter names the axis that a direction runs along most: its part along that
#: axis is then 0.58 or more. Below this the two name different directions.
_MAIN_PART = 0.3
#: Further letters may stand for a small part, but not for the opposite one.
_OPPOSITE_PART = -0.1


def is_direction(letters: str) -> bool:
    """Tell whether letters name a direction: of the alphabet, and not L and R at once."""
    axes = [int(np.argmax(np.abs(_LETTERS[letter]))) for letter in letters if letter in _LETTERS]
    return bool(letters) and len(axes) == len(letters) == len(set(axes))


def agrees(letters: str, direction: ArrayLike) -> bool:
    """Tell whether letters and numbers can mean the same direction.

    Parameters
    ----------
    letters
        The main direction first (PS3.3 C.7.6.1.1.1); :func:`is_direction` holds.
    direction
        Unit vector, LPS.
    """
    parts = [float(np.dot(_LETTERS[letter], np.asarray(direction, float))) for letter in letters]
    return parts[0] > _MAIN_PART and all(part > _OPPOSITE_PART for part in parts[1:])


def word(direction: ArrayLike) -> str:
    """Name the direction that a vector runs along most.

    >>> word((0.0, 0.2, -0.98))
    'foot'
    """
    return _WORDS[_letter(direction)]


def words(letters: str) -> str:
    """Spell letters out: ``AF`` is ``front and foot``.

    >>> words("AF")
    'front and foot'
    """
    return " and ".join(word(_LETTERS[letter]) for letter in letters)


def side_flags(warnings: Iterable[str]) -> tuple[str, ...]:
    """Flags of a series whose warnings are these: ``left-right-doubtful``, or none.

    >>> side_flags([f"{SIDES_CONTRADICT}: Laterality names both"])
    ('left-right-doubtful',)
    >>> side_flags(["the weighting cannot be told from the header"])
    ()
    """
    doubtful = any(sentence.startswith(SIDES_CONTRADICT) for sentence in warnings)
    return ("left-right-doubtful",) if doubtful else ()


def letters_contradict(code: str, axes: ArrayLike) -> bool:
    """Tell whether a three-letter code such as ``RAI`` contradicts the axes of a volume.

    MetaImage's documentation has a letter name the end that an axis runs towards, ITK
    the end that it comes from, and both are written. A code that is right for all axes
    in one of the two readings contradicts nothing.

    Parameters
    ----------
    code
        One letter an axis of the file; anything else (``???``) says nothing.
    axes
        ``3 x 3``, the unit vectors of the file's axes as columns, LPS.
    """
    if len(code) != 3 or not is_direction(code):
        return False
    columns = np.asarray(axes, float).T
    return not (_all_agree(code, columns) or _all_agree(code, -columns))


def _all_agree(code: str, directions: NDArray[np.float64]) -> bool:
    pairs = zip(code, directions, strict=True)
    return all(agrees(letter, direction) for letter, direction in pairs)


def _letter(direction: ArrayLike) -> str:
    vector = np.asarray(direction, float)
    axis = int(np.abs(vector).argmax())
    return ("LPH" if vector[axis] > 0 else "RAF")[axis]
