"""Masks of other tools, read into our codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE, SACRUM, SPINAL_CANAL, SPINAL_CORD
from openlumbar.core.codes import (
    SPINEPS_BODY,
    SPINEPS_ENDPLATES,
    SPINEPS_SUBREGION_ENDPLATES,
    translate,
)
from openlumbar.core.errors import GeometryError, InputError, OptionError
from openlumbar.core.volume import Volume
from openlumbar.imaging.grids import place_labels
from openlumbar.io.dicom_seg_read import read_segmentation
from openlumbar.io.files import FileKind, kind_of
from openlumbar.io.label_map import read_label_map
from openlumbar.mechanics import LoadsOptions

_NO_SUBREGIONS = (
    "SPINEPS' vertebra mask has no canal, so none is measured and bodies are told from posterior "
    "elements by the gap that it leaves; its subregion mask, given with --subregions, has both"
)


@dataclass(frozen=True)
class MaskOptions:
    """How a mask of another tool is measured.

    Attributes
    ----------
    codes
        A name of :data:`openlumbar.core.codes.SCHEMES`.
    bodies
        A mask, in the same codes, of the vertebral bodies alone; without it they are cut
        off whole vertebrae at the canal's front.
    subregions
        SPINEPS' other mask (``seg-spine``), which has canal, sacrum and bodies.
    series
        Name of the series that the mask is of, where the input has several.
    loads
        How loads are solved; None for none.
    noted
        What else was given: written to ``run.json`` and used for nothing. Never an
        identity or a path.
    """

    codes: str = "openlumbar"
    bodies: Path | None = None
    subregions: Path | None = None
    series: str | None = None
    loads: LoadsOptions | None = field(default_factory=LoadsOptions)
    noted: Mapping[str, str | float | int | None] = field(default_factory=dict)

    def of_another(self) -> MaskOptions:
        """The same for another mask of the exam: what came with the first is not of it."""
        return replace(self, bodies=None, subregions=None, series=None)


@dataclass(frozen=True, eq=False)
class Given:
    """A mask in our codes, on its own grid.

    Attributes
    ----------
    name
        Of its file.
    labels
        ``uint16[k, j, i]`` of codes of :mod:`openlumbar.core.anatomy`.
    bodies
        The vertebral bodies alone, on a grid of their own; None where nobody gave them.
    partly_in_view
        Codes that the mask itself calls partly in view.
    notes
        Sentences for a person.
    """

    name: str
    labels: Volume
    bodies: Volume | None = None
    partly_in_view: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def read_given(mask: Path, options: MaskOptions) -> Given:
    """Read a mask, and what comes with it, into our codes.

    Raises
    ------
    InputError
        As :func:`openlumbar.io.label_map.read_label_map` and
        :func:`openlumbar.core.codes.translate`, or it holds nothing that can be measured.
    OptionError
        Subregions or bodies were given where they do not belong.
    """
    if options.subregions and (options.codes != "spineps" or options.bodies):
        raise OptionError("--subregions goes with --codes spineps, and without --bodies")
    given = _read(mask, options.codes)
    if options.subregions:
        given = _with_subregions(given, options.subregions)
    elif options.codes == "spineps":
        given = replace(given, notes=(*given.notes, _NO_SUBREGIONS))
    if options.bodies:
        given = replace(given, bodies=_read(options.bodies, options.codes).labels)
    _check_measurable(given)
    return given


def _read(path: Path, codes: str) -> Given:
    """One file in our codes."""
    if path.is_file() and kind_of(path) is FileKind.DICOM:
        if codes != "openlumbar":
            raise OptionError(
                f"{path.name}: a DICOM segmentation says itself what it holds; give it with "
                "--codes openlumbar"
            )
        labels, notes = read_segmentation(path)
        return Given(path.name, labels, notes=notes)
    found = read_label_map(path)
    volume = found.volume
    if codes == "spineps":
        volume = volume.with_array(_with_endplates(volume))
    given = _translated(path.name, volume, codes)
    return replace(given, notes=(*found.warnings, *given.notes))


def _translated(name: str, volume: Volume, codes: str) -> Given:
    try:
        found = translate(volume.array, codes, "openlumbar")
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    labels = volume.with_array(found.labels)
    return Given(name, labels, None, found.partly_in_view, found.notes)


def _with_endplates(vertebrae: Volume) -> NDArray[np.uint16]:
    """SPINEPS' vertebra mask with each endplate given to the vertebra that it lies on.

    Its integer (200 + X) is that of the disc between the two, so it does not say which.
    """
    whole = vertebrae.array.copy()
    box = next(iter(ndimage.find_objects((whole > 0).astype(np.uint8))), None)
    codes = whole[box] if box else whole
    endplates, bone = np.isin(codes, SPINEPS_ENDPLATES), (codes > 0) & (codes < 100)
    if endplates.any() and bone.any():
        nearest = ndimage.distance_transform_edt(
            ~bone, sampling=vertebrae.spacing_mm, return_distances=False, return_indices=True
        )
        codes[endplates] = codes[tuple(axis[endplates] for axis in nearest)]
    return whole


def _with_subregions(given: Given, path: Path) -> Given:
    """Add what SPINEPS has in its other mask: bodies, canal, cord, sacrum."""
    found = read_label_map(path).volume
    parts = place_labels(found, given.labels)
    if not parts.same_grid:
        raise GeometryError(
            f"{path.name}: lies on another grid than {given.name}; give both masks of one run"
        )
    others = _translated(path.name, parts.labels, "spineps-subregions").labels.array
    labels = given.labels.array
    added = np.isin(others, (SPINAL_CORD, SPINAL_CANAL, SACRUM)) & (labels == 0)
    labels = np.where(added, others, labels)
    is_body = np.isin(parts.labels.array, (*SPINEPS_BODY, *SPINEPS_SUBREGION_ENDPLATES))
    bodies = np.where(is_body & of_kind(labels, "vertebra"), labels, 0)
    return replace(
        given, labels=given.labels.with_array(labels), bodies=given.labels.with_array(bodies)
    )


def of_kind(labels: NDArray, *kinds: str) -> NDArray[np.bool_]:
    """Where labels are of a kind of structure, as :mod:`openlumbar.core.anatomy` has them."""
    return np.isin(labels, [code for code, entry in BY_CODE.items() if entry.kind in kinds])


def _check_measurable(given: Given) -> None:
    if not of_kind(given.labels.array, "vertebra", "disc", "canal", "muscle").any():
        found = [BY_CODE[int(code)].name for code in np.unique(given.labels.array) if code]
        raise InputError(
            f"{given.name}: holds {', '.join(dict.fromkeys(found))} only; vertebrae, discs, canal "
            "and the muscles beside the lumbar spine are measured"
        )
