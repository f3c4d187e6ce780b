"""How right the levels of axial slices are.

    python benchmarks/validate_levels.py -o out/levels --data ../shared/data --docs

- *geometry*: phantom exams of unseen seeds, sagittal and axial, with true masks: angled blocks
  and tilted stacks, in any order, scoliosis, a patient who moved between the series, and
  transitional anatomy. Of the slices within a lumbar disc: whether their disc is right, or the
  slice or its series carries a doubt; how many right ones carry one.
- *alone*: axial phantom exams without a sagittal series, segmented by the axial network: the
  classifier by the slice, and the decoded stack.
- *whole*: exams of both planes through the whole pipeline, networks and all.
- *real*: the slices of ``sudirman_axial`` and the annotated exam beside a reading by a
  non-expert, written down before (``recipes/axial_level_reading.toml``), with pictures
  of those that differ by a level or more. They go to the output folder alone.
- *time*: what levels add to an exam of 60 axial slices.

Writes ``levels.json`` and ``levels.md``; ``--docs`` puts the tables into the docs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from accuracy.page import BEGIN, END
from levels import exams, real

import openlumbar
from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.level import name_slices
from openlumbar.level.looks import look_at_slices
from openlumbar.models import Classifier, Predictor, load_classifier, load_model
from openlumbar.phantom.grids import AxialFrame
from openlumbar.pipeline import AnalyzeOptions
from openlumbar.segment import segment_axial

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "level-accuracy.md"
#: Seeds of the parts lie this far apart.
APART = 200
#: Lumbar vertebrae of the exams that go through the whole pipeline.
COUNTS: dict[str, tuple[int, ...]] = {
    "five lumbar vertebrae": (5,),
    "four or six": (4, 6),
}
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Networks:
    """The networks under test, loaded when first asked for."""

    level: str
    axial: str

    @cached_property
    def classifier(self) -> Classifier:
        return load_classifier(self.level)

    @cached_property
    def predictor(self) -> Predictor:
        return load_model(self.axial)

    @cached_property
    def overview(self) -> Predictor:
        return load_model("axial-overview")

    def segment(self, series: Series) -> tuple[AxialMask, ...]:
        return segment_axial(series, self.predictor, overview=self.overview)

    def look(self, series: Series, found: Sequence[AxialMask]) -> tuple[SliceLooks, ...]:
        return look_at_slices(series, found, self.classifier)


def geometry(given: argparse.Namespace, networks: Networks) -> Figures:
    """Each kind of exam, by true masks."""
    found = {}
    for number, kind in enumerate(exams.KINDS):
        first = exams.FIRST_SEED + number * APART
        cases = [
            case
            for seed in range(first, first + given.exams)
            for case in exams.by_geometry(kind, seed)
        ]
        found[kind] = exams.figures(cases)
        _log(given, kind, cases)
    return found


def alone(given: argparse.Namespace, networks: Networks) -> Figures:
    """Axial exams without a sagittal series."""
    first = exams.FIRST_SEED + len(exams.KINDS) * APART
    cases = [
        case
        for seed in range(first, first + given.networks)
        for case in exams.by_looks(seed, networks.segment, networks.look)
    ]
    _log(given, "alone", cases)
    return {"by slice": exams.slice_figures(cases), "by stack": exams.figures(cases)}


def whole(given: argparse.Namespace, networks: Networks) -> Figures:
    """Exams of both planes through the pipeline."""
    options = AnalyzeOptions(
        axial_predictor=networks.predictor, level_classifier=networks.classifier
    )
    run = partial(openlumbar.analyze, options=options)
    found = {}
    for number, (kind, counts) in enumerate(COUNTS.items(), len(exams.KINDS) + 1):
        first = exams.FIRST_SEED + number * APART
        cases = [
            case
            for seed in range(first, first + given.networks)
            for case in exams.by_everything(seed, run, counts)
        ]
        found[kind] = exams.figures(cases)
        _log(given, f"whole {kind}", cases)
    return found


def on_real(given: argparse.Namespace, networks: Networks) -> Figures:
    """Real slices beside the reading."""
    if given.data is None:
        raise SystemExit("--data is needed for the real slices; or name the parts with --only")
    found, lines = {}, []
    for name, compare in (("sudirman_axial", real.singles), ("sub-01_axial", real.stack)):
        compared = compare(given.data, networks.segment, networks.look)
        sure = [one for one in compared if one.reading.sure >= 2]
        found[name] = real.figures(compared)
        found[f"{name}, reader sure"] = real.figures(sure)
        lines += [real.line_of(one) for one in compared]
        differ = real.quarrels(compared)
        if differ:
            real.draw(differ, given.out / f"differs-{name}.png")
    (given.out / "real.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return found


def timed(given: argparse.Namespace, networks: Networks) -> Figures:
    """Seconds that levels add to 60 axial slices, in three series with one sagittal spine."""
    seed = exams.FIRST_SEED + (len(exams.KINDS) + 3) * APART
    series = replace(exams.COARSE_SERIES, axial=AxialFrame(), more_axial=())
    phantom = exams.archive_phantom(seed, exams.Archived(series))
    spines = exams.spines_of(phantom)
    ((axial, _),) = exams.axial_of(phantom)
    found = networks.segment(axial)
    networks.look(axial, found)  # the first call of a session is slower
    start, used = time.perf_counter(), time.process_time()
    for _ in range(3):
        name_slices(axial, found, spines, networks.look(axial, found))
    return {
        "slices": 3 * sum(len(mask.flags) for mask in found),
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - used,
    }


#: What is measured, in this order.
PARTS: dict[str, Callable[[argparse.Namespace, Networks], Figures]] = {
    "geometry": geometry,
    "alone": alone,
    "whole": whole,
    "real": on_real,
    "time": timed,
}


def _log(given: argparse.Namespace, name: str, cases: Sequence[exams.Case]) -> None:
    """Every slice, for whoever asks why."""
    stem = name.partition(",")[0].replace(" ", "-")
    with (given.out / f"{stem}.jsonl").open("w", encoding="utf-8") as file:
        for case in cases:
            looks = case.looks and max(zip(case.looks.probability, case.looks.classes, strict=True))
            record = {**asdict(replace(case, looks=None)), "looks": looks}
            file.write(json.dumps(record) + "\n")


# -- tables --------------------------------------------------------------------------------


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_NAMED = {
    "exams": "exams",
    "at_disc": "slices in a disc",
    "right": "disc right",
    "right_or_flagged": "… or the slice flagged",
    "right_or_series_flagged": "… or its series",
    "right_flagged": "right but flagged",
    "exact_level": "exact name (all slices)",
}
_BY_SLICE = {
    "at_disc": "slices in a disc",
    "exact_class_at_disc": "exact class of 13",
    "best_disc": "best of the discs",
    "within_half": "within half a level",
    "a_level_off": "a level or more off",
}
_REAL = {
    "slices": "slices",
    "same_class": "same class",
    "either_guess": "first or second guess",
    "within_half_level": "within half a level",
    "a_level_or_more_off": "a level or more off",
    "row_within_half_level": "decoded: within half a level",
    "kidney": "kidney agrees",
    "ilium": "ilium agrees",
}


def _rows(found: Mapping[str, Figures], named: Mapping[str, str]) -> str:
    rows = [[name, *(_cell(values[key]) for key in named)] for name, values in found.items()]
    return _table(["", *named.values()], rows)


def _cell(value: float | int | None) -> str:
    return str(value) if isinstance(value, int) else _percent(value)


def sections(result: Mapping[str, Any]) -> Iterator[str]:
    """The tables of what was measured, in Markdown."""
    if "geometry" in result:
        yield "### Sagittal and axial, true masks\n\n" + _rows(result["geometry"], _NAMED)
    if "alone" in result:
        stack = {"decoded along the stack": result["alone"]["by stack"]}
        yield (
            "### Axial alone, masks of the network\n\n"
            + _rows({"classifier": result["alone"]["by slice"]}, _BY_SLICE)
            + "\n\n"
            + _rows(stack, _NAMED)
        )
    if "whole" in result:
        yield "### The whole pipeline, networks and all\n\n" + _rows(result["whole"], _NAMED)
    if "real" in result:
        yield "### Real slices beside a non-expert's reading\n\n" + _rows(result["real"], _REAL)
    if "time" in result:
        took = result["time"]
        yield (
            f"### Time\n\n{took['slices']} axial slices: {took['seconds']:.1f} s "
            f"({took['processor_seconds']:.1f} s of processor time) for looks and names, "
            "segmentation not counted."
        )


def page_of(result: Mapping[str, Any]) -> str:
    """What the docs hold."""
    head = (
        f"Measured {result['date']} by `{result['command']}`, openlumbar {result['version']}, "
        f"weights {result['weights']}; seeds from {exams.FIRST_SEED}."
    )
    return "\n\n".join([head, *sections(result)]) + "\n"


def write_page(result: Mapping[str, Any]) -> None:
    """Put the tables between the page's markers."""
    before, begin, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} lacks the lines {BEGIN} and {END}")
    PAGE.write_text(f"{before}{begin}\n\n{page_of(result)}\n{end}{after}", "utf-8")


def _weights(networks: Networks, parts: Sequence[str]) -> str:
    if set(parts) <= {"geometry"}:
        return "none"
    cards = (networks.classifier.card, networks.predictor.card)
    return ", ".join(f"{card.name} `{card.sha256[:12]}…`" for card in cards)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder that holds sudirman_axial")
    parser.add_argument("--out", "-o", type=Path, required=True)
    parser.add_argument("--only", choices=tuple(PARTS), action="append")
    parser.add_argument("--exams", type=int, default=12, help="of each kind, with true masks")
    parser.add_argument("--networks", type=int, default=12, help="exams for the networks, each way")
    parser.add_argument("--level", default="level", help="a shipped name, or a weights file")
    parser.add_argument("--axial", default="axial", help="likewise")
    parser.add_argument("--docs", action="store_true", help="write the tables there")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    networks = Networks(given.level, given.axial)
    parts = given.only or list(PARTS)
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/validate_levels.py -o out/levels --data ../shared/data "
        f"--exams {given.exams} --networks {given.networks}"
        + "".join(f" --only {part}" for part in given.only or ()),
        "version": openlumbar.__version__,
        "weights": _weights(networks, parts),
    }
    for part in parts:
        result[part] = PARTS[part](given, networks)
        print(*sections({part: result[part]}), sep="\n\n", flush=True)
    (given.out / "levels.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (given.out / "levels.md").write_text(page_of(result), "utf-8")
    if given.docs:
        write_page(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
