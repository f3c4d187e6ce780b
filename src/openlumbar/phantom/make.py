"""A whole phantom exam: by default sagittal T1 and T2, and axial T2 in blocks along the discs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Block, Exam, Series, Subject, Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_write import MrSeries, MrStudy, instance_uids
from openlumbar.phantom.acquire import Scanner, acquire
from openlumbar.phantom.anatomy import Anatomy, AnatomyRanges, sample_anatomy
from openlumbar.phantom.axial_truth import muscles_of, places_of, sacs_of
from openlumbar.phantom.grids import (
    AXIAL_SPREAD,
    AxialFrame,
    SagittalFrame,
    axial_blocks,
    sagittal_grid,
)
from openlumbar.phantom.scene import GridSample, Scene
from openlumbar.phantom.tissue import CHEMICAL, SEQUENCES, Sequence, tissue_signals
from openlumbar.phantom.truth import SeriesTruth, Truth, levels_of

# Stored value of the brightest half percent.
_STORED_WHITE = 1400.0
# Value 3 of DICOM's Image Type.
_PICTURES = {"in phase": "OTHER", "water": "WATER", "fat": "FAT", "opposed": "OUT_PHASE"}
# What intake takes a Dixon picture for: water is a picture without fat.
_CHEMICAL_WEIGHTING = {
    ("water", Weighting.T1): Weighting.T1_FAT_SAT,
    ("water", Weighting.T2): Weighting.T2_FAT_SAT,
    ("fat", Weighting.T1): Weighting.T1,
    ("fat", Weighting.T2): Weighting.T2,
    ("opposed", Weighting.T1): Weighting.T1,
    ("opposed", Weighting.T2): Weighting.T2,
}


@dataclass(frozen=True)
class AxialSet:
    """More axial series, on a grid of their own.

    Attributes
    ----------
    frame
        Where the slices lie.
    contrasts
        One series each.
    """

    frame: AxialFrame
    contrasts: tuple[Weighting, ...]


@dataclass(frozen=True)
class PhantomOptions:
    """What :func:`make_phantom` makes.

    Attributes
    ----------
    anatomy
        Distributions that the anatomy is drawn from.
    sagittal, axial
        Where the slices lie.
    contrasts
        Of the sagittal series, all on one grid.
    axial_contrasts
        Of the axial series, all on one grid; of either plane empty for none.
    more_axial
        Axial series on other grids, after all the others.
    axial_chemical
        Pictures of :data:`openlumbar.phantom.tissue.CHEMICAL` (``water``, ``fat``,
        ``opposed``) to make beside each axial T1 and T2.
    field_t
        0.2 to 3.
    scanner
        Blur, coil, bias and noise.
    thickness
        Of a slice, as part of the distance between slices.
    planes
        Planes through a slice for partial volume (odd).
    sacs
        Whether the truth of axial series holds the dural sac's contours, which take long.
    """

    anatomy: AnatomyRanges = field(default_factory=AnatomyRanges)
    sagittal: SagittalFrame = field(default_factory=SagittalFrame)
    axial: AxialFrame = field(default_factory=AxialFrame)
    contrasts: tuple[Weighting, ...] = (Weighting.T1, Weighting.T2)
    axial_contrasts: tuple[Weighting, ...] = (Weighting.T2,)
    more_axial: tuple[AxialSet, ...] = ()
    axial_chemical: tuple[str, ...] = ()
    field_t: float = 1.5
    scanner: Scanner = field(default_factory=Scanner)
    thickness: float = 0.9
    planes: int = 3
    sacs: bool = True

    def __post_init__(self) -> None:
        more = [weighting for extra in self.more_axial for weighting in extra.contrasts]
        wanted = (*self.contrasts, *self.axial_contrasts, *more)
        unknown = [weighting for weighting in wanted if weighting not in SEQUENCES]
        if unknown:
            raise OptionError(
                f"contrasts holds {unknown[0]}, which the phantom cannot make; "
                f"choose among {', '.join(SEQUENCES)}"
            )
        strange = [name for name in self.axial_chemical if name not in CHEMICAL]
        if strange:
            raise OptionError(
                f"axial_chemical holds {strange[0]!r}; choose among {', '.join(CHEMICAL)}"
            )
        if self.axial_chemical and not {Weighting.T1, Weighting.T2} & {*self.axial_contrasts}:
            raise OptionError("axial_chemical is of axial T1w and T2w; axial_contrasts has neither")
        if not wanted:
            raise OptionError("contrasts and axial_contrasts are both empty; name at least one")
        if self.planes % 2 == 0 or self.planes < 1:
            raise OptionError(f"planes is {self.planes}; it must be odd, 1 or more")


@dataclass(frozen=True, eq=False)
class Phantom:
    """An exam and all that is true of it.

    Attributes
    ----------
    exam
        Series named as intake names them; values of 0 … 4095.
    truth
        Levels, and label maps of each series of ``exam``.
    study, acquisitions
        What the DICOM headers say; one acquisition a series of ``exam``.
    """

    seed: int
    options: PhantomOptions
    anatomy: Anatomy
    exam: Exam
    truth: Truth
    study: MrStudy
    acquisitions: tuple[MrSeries, ...]


def _study(seed: int, anatomy: Anatomy) -> MrStudy:
    return MrStudy(
        entropy=f"openlumbar-phantom-{seed}",
        patient_name=f"Phantom^Seed-{seed}",
        patient_id=f"PHANTOM-{seed}",
        subject=Subject(
            sex=anatomy.sex,
            age_years=float(int(anatomy.age_years)),
            height_m=round(anatomy.height_m, 3),
            mass_kg=round(anatomy.mass_kg, 1),
        ),
        description="Lumbar spine phantom",
    )


def _acquisition(number: int, plane: Plane, sequence: Sequence, thickness_mm: float) -> MrSeries:
    return MrSeries(
        number=number,
        description=f"{plane} {sequence.weighting}",
        tr_ms=sequence.tr_ms,
        te_ms=sequence.te_ms,
        ti_ms=sequence.ti_ms,
        thickness_mm=round(thickness_mm, 3),
        field_t=sequence.field_t,
        echo_train=sequence.echo_train,
        fat_saturated=sequence.fat_saturated,
        flip_deg=sequence.flip_deg or 90.0,
        gradient_echo=sequence.flip_deg > 0,
        picture=_PICTURES[sequence.chemical],
    )


def _sequences(
    contrasts: tuple[Weighting, ...], chemical: tuple[str, ...], field_t: float
) -> list[Sequence]:
    """The usual sequence of each contrast, and then the chemical pictures of T1 and T2."""
    plain = [replace(SEQUENCES[weighting], field_t=field_t) for weighting in contrasts]
    return plain + [
        replace(sequence, chemical=name, weighting=_CHEMICAL_WEIGHTING[name, sequence.weighting])
        for sequence in plain
        for name in chemical
        if (name, sequence.weighting) in _CHEMICAL_WEIGHTING
    ]


def _blocks(
    images: list[np.ndarray], samples: list[GridSample], uids: tuple[str, ...]
) -> tuple[Block, ...]:
    """Stored values of each block with the instances of its slices."""
    blocks, first = [], 0
    for image, sample in zip(images, samples, strict=True):
        stored = np.clip(np.rint(image * _STORED_WHITE), 0, 4095).astype(np.uint16)
        last = first + len(stored)
        blocks.append(Block(Volume(stored, sample.grid.affine), uids[first:last]))
        first = last
    return tuple(blocks)


def _series_truth(
    scene: Scene, plane: Plane, samples: list[GridSample], *, sacs: bool
) -> SeriesTruth:
    """What is true of all series on one grid; it has no series' name yet."""
    regions = tuple(sample.grid.with_array(sample.regions) for sample in samples)
    if plane is not Plane.AXIAL:
        codes = tuple(sample.grid.with_array(sample.spine) for sample in samples)
        return SeriesTruth(series="", codes=codes, regions=regions)
    return SeriesTruth(
        series="",
        codes=tuple(sample.grid.with_array(sample.codes) for sample in samples),
        regions=regions,
        fat=tuple(
            sample.grid.with_array(np.rint(sample.fat_part() * 255).astype(np.uint8))
            for sample in samples
        ),
        muscles=muscles_of(samples),
        sacs=sacs_of(scene, samples) if sacs else (),
        places=places_of(scene.spine, [sample.grid for sample in samples]),
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    """Grids of one plane, and the sequences that image them."""

    plane: Plane
    sequences: list[Sequence]
    grids: tuple[Volume, ...]


@dataclass(frozen=True, eq=False)
class _Imaging:
    """What is needed to make a series: the scene, the person and the source of chance."""

    scene: Scene
    study: MrStudy
    options: PhantomOptions
    rng: np.random.Generator

    def series(
        self, number: int, plane: Plane, sequence: Sequence, samples: list[GridSample]
    ) -> tuple[Series, MrSeries]:
        """Image samples of the phantom with one sequence."""
        acquisition = _acquisition(number, plane, sequence, samples[0].thickness_mm)
        images = self._images(sequence, samples)
        count = sum(len(image) for image in images)
        name = f"series-{number}_{plane}-{sequence.weighting}"
        series = Series(
            name=name,
            plane=plane,
            weighting=sequence.weighting,
            blocks=_blocks(images, samples, instance_uids(count, acquisition, self.study)),
            source="dicom",
            facts={
                "repetition_time_ms": sequence.tr_ms,
                "echo_time_ms": sequence.te_ms,
                "inversion_time_ms": sequence.ti_ms or None,
                "field_strength_t": sequence.field_t,
                "description": acquisition.description,
            },
        )
        return series, acquisition

    def _images(self, sequence: Sequence, samples: list[GridSample]) -> list[NDArray[np.float32]]:
        """A picture of each block; the others cross it."""
        signals, grids = tissue_signals(sequence), [sample.grid for sample in samples]
        return [
            acquire(
                self.scene,
                sample,
                signals,
                self.options.scanner,
                self.rng,
                crossing=[grid for grid in grids if grid is not sample.grid],
            )
            for sample in samples
        ]

    def of_plan(self, plan: _Plan, first: int) -> list[tuple[Series, SeriesTruth, MrSeries]]:
        """Series on one set of grids; numbers run from ``first``."""
        if not plan.sequences:
            return []
        samples = self.sample(plan)
        truth = _series_truth(self.scene, plan.plane, samples, sacs=self.options.sacs)
        made = []
        for number, sequence in enumerate(plan.sequences, first):
            series, acquisition = self.series(number, plan.plane, sequence, samples)
            made.append((series, replace(truth, series=series.name), acquisition))
        return made

    def sample(self, plan: _Plan) -> list[GridSample]:
        """Evaluate the phantom on the grids of a plan."""
        options = self.options
        spread = AXIAL_SPREAD if plan.plane is Plane.AXIAL else 0.0
        return [
            self.scene.sample(
                grid, grid.spacing_mm[0] * options.thickness, options.planes, spread=spread
            )
            for grid in plan.grids
        ]


def make_phantom(seed: int, options: PhantomOptions | None = None) -> Phantom:
    """Make an exam whose anatomy is known exactly.

    Parameters
    ----------
    seed
        The same seed and options give the same phantom, bit for bit.
    options
        What to make; the default is a usual clinical exam: fifteen sagittal slices of
        T1 and of T2, and five blocks of four axial T2 slices.

    Returns
    -------
    Phantom
        Takes about 8 s on one core with the default options.

    Raises
    ------
    OptionError
        The options ask for what cannot be made.
    """
    options = options or PhantomOptions()
    # Apart, so that another grid or contrast does not change the anatomy.
    for_anatomy, for_scene, for_images = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
    )
    anatomy = sample_anatomy(for_anatomy, options.anatomy)
    scene = Scene(anatomy, for_scene)
    imaging = _Imaging(scene, _study(seed, anatomy), options, for_images)
    plans = (
        _Plan(
            Plane.SAGITTAL,
            _sequences(options.contrasts, (), options.field_t),
            (sagittal_grid(scene.spine, options.sagittal),),
        ),
        _Plan(
            Plane.AXIAL,
            _sequences(options.axial_contrasts, options.axial_chemical, options.field_t),
            axial_blocks(scene.spine, options.axial),
        ),
        *(
            _Plan(
                Plane.AXIAL,
                _sequences(extra.contrasts, (), options.field_t),
                axial_blocks(scene.spine, extra.frame),
            )
            for extra in options.more_axial
        ),
    )
    made: list[tuple[Series, SeriesTruth, MrSeries]] = []
    for plan in plans:
        made.extend(imaging.of_plan(plan, len(made) + 1))
    return Phantom(
        seed=seed,
        options=options,
        anatomy=anatomy,
        exam=Exam(series=tuple(series for series, _, _ in made), subject=imaging.study.subject),
        truth=Truth(
            levels=levels_of(scene.spine),
            series=tuple(truth for _, truth, _ in made),
            lordosis_deg=anatomy.lordosis_deg,
            sacral_slope_deg=anatomy.sacral_slope_deg,
        ),
        study=imaging.study,
        acquisitions=tuple(acquisition for _, _, acquisition in made),
    )
