"""The typeface of everything that is printed, and what it cannot write.

Source Sans Pro (PyPI ``font-source-sans-pro``, SIL Open Font License) has figures of one
width, a true semibold, and Latin, Greek and Cyrillic; it is legible at the 7 points of a
label beside a ruler, where the serif that typst brings is not, and narrower than DejaVu
Sans, which comes with matplotlib and stands in for the few signs that it lacks. Both are
files of Python packages: a report looks the same on every machine, with no fonts installed.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

#: In the order in which a sign is looked for.
FAMILIES: tuple[str, ...] = ("Source Sans Pro", "DejaVu Sans")


def font_folders() -> tuple[Path, ...]:
    """Folders that hold the files of :data:`FAMILIES`, in their order."""
    source_sans = _package("font_source_sans_pro") / "files"
    dejavu = _package("matplotlib") / "mpl-data" / "fonts" / "ttf"
    return source_sans, dejavu


def legible(text: str) -> str:
    """A text with each sign that no font of ours has written as its number.

    PDF/A allows no missing sign, and a box in place of a name would tell nobody anything.

    Examples
    --------
    >>> legible("L4-L5: 9.8 ± 0.3 mm"), legible("\u7532_T2w")
    ('L4-L5: 9.8 ± 0.3 mm', '[U+7532]_T2w')
    """
    known = _signs()
    return "".join(sign if ord(sign) in known else f"[U+{ord(sign):04X}]" for sign in text)


@cache
def _signs() -> frozenset[int]:
    # Late: matplotlib is needed where something is drawn or printed, and nowhere else.
    from matplotlib.ft2font import FT2Font

    source_sans, dejavu = font_folders()
    files = (source_sans / "SourceSansPro-Regular.ttf", dejavu / "DejaVuSans.ttf")
    signs = {code for file in files for code in FT2Font(str(file)).get_charmap()}
    return frozenset(code for code in signs if code >= 0x20) - {0x7F, 0xAD}


@cache
def _package(name: str) -> Path:
    """Folder of an installed package, which need not be imported for it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {name}, a dependency of OpenLumbar, is missing")
    return Path(spec.origin).parent
