"""Muscles of an exam beside those of the base model, and what they do to the loads.

    python benchmarks/measured_muscles.py OUT

``OUT`` is an output folder of ``openlumbar analyze`` (or ``demo``). The first table: of each
muscle, disc and side the measured area normal to the fibres, that of the base model (scaled to the
person, with the person's spine), their ratio, the centroid's place from the middle of the disc,
forward and to the right, measured and in the base model, and what is left between them once the
model's paths were moved. The second: compression at the discs of models with more and less of
that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from openlumbar.io.analysis import Analysis
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.fit_muscles import (
    NOT_COMPARED,
    MuscleOptions,
    slice_planes,
    with_muscles,
)
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import MEASURED_GROUPS, Array, Model, Posture
from openlumbar.mechanics.muscles import MeasuredMuscles, measured_muscles
from openlumbar.mechanics.reactions import joint_loads
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.sections import LEVELS, SIDES, Sections, crossing
from openlumbar.mechanics.solve import solve
from openlumbar.mechanics.spine import measured_spine
from openlumbar.mechanics.standing import standing_spine
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.subject import person_of
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import DEFAULT_TASKS, load_task, posture_of


def evidence_of(out: str) -> tuple[Model, MeasuredMuscles]:
    """The base model with the person's size and spine, and the person's muscles."""
    analysis = Analysis.load(out)
    who, rows = analysis.exam.subject, analysis.levels.rows
    base = base_model("F" if who.sex == "F" else "M")
    person = person_of(who, base.height_m, base.mass_kg)
    base = scaled(base, person.height_m, person.mass_kg)
    spine = measured_spine(analysis.measurements, rows, base)
    model = with_spine(base, standing_spine(spine))
    return model, measured_muscles(analysis.measurements, rows, spine)


def table(model: Model, measured: MeasuredMuscles) -> Iterator[str]:
    """Measured and base model's sections, and what is left after fitting."""
    before = _sections(model, model, measured)
    after = _sections(model, with_muscles(model, measured).model, measured)
    yield f"{'':31}  area, cm2              forward, mm           right, mm"
    heads = f"  {'meas.':>7}{'base':>7}{'left':>6}"
    yield f"{'':31}  {'meas.':>6}{'base':>6}{'ratio':>6}{heads}{heads}"
    normals, left = _normals(model, measured), []
    for g, s, k in np.argwhere(np.isfinite(measured.csa_cm2)).tolist():
        slope = abs(float(normals[g, s, k] @ before.direction[g, s, k]))
        area, own = slope * measured.csa_cm2[g, s, k], before.area_cm2[g, s, k]
        line = f"{MEASURED_GROUPS[g]:18} {LEVELS[k]:6} {SIDES[s]:5}  {area:6.1f}{own:6.1f}"
        line += f"{area / own:6.2f}" if own > 0 else f"{'-':>6}"
        wanted = measured.place_mm[g, s, k]
        was, now = (1000 * of.offset_m[g, s, k] for of in (before, after))
        for axis in (0, 2):
            line += f"  {wanted[axis]:7.1f}{was[axis]:7.1f}{wanted[axis] - now[axis]:6.1f}"
        compared = (MEASURED_GROUPS[g], LEVELS[k]) not in NOT_COMPARED
        if compared:
            left.append((wanted - now)[[0, 2]])
        yield line + ("" if compared else "  not compared")
    forward, right = np.sqrt(np.nanmean(np.square(left), axis=0))
    yield f"left, root mean square of {len(left)}: {forward:.1f} mm forward, {right:.1f} mm right"


def _normals(model: Model, measured: MeasuredMuscles) -> Array:
    return slice_planes(model, place(model, Posture()), measured).normals


def _sections(of: Model, model: Model, measured: MeasuredMuscles) -> Sections:
    """Of ``model``, by the planes as they lie in ``of``."""
    planes = slice_planes(of, place(of, Posture()), measured)
    return crossing(model, place(model, Posture()), planes)


def models(model: Model, measured: MeasuredMuscles) -> Iterator[tuple[str, Model]]:
    """Models with more and less of the measured muscles."""
    yield "base model's muscles", model
    for name, options in (
        ("areas", MuscleOptions(move_paths=False)),
        ("paths", MuscleOptions(scale_forces=False)),
        ("areas and paths", MuscleOptions()),
        ("lean areas and paths", MuscleOptions(area="lean")),
    ):
        yield name, with_muscles(model, measured, options).model
    for shift in (-5.0, 5.0):
        moved = replace(measured, place_mm=measured.place_mm + np.array([shift, 0.0, 0.0]))
        yield f"all paths {shift:+.0f} mm forward", with_muscles(model, moved).model


def compressions(model: Model, task: str) -> Array:
    """``[J]``, newtons, from above."""
    balance = statics(model, posture_of(model, load_task(task), rhythm()))
    return joint_loads(balance, solve(balance))[:, 1]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="output folder of an analysis")
    model, measured = evidence_of(parser.parse_args().out)
    if not measured.measured:
        parser.exit(
            2, "\n".join(("nothing of the muscles at any disc was measured", *measured.notes, ""))
        )
    print("\n".join(table(model, measured)))
    print(f"\n{'compression, N':42}" + "".join(f"{level:>8}" for level in LEVELS))
    for name, one in models(model, measured):
        for task in DEFAULT_TASKS:
            loads = "".join(f"{value:8.0f}" for value in compressions(one, task))
            print(f"{name:28}{task:14}{loads}")


if __name__ == "__main__":
    main()
