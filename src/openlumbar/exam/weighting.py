"""Image contrast from how a series was acquired; its description only breaks ties."""

from __future__ import annotations

import re

from openlumbar.core.exam import Weighting
from openlumbar.io.dicom_header import Acquisition

# Spin-echo limits, ms. Textbook ranges; all 330 lumbar series of SPIDER with their TR
# and TE (7.0 … 13.8 ms at TR 446 … 746 for T1, 80 … 124 ms at TR 1000 … 5570 for T2)
# lie well inside of them (tests/exam/test_weighting.py).
T1_MAX_TR_MS = 1300.0
SHORT_TE_MS = 35.0
LONG_TE_MS = 60.0

# Inversion times, ms: fat is nulled near 0.69 × its T1 (150 … 230 ms at 1.5 and 3 T);
# T1 FLAIR inverts for several hundred ms; fluid is nulled from about 1700 ms up.
STIR_TI_MS = (80.0, 300.0)
T1_FLAIR_MAX_TI_MS = 1500.0

_FAT_SAT_OPTIONS = {"FS", "SFS", "FATSAT", "FAT_SAT", "SPIR", "SPAIR", "WE", "CHESS"}
_FAT_SAT = {Weighting.T1: Weighting.T1_FAT_SAT, Weighting.T2: Weighting.T2_FAT_SAT}

#: Words of a description or a file name, lower case, the telling ones first.
_WORDS: tuple[tuple[str, Weighting], ...] = (
    (r"stir|tirm", Weighting.STIR),
    (r"t2star\w*|t2\*|medic|merge|ffe2d", Weighting.T2_STAR),
    (r"t1w?|t1flair", Weighting.T1),
    (r"t2w?|space|cube|vista", Weighting.T2),
    (r"pdw?|pd", Weighting.PD),
)
_FAT_SAT_WORDS = r"fs|fatsat|fat_sat|spir|spair|dixon_w|water"

_BIDS_SUFFIXES = {
    "T1w": Weighting.T1,
    "T2w": Weighting.T2,
    "PDw": Weighting.PD,
    "STIR": Weighting.STIR,
    "T2starw": Weighting.T2_STAR,
}


def weighting_of(acquisition: Acquisition) -> Weighting:
    """Name the contrast of a DICOM series.

    Parameters
    ----------
    acquisition
        Header facts; times in ms.

    Returns
    -------
    Weighting
        From the inversion time, then echo and repetition time, then fat suppression;
        what these leave open is decided by the description, else ``unknown``.
    """
    told = weighting_from_words(acquisition.description)
    base = _base(acquisition)
    if base is Weighting.UNKNOWN:
        base = told
    if _is_stir(acquisition, base, told):
        return Weighting.STIR
    return _FAT_SAT.get(base, base) if _is_fat_suppressed(acquisition) else base


def _is_stir(acquisition: Acquisition, base: Weighting, told: Weighting) -> bool:
    """Tell a short inversion; without an inversion time the description may say so.

    An inversion recovery whose TI is not in the header cannot be told from its TR and
    TE, so there the description (or the vendor's sequence name ``tir``) breaks the tie.
    """
    low, high = STIR_TI_MS
    if acquisition.ti_ms is not None:
        return low <= acquisition.ti_ms <= high and base is not Weighting.T2_STAR
    inverted = "IR" in acquisition.scanning_sequence or "tir" in acquisition.sequence_name.lower()
    named = told is Weighting.STIR or acquisition.contrast == "STIR"
    return named and (inverted or base in (Weighting.T2, Weighting.PD, Weighting.STIR))


def _base(acquisition: Acquisition) -> Weighting:
    """Contrast from timing alone, fat suppression aside."""
    if _is_gradient_echo(acquisition):
        return _gradient_echo(acquisition)
    if acquisition.te_ms is None:
        return Weighting.UNKNOWN
    long_inversion = (acquisition.ti_ms or 0) > STIR_TI_MS[1]
    if long_inversion and (acquisition.ti_ms or 0) < T1_FLAIR_MAX_TI_MS:
        return Weighting.T1 if acquisition.te_ms < LONG_TE_MS else Weighting.T2
    return _spin_echo(acquisition.te_ms, acquisition.tr_ms)


def _spin_echo(te_ms: float, tr_ms: float | None) -> Weighting:
    if te_ms >= LONG_TE_MS:
        return Weighting.T2
    if tr_ms is None:
        return Weighting.UNKNOWN
    if tr_ms <= T1_MAX_TR_MS:
        return Weighting.T1 if te_ms <= SHORT_TE_MS else Weighting.UNKNOWN
    return Weighting.PD if te_ms <= SHORT_TE_MS else Weighting.UNKNOWN


def _is_gradient_echo(acquisition: Acquisition) -> bool:
    return "GR" in acquisition.scanning_sequence and "SE" not in acquisition.scanning_sequence


def _gradient_echo(acquisition: Acquisition) -> Weighting:
    """T1 when spoiled or short; T2* when the echo is late or the flip angle small."""
    te_ms, flip = acquisition.te_ms, acquisition.flip_deg
    if te_ms is None:
        return Weighting.UNKNOWN
    if te_ms >= 10 or (flip is not None and flip < 35 and (acquisition.tr_ms or 0) > 200):
        return Weighting.T2_STAR
    steady = "SS" in acquisition.sequence_variant and "SP" not in acquisition.sequence_variant
    return Weighting.UNKNOWN if steady else Weighting.T1


def _is_fat_suppressed(acquisition: Acquisition) -> bool:
    if set(acquisition.scan_options) & _FAT_SAT_OPTIONS:
        return True
    if acquisition.fat_suppression in ("FAT", "FAT_AND_WATER"):
        return True
    water = {"W", "WATER"} & set(acquisition.image_type[2:])
    return bool(water)


def weighting_from_words(text: str) -> Weighting:
    """Read the contrast from a description such as ``SAG T2 TSE``; ``unknown`` when silent."""
    words = re.sub(r"[^a-z0-9*]+", " ", text.lower())
    for pattern, weighting in _WORDS:
        if re.search(rf"(?:^|\s)(?:{pattern})(?:$|\s)", words):
            return _with_fat_saturation(weighting, words)
    return Weighting.UNKNOWN


def _with_fat_saturation(weighting: Weighting, words: str) -> Weighting:
    suppressed = re.search(rf"(?:^|\s)(?:{_FAT_SAT_WORDS})(?:$|\s)", words)
    return _FAT_SAT.get(weighting, weighting) if suppressed else weighting


def weighting_from_name(stem: str) -> Weighting:
    """Read the contrast from a file name: the BIDS suffix, else a word such as ``t2``.

    Parameters
    ----------
    stem
        File name without its extension: ``sub-01_acq-sag_T2w``.
    """
    suffix = stem.rsplit("_", 1)[-1]
    return _BIDS_SUFFIXES.get(suffix) or weighting_from_words(stem)
