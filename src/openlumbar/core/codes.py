"""Translators between our integer codes and those of other tools.

A scheme says what each of its integers is, in the terms of :mod:`openlumbar.core.anatomy`
(``L4``, ``L4-L5``, ``spinal canal``); two schemes meet in those names. The facts were read
here, in 2026:

================ ==========================================================================
TotalSpineSeg    github.com/neuropoly/totalspineseg: ``totalspineseg/resources/labels_maps/
                 tss_map.json`` (with L6 and L7) and the README's list of classes. Its canal
                 leaves out the cord, which has a code of its own.
SPIDER           "SPIDER Baseline IIS" on grand-challenge.org and van der Graaf et al. 2024:
                 1 … 25 vertebrae from below (L5 = 1), 101 … 125 the same when partly in
                 view, 201 … 225 the disc below each, 100 the canal. The first 24 of each are
                 read the same way in TotalSpineSeg's ``resources/labels_maps/spider.json``.
SPINEPS          github.com/Hendrik-code/spineps: README, "Labels", and
                 ``spineps/phase_post.py`` (``add_ivd_ep_vert_label``: 100 + X is the disc
                 below vertebra X; ``label_instance_top_to_bottom``: without its labelling
                 model vertebrae are counted from the top of the picture); names of the
                 integers: github.com/Hendrik-code/TPTBox, ``TPTBox/core/vert_constants.py``
                 (T13 = 28, S1 = 26, S2 … S6 = 29 … 33; 26 is the whole sacrum where the
                 others are absent).
MuscleMap        github.com/MuscleMap/MuscleMap: ``docs/muscle-anatomy.md``; the older codes
                 1 … 8 in ``scripts/models/abdomen/contrast_agnostic_abdomen_model.json``.
nnU-Net          asks for consecutive integers from 0 on; which is what is ours to choose.
================ ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.core.errors import InputError, OptionError

#: What an integer is, by integer; and back.
Names = Mapping[int, str]
Codes = Mapping[str, int]

_THORACIC = tuple(f"T{n}" for n in range(1, 13))
_LUMBAR = tuple(f"L{n}" for n in range(1, 6))
_CERVICAL = tuple(f"C{n}" for n in range(1, 8))
_SACRAL = tuple(f"S{n}" for n in range(1, 7))
#: From below, as SPIDER counts.
_UPWARD = (*_LUMBAR[::-1], *_THORACIC[::-1], *_CERVICAL[::-1])

#: A part that a scheme may know only as part of the whole.
_WHOLE = {"S1": "sacrum", "S2": "sacrum"}

SPINEPS_SACRUM = 26
#: In SPINEPS' vertebra mask the disc below vertebra X is 100 + X, its endplates 200 + X.
SPINEPS_ENDPLATES = range(201, 240)
#: In SPINEPS' subregion mask: the vertebral body, and its endplates, whole or in two.
SPINEPS_BODY = (49, 50)
SPINEPS_SUBREGION_ENDPLATES = (52, 53, 62)


@dataclass(frozen=True)
class Scheme:
    """What a tool's integers mean.

    Attributes
    ----------
    name
        As on the command line.
    title
        As in a sentence.
    names
        From the codes that occur in a mask to the name of each code of the scheme: in some
        schemes what one code means depends on whether another is there.
    codes
        From the names that occur in a mask to the code of each name; the same freedom.
    partly
        Codes that also say that the structure is only partly in view.
    remark
        What reading such a mask takes for granted; a sentence, or empty.
    """

    name: str
    title: str
    names: Callable[[Collection[int]], Names]
    codes: Callable[[Collection[str]], Codes]
    partly: frozenset[int] = frozenset()
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Translation:
    """A label map in another scheme.

    Attributes
    ----------
    labels
        ``uint16`` of the shape given; 0 is background.
    names
        Of the codes in ``labels``.
    partly_in_view
        Codes in ``labels`` of structures that the source calls partly in view.
    notes
        Sentences for a person: what was left out, merged or assumed.
    """

    labels: NDArray[np.uint16]
    names: Names
    partly_in_view: frozenset[int]
    notes: tuple[str, ...]


def _disc(upper: str, lower: str) -> str:
    """Name of the disc between two vertebrae; the one above S1 is L5-S1 in every table."""
    return "L5-S1" if lower == "S1" else f"{upper}-{lower}"


def _fixed(names: Names) -> tuple[Callable[..., Names], Callable[..., Codes]]:
    """Both directions of a table that does not depend on what occurs."""
    codes = {name: code for code, name in names.items()}
    return lambda present: names, lambda present: codes


def _full_name(structure: anatomy.Structure) -> str:
    return f"{structure.name} {structure.side}" if structure.side else structure.name


_OURS = {structure.code: _full_name(structure) for structure in anatomy.STRUCTURES}

_TOTALSPINESEG = {
    1: "spinal cord",
    2: "spinal canal",
    **{10 + n: f"C{n}" for n in range(1, 8)},
    **{20 + n: f"T{n}" for n in range(1, 13)},
    **{40 + n: f"L{n}" for n in range(1, 8)},
    50: "sacrum",
    **{61 + n: f"C{n}-C{n + 1}" for n in range(2, 7)},
    71: "C7-T1",
    **{71 + n: f"T{n}-T{n + 1}" for n in range(1, 12)},
    91: "T12-L1",
    **{91 + n: f"L{n}-L{n + 1}" for n in range(1, 5)},
    100: "L5-S1",
}


def _upward(present: Collection[str]) -> tuple[str, ...]:
    """Vertebrae from below, with those in between that most people do not have."""
    sixth = ("L6",) if "L6" in present or "L5-L6" in present else ()
    return (*sixth, *_LUMBAR[::-1], *(("T13",) if "T13" in present else ()), *_UPWARD[5:])


def _spider_names(present: Collection[int]) -> Names:
    below = ("S1", *_UPWARD)
    return {
        100: "spinal canal",
        **{n + 1: name for n, name in enumerate(_UPWARD)},
        **{n + 101: name for n, name in enumerate(_UPWARD)},
        **{n + 201: _disc(name, below[n]) for n, name in enumerate(_UPWARD)},
    }


def _spider_codes(present: Collection[str]) -> Codes:
    chain = _upward(present)
    below = ("S1", *chain)
    return {
        "spinal canal": 100,
        **{name: n + 1 for n, name in enumerate(chain)},
        **{_disc(name, below[n]): n + 201 for n, name in enumerate(chain)},
    }


#: Top down, with SPINEPS' integers.
_SPINEPS_VERTEBRAE = {n + 1: name for n, name in enumerate((*_CERVICAL, *_THORACIC, *_LUMBAR))}


def _spineps_names(present: Collection[int]) -> Names:
    has_l6, has_t13 = bool({25, 125} & set(present)), bool({28, 128} & set(present))
    in_segments = any(code in present for code in range(29, 34))
    vertebrae = _SPINEPS_VERTEBRAE | {25: "L6", SPINEPS_SACRUM: "S1", 28: "T13", 29: "S2"}
    with_disc = [code for code in vertebrae if code != 25 or has_l6]  # one disc above S1
    below = {upper: vertebrae[code + 1] for code, upper in _SPINEPS_VERTEBRAE.items()}
    below |= {"L5": "L6" if has_l6 else "S1", "L6": "S1", "S1": "S2", "S2": "S3"}
    below |= {"T12": "T13" if has_t13 else "L1", "T13": "L1"}
    return {
        **vertebrae,
        SPINEPS_SACRUM: "S1" if in_segments else "sacrum",
        27: "coccyx",
        **dict.fromkeys(range(30, 34), "sacrum"),
        **{100 + code: _disc(vertebrae[code], below[vertebrae[code]]) for code in with_disc},
        **dict.fromkeys(SPINEPS_ENDPLATES, "endplates"),
    }


def _spineps_codes(present: Collection[str]) -> Codes:
    """Vertebrae and discs; the sacrum is one, as SPINEPS paints it."""
    special = {25 for name in ("L6", "L5-L6") if name in present}
    special |= {28} if "T13" in present else set()
    names = _spineps_names(special)
    single = {name: code for code, name in names.items() if name not in ("endplates", "S2")}
    return single | {"sacrum": SPINEPS_SACRUM}


_SUBREGIONS = {
    60: "spinal cord",
    61: "spinal canal",
    SPINEPS_SACRUM: "sacrum",
    100: "disc of unknown level",
    **dict.fromkeys(range(40, 51), "vertebra of unknown level"),
    **dict.fromkeys(SPINEPS_SUBREGION_ENDPLATES, "endplates"),
}


def _subregion_codes(present: Collection[str]) -> Codes:
    """A vertebra whose parts are not told apart is 40, ``Vertebra_Full``."""
    discs = [s.name for s in anatomy.STRUCTURES if s.kind == "disc"]
    vertebrae = [s.name for s in anatomy.STRUCTURES if s.kind == "vertebra"]
    return {
        **dict.fromkeys(vertebrae, 40),
        **dict.fromkeys(discs, 100),
        **dict.fromkeys(("sacrum", "S1", "S2"), SPINEPS_SACRUM),
        "spinal cord": 60,
        "spinal canal": 61,
    }


#: MuscleMap's structures near the lumbar spine that have a left (code + 1) and a right (+ 2).
_SIDED = {
    5100: "multifidus",
    5110: "erector spinae",
    5120: "psoas",
    5130: "quadratus lumborum",
    5140: "latissimus dorsi",
    6100: "gluteus minimus",
    6110: "gluteus medius",
    6120: "gluteus maximus",
    6130: "tensor fasciae latae",
    6140: "iliacus",
    6150: "ilium",
    6170: "femur",
    6180: "piriformis",
    6190: "pectineus",
    6200: "obturator internus",
    6210: "obturator externus",
    6220: "gemelli and quadratus femoris",
}
#: The same of those in neck, shoulder, thorax, thigh and leg.
_FAR = (
    *range(1100, 1170, 10),
    *(2100, 2110, 2120, 2140, 4100),
    *range(7100, 7230, 10),
    *range(8100, 8170, 10),
)
_MUSCLEMAP = {
    **{base + 1: f"{name} left" for base, name in _SIDED.items()},
    **{base + 2: f"{name} right" for base, name in _SIDED.items()},
    **{base + side: "structures of other regions" for base in _FAR for side in (1, 2)},
    6160: "sacrum",
}
#: The model of the abdomen that came before: odd on the right.
_OLD_MUSCLEMAP = {
    2 * n + number: f"{name} {side}"
    for n, name in enumerate(list(_SIDED.values())[:4])
    for number, side in ((1, "right"), (2, "left"))
}

#: nnU-Net's integer of a structure is its place here, from 1 on. Append, never insert:
#: masks that people have keep their meaning.
_NNUNET_ORDER = (
    *(anatomy.SPINAL_CORD, anatomy.SPINAL_CANAL),
    *range(21, 34),
    *range(41, 47),
    *(51, 52, anatomy.SACRUM),
    *range(72, 83),
    *range(91, 97),
    *(100, 101, anatomy.UNKNOWN_VERTEBRA, anatomy.UNKNOWN_DISC),
    *(5101, 5102, 5111, 5112, 5121, 5122, 5131, 5132),
)
_NNUNET = {n: _OURS[code] for n, code in enumerate(_NNUNET_ORDER, 1)}

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("openlumbar", "OpenLumbar", *_fixed(_OURS)),
        Scheme("totalspineseg", "TotalSpineSeg", *_fixed(_TOTALSPINESEG)),
        Scheme("spineps", "SPINEPS", _spineps_names, _spineps_codes),
        Scheme(
            "spineps-subregions",
            "SPINEPS' subregion mask",
            lambda present: _SUBREGIONS,
            _subregion_codes,
        ),
        Scheme(
            "spider",
            "SPIDER",
            _spider_names,
            _spider_codes,
            partly=frozenset(range(101, 125)),
            remark="SPIDER counts from below; five lumbar vertebrae and twelve thoracic ones are "
            "assumed, so names may be off by one",
        ),
        Scheme(
            "musclemap",
            "MuscleMap",
            lambda present: _MUSCLEMAP | _OLD_MUSCLEMAP,
            lambda present: {name: code for code, name in _MUSCLEMAP.items()},
        ),
        Scheme("nnunet", "nnU-Net", *_fixed(_NNUNET)),
    )
}


def translate(labels: NDArray, source: str, target: str) -> Translation:
    """Write a label map in another scheme's integers.

    Parameters
    ----------
    labels
        Integers of 0 … 65535, any shape; 0 is background.
    source, target
        Names of :data:`SCHEMES`; the same twice checks the map.

    Returns
    -------
    Translation
        What ``target`` has no code for is left out and named in a note.

    Raises
    ------
    OptionError
        There is no such scheme.
    InputError
        The map is empty, is of another scheme than ``source``, or holds nothing that
        ``target`` has a code for.

    Examples
    --------
    >>> import numpy as np
    >>> found = translate(np.array([0, 1, 201, 100]), "spider", "openlumbar")
    >>> found.labels.tolist()
    [0, 45, 100, 2]
    """
    given, wanted = scheme(source), scheme(target)
    present = tuple(int(code) for code in np.unique(labels) if code)
    names = _names_in(present, given)
    table, notes = _table(names, wanted)
    lookup = np.zeros(max(present) + 1, np.uint16)
    lookup[list(table)] = list(table.values())
    partly = frozenset(table[code] for code in given.partly & set(table))
    unknown = [code for code in present if code not in names]
    remarks = [given.remark] if given.remark else []
    if unknown:
        remarks.append(f"left out: {_listed(unknown)} not in the table of {given.title}")
    if wanted.remark and {"L6", "T13"} & set(names.values()):
        remarks.append(f"the codes of {wanted.title} above L6 or T13 are one higher than usual")
    return Translation(
        labels=lookup[labels],
        names={number: _name_of(number, wanted, table, names) for number in table.values()},
        partly_in_view=partly,
        notes=(*remarks, *notes),
    )


def scheme(name: str) -> Scheme:
    """Look a scheme up.

    Raises
    ------
    OptionError
        There is none of that name.
    """
    if name not in SCHEMES:
        raise OptionError(f"there are no codes named '{name}'; choose {_or(SCHEMES)}")
    return SCHEMES[name]


def fitting(present: Collection[int]) -> tuple[str, ...]:
    """Names of the schemes that know each of these codes."""
    return tuple(
        name for name, other in SCHEMES.items() if set(present) <= other.names(present).keys()
    )


def _names_in(present: tuple[int, ...], given: Scheme) -> Names:
    """Name the codes that occur, or say why this cannot be the right scheme."""
    if not present:
        raise InputError("the mask is empty: all of it is 0")
    known = given.names(present)
    unknown = [code for code in present if code not in known]
    others = [name for name in fitting(present) if name != given.name] if unknown else []
    if others:
        raise InputError(
            f"{_listed(unknown)} not in the table of {given.title}, and all of the mask's codes "
            f"are in that of {_or(others)}; say which it is"
        )
    if 2 * len(unknown) > len(present):
        raise InputError(
            f"most of the mask's codes ({_numbers(present)}) are not in the table of "
            f"{given.title}; say which codes they are"
        )
    if given.name in _CHECKS:
        _CHECKS[given.name](present)
    return {code: known[code] for code in present if code in known}


def _check_named(present: tuple[int, ...]) -> None:
    """SPINEPS without its labelling model counts from the top of the picture."""
    lumbar = any(20 <= code <= 25 for code in present)
    if SPINEPS_SACRUM in present and not lumbar and any(code < 20 for code in present):
        raise InputError(
            "SPINEPS counted the vertebrae from the top of the picture and named none (there is a "
            "sacrum and no L1 … L5); run it with its labelling model (-model_labeling)"
        )


def _check_levelled(present: tuple[int, ...]) -> None:
    """1, 2, 3 are often vertebrae, discs and canal as such, and would be L5, L4 and L3."""
    if max(present) < 100:
        raise InputError(
            f"SPIDER's masks have the canal (100) and discs (201 …), this one only "
            f"{_numbers(present)}; say which codes they are"
        )


_CHECKS: dict[str, Callable[[tuple[int, ...]], None]] = {
    "spineps": _check_named,
    "spider": _check_levelled,
}


def _table(names: Names, wanted: Scheme) -> tuple[dict[int, int], list[str]]:
    """From the codes that occur to those of the target, and what that lost.

    Raises
    ------
    InputError
        Nothing is left.
    """
    codes = wanted.codes(set(names.values()))
    table: dict[int, int] = {}
    lost, merged = [], []
    for code, name in names.items():
        whole = _WHOLE.get(name, "")
        if name in codes:
            table[code] = codes[name]
        elif whole in codes:
            table[code] = codes[whole]
            merged.append(name)
        else:
            lost.append(name)
    if not table:
        raise InputError(
            f"{wanted.title} has no code for any of the mask's structures "
            f"({_few(lost)}); its codes fit {_or(fitting(tuple(names)))}"
        )
    notes = []
    if merged:
        notes.append(
            f"{' and '.join(merged)} became part of the sacrum in the codes of {wanted.title}"
        )
    if lost:
        few, one = _few(lost), len(set(lost)) == 1
        what = "1 structure" if one else f"{len(set(lost))} structures"
        notes.append(f"left out: {what} ({few}): {wanted.title} has no code for {_it(one)}")
    return table, [*notes, *_shared(table, names)]


def _shared(table: Mapping[int, int], names: Names) -> list[str]:
    """Say which integers now stand for several structures (other than the sacrum)."""
    groups: dict[int, list[str]] = {}
    for code, number in table.items():
        groups.setdefault(number, []).append(names[code])
    return [
        f"{_few(group)} now share the code {number}"
        for number, group in groups.items()
        if len(set(group)) > 1 and not {*group} <= {"sacrum", *_WHOLE}
    ]


def _name_of(number: int, wanted: Scheme, table: Mapping[int, int], names: Names) -> str:
    """What a code of the result is called; parts of one whole by the whole's name."""
    own = {names[code] for code, other in table.items() if other == number}
    known = wanted.names(tuple(table.values()))
    return next(iter(own)) if len(own) == 1 else known[number]


def _listed(codes: Iterable[int]) -> str:
    numbers = list(codes)
    return f"code {numbers[0]} is" if len(numbers) == 1 else f"codes {_numbers(numbers)} are"


def _numbers(codes: Iterable[int]) -> str:
    return _few([str(code) for code in codes])


def _few(words: Iterable[str], most: int = 12) -> str:
    """The words, each once, and how many more there are."""
    once = list(dict.fromkeys(words))
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return ", ".join(once[:most]) + more


def _or(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _it(one: bool) -> str:
    return "it" if one else "them"
