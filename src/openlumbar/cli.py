"""The command line: one thin function a command.

Imports of our own stand inside the commands, so that ``openlumbar --help`` is fast.

Exit codes: 0 done; 2 the input or an option is wrong; 3 done, but a stage failed;
1 a bug; 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.validators import Number

from openlumbar import __version__
from openlumbar.core.errors import OpenLumbarError, OptionError

if TYPE_CHECKING:
    from openlumbar.core.exam import Subject
    from openlumbar.core.progress import Progress
    from openlumbar.exam import ReadOptions
    from openlumbar.io.analysis import Analysis
    from openlumbar.mechanics import LoadsOptions
    from openlumbar.models import Role
    from openlumbar.phantom import PhantomOptions
    from openlumbar.pipeline import AnalyzeOptions

DONE, BUG, WRONG_INPUT, STAGE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
NOTICE = "Research use only – not for diagnosis."

app = App(
    name="openlumbar",
    help="A lumbar-spine MRI exam goes in; named anatomy, measurements and a report come out. "
    + NOTICE,
    version=__version__,
    suppress_keyboard_interrupt=False,  # main() tells what Ctrl-C left behind
)
logger = logging.getLogger(__name__)

#: The values of core.exam.Weighting that can be given (a test holds the two together);
#: written out, because importing them would load numpy for ``--help``.
WeightingName = Literal["T1w", "T2w", "PDw", "STIR", "T2w-fs", "T1w-fs", "T2starw"]

#: The networks of recipes.cho2022.Backbone (a test holds the two together).
BackboneName = Literal["densenet169", "inception_resnet_v2", "xception"]

#: The names of core.codes.SCHEMES (a test holds the two together).
CodesName = Literal[
    "openlumbar",
    "totalspineseg",
    "spineps",
    "spineps-subregions",
    "spider",
    "musclemap",
    "nnunet",
]

Inputs = Annotated[
    list[Path], Parameter(help="DICOM folder, .zip or DICOMDIR, or NIfTI or MHA files.")
]
Out = Annotated[
    Path,
    Parameter(
        name=["--out", "-o"],
        help="Folder for what comes out: new, empty or a previous output, which is replaced.",
    ),
]
#: What the extra ``train`` installs.
_TRAINING_LIBRARIES = ("torch", "onnx", "onnxscript")
_LOADS = Group("Loads on the spine")
_POWERS: dict[str, Literal[2, 3]] = {"squares": 2, "cubes": 3}
_PERSON = Group("Facts of the person, where the files do not tell them")


@Parameter(name="*")
@dataclass(frozen=True)
class PersonFlags:
    """What is known of the person."""

    sex: Annotated[Literal["F", "M", "O"] | None, Parameter(group=_PERSON)] = None
    age: Annotated[
        float | None, Parameter(help="Years.", validator=Number(gte=0, lte=130), group=_PERSON)
    ] = None
    height_m: Annotated[
        float | None, Parameter(help="Metres.", validator=Number(gt=0.3, lt=2.8), group=_PERSON)
    ] = None
    mass_kg: Annotated[
        float | None, Parameter(help="Kilograms.", validator=Number(gt=1, lt=400), group=_PERSON)
    ] = None

    def subject(self) -> Subject:
        """Write the facts in the terms of the core."""
        from openlumbar.core.exam import Subject

        return Subject(self.sex, self.age, self.height_m, self.mass_kg)


@Parameter(name="*")
@dataclass(frozen=True)
class ReadFlags(PersonFlags):
    """How an exam is read."""

    weighting: Annotated[
        WeightingName | None, Parameter(help="Weighting of the images, instead of what is found.")
    ] = None
    patient: Annotated[
        str | None, Parameter(help="Patient ID, where the files are of several patients.")
    ] = None

    def options(self) -> ReadOptions:
        """Write the flags in the terms of the intake."""
        from openlumbar.core.exam import Weighting
        from openlumbar.exam import ReadOptions

        return ReadOptions(
            patient=self.patient,
            weighting=Weighting(self.weighting) if self.weighting else None,
            subject=self.subject(),
        )

    def noted(self) -> dict[str, str | float | int | None]:
        """What may be written to ``run.json``: never the patient's ID."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | ({"patient": "(given)"} if self.patient else {})


@Parameter(name="*")
@dataclass(frozen=True)
class LoadFlags:
    """How the loads on the spine are solved."""

    # Defaults are those of mechanics.LoadsOptions (a test holds the two together).
    task: Annotated[
        tuple[str, ...],
        Parameter(
            help="What the person does: a name that ships (standing, hess2023) or a .toml file; "
            "once for each.",
            negative="",
            group=_LOADS,
        ),
    ] = ("standing", "hess2023")
    base_model: Annotated[
        Path | None,
        Parameter(help="OpenSim model (.osim) to start from, in place of ours.", group=_LOADS),
    ] = None
    lean: Annotated[
        bool,
        Parameter(
            help="Scale muscle forces by lean areas, without fat.", negative="", group=_LOADS
        ),
    ] = False
    criterion: Annotated[
        Literal["squares", "cubes"],
        Parameter(help="Of the activations, whose sum is least.", group=_LOADS),
    ] = "squares"
    activation_floor: Annotated[
        float,
        Parameter(
            help="No muscle is less active; OpenSim's own default is 0.01.",
            validator=Number(gte=0, lte=0.2),
            group=_LOADS,
        ),
    ] = 0.0
    load_samples: Annotated[
        int,
        Parameter(
            help="Perturbed models that the intervals rest on; 0 for none.",
            validator=Number(gte=0, lte=10_000),
            group=_LOADS,
        ),
    ] = 60

    def options(self, person: PersonFlags) -> LoadsOptions:
        """Read the tasks and the base model, which is taken for one of the person's sex."""
        from openlumbar.mechanics import LoadsOptions, base_sex, load_task, read_model

        sex = base_sex(person.subject())
        return LoadsOptions(
            tasks=tuple(map(load_task, dict.fromkeys(self.task))),
            base_model=read_model(self.base_model, sex) if self.base_model else None,
            area="lean" if self.lean else "total",
            power=_POWERS[self.criterion],
            floor=self.activation_floor,
            samples=self.load_samples,
        )

    def noted(self) -> dict[str, str | float | int | None]:
        """What differs from the defaults, for ``run.json``: names of files, never their places."""
        usual = LoadFlags()
        given = {
            "task": " ".join(Path(task).name for task in self.task),
            "base_model": self.base_model.name if self.base_model else None,
            "lean": self.lean,
            "criterion": self.criterion,
            "activation_floor": self.activation_floor,
            "load_samples": self.load_samples,
        }
        differs = {name for name in given if getattr(self, name) != getattr(usual, name)}
        return {name: value for name, value in given.items() if name in differs}


@Parameter(name="*")
@dataclass(frozen=True)
class ModelFlags:
    """Networks in place of those that ship."""

    model: Annotated[
        Path | None,
        Parameter(
            help="Weights of another network (.onnx with its card), in place of the one that does "
            "the same: sagittal, axial, or the level of axial slices."
        ),
    ] = None
    axial_model: Annotated[
        Path | None, Parameter(help="Weights of another axial network, likewise.")
    ] = None
    level_model: Annotated[
        Path | None,
        Parameter(help="Weights of another classifier of the level of axial slices, likewise."),
    ] = None


@app.command
def analyze(
    inputs: Inputs,
    /,
    *,
    out: Out,
    read: ReadFlags | None = None,
    loads: LoadFlags | None = None,
    no_loads: Annotated[bool, Parameter(help="Solve no loads.", negative="")] = False,
    models: ModelFlags | None = None,
) -> int:
    """Segment, name and measure the anatomy of one exam, and solve the loads on its spine."""
    from openlumbar.pipeline import analyze_files

    flags = read or ReadFlags()
    options = _analyze_options(flags, models or ModelFlags())
    options = _with_loads(options, loads or LoadFlags(), no_loads, flags)
    with _shown_progress() as progress:
        analysis = analyze_files(inputs, out, flags.options(), options, progress)
    return _tell(analysis, out)


@app.command
def inspect(inputs: Inputs, /, *, read: ReadFlags | None = None) -> int:
    """Show what is in an exam, what would be used, and why."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from openlumbar.exam import describe, read_exam

    exam = read_exam(inputs, (read or ReadFlags()).options())
    name = Column("series", overflow="fold", min_width=24)
    table = Table(name, "plane", "weighting", "grid", box=box.SIMPLE_HEAD)
    rows = describe(exam)
    for row in rows:
        if row.used:
            table.add_row(*map(Text, (row.name, row.plane, row.weighting, row.grid)))
    Console().print(table)
    for row in rows:
        if row.note:
            print(f"{'Note' if row.used else 'Left out'}: {row.name}: {row.note}")
    for warning in exam.warnings:
        print(f"Note: {warning}")
    return DONE


@app.command
def demo(
    *,
    out: Out = Path("openlumbar-demo"),
    seed: Annotated[int, Parameter(help="Which phantom; the same seed makes the same.")] = 1,
) -> int:
    """Make a phantom exam as DICOM (OUT/phantom) and analyse it."""
    from openlumbar.io.outfolder import replacing
    from openlumbar.phantom import make_phantom, write_phantom
    from openlumbar.pipeline import analyze_into

    with _shown_progress() as progress, replacing(out) as folder:
        progress("phantom", "", 0.0)
        write_phantom(make_phantom(seed), folder / "phantom")
        progress("phantom", "", 1.0)
        analysis = analyze_into(folder, [folder / "phantom" / "dicom"], progress=progress)
    return _tell(analysis, out)


@Parameter(name="*")
@dataclass(frozen=True)
class PhantomFlags:
    """Which series a phantom exam has."""

    plane: Annotated[
        Literal["sagittal", "axial"] | None, Parameter(help="Series of this plane alone.")
    ] = None
    contrast: Annotated[
        tuple[WeightingName, ...],
        Parameter(
            help="Of the sagittal series; once for each.",
            negative="",
            show_default=", ".join,
        ),
    ] = ("T1w", "T2w")
    axial_contrast: Annotated[
        tuple[WeightingName, ...],
        Parameter(help="Of the axial series; once for each.", negative="", show_default=", ".join),
    ] = ("T2w",)
    stack: Annotated[
        bool,
        Parameter(
            help="One contiguous axial stack from L1 to S2, not a block a disc.", negative=""
        ),
    ] = False
    dixon: Annotated[
        bool,
        Parameter(
            help="A water and a fat picture beside each axial T1w and T2w series.", negative=""
        ),
    ] = False

    def options(self) -> PhantomOptions:
        """Write the flags in the terms of the phantom."""
        from openlumbar.core.exam import Weighting
        from openlumbar.phantom import PhantomOptions
        from openlumbar.phantom.grids import AxialFrame

        sagittal = () if self.plane == "axial" else self.contrast
        axial = () if self.plane == "sagittal" else self.axial_contrast
        return PhantomOptions(
            axial=AxialFrame(stack=self.stack),
            contrasts=tuple(map(Weighting, sagittal)),
            axial_contrasts=tuple(map(Weighting, axial)),
            axial_chemical=("water", "fat") if self.dixon else (),
        )


@app.command
def phantom(
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder: new or empty.")],
    seed: Annotated[int, Parameter(help="Seed of the first; the next has seed + 1.")] = 1,
    count: Annotated[int, Parameter(help="How many exams.", validator=Number(gte=1))] = 1,
    series: PhantomFlags | None = None,
) -> int:
    """Make phantom exams (OUT/phantom-SEED/dicom) with their truth (…/truth)."""
    from openlumbar.io.outfolder import NEW_FOLDER, replacing
    from openlumbar.phantom import make_phantom, write_phantom

    options = (series or PhantomFlags()).options()
    with _shown_progress() as progress, replacing(out, NEW_FOLDER) as folder:
        for number in range(seed, seed + count):
            progress("phantom", "", (number - seed) / count)
            write_phantom(make_phantom(number, options), folder / f"phantom-{number}")
        progress("phantom", "", 1.0)
    print(f"{count} phantom exam{'s' if count > 1 else ''} in {out}")
    return DONE


@app.command
def train(
    recipe: Annotated[
        str,
        Parameter(
            help="Its name (sagittal, axial, axial-overview, level, cho2022), or a TOML file."
        ),
    ],
    /,
    *,
    data: Annotated[Path, Parameter(help="Folder of the training data.")],
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for the trained network.")],
    backbone: Annotated[
        BackboneName | None, Parameter(help="Of cho2022: the network, instead of the recipe's.")
    ] = None,
    pretrained: Annotated[
        str | None,
        Parameter(
            help="Of cho2022: a file of its ImageNet weights, or 'hub' (timm's, where they can be "
            "loaded), or 'none'."
        ),
    ] = None,
) -> int:
    """Train a network by a recipe."""
    from openlumbar.recipes import read_recipe, with_network

    chosen = with_network(read_recipe(recipe), backbone, pretrained)
    if not data.is_dir():
        raise OptionError(f"--data {data} is not a folder; give that of the training data")
    try:
        from openlumbar.train.run import train_network
    except ModuleNotFoundError as error:
        if error.name not in _TRAINING_LIBRARIES:
            raise
        raise OptionError(
            f"training needs {error.name}, which is not installed: pip install 'openlumbar[train]'"
        ) from error
    told = logging.getLogger("openlumbar.train")
    told.addHandler(logging.StreamHandler())  # hours of work: say how it goes
    told.setLevel(logging.INFO)
    print(f"Written to {train_network(chosen, data, out)}")
    return DONE


@Parameter(name="*")
@dataclass(frozen=True)
class MaskFlags:
    """What comes with a mask that another tool made."""

    also_mask: Annotated[
        tuple[Path, ...],
        Parameter(
            help="Mask of another series of the same exam, or of another block, in the same codes; "
            "once for each. Sagittal ones name the slices of axial ones.",
            negative="",
        ),
    ] = ()
    also_image: Annotated[
        tuple[Path, ...],
        Parameter(help="Its image, where IMAGE does not hold it.", negative=""),
    ] = ()

    bodies: Annotated[
        Path | None,
        Parameter(
            help="Mask of the vertebral bodies alone, in the same codes; MASK itself where its "
            "vertebrae have no posterior elements. Without it they are cut off."
        ),
    ] = None
    subregions: Annotated[
        Path | None, Parameter(help="SPINEPS' other mask (seg-spine), with canal and bodies.")
    ] = None
    series: Annotated[
        str | None, Parameter(help="Series that the mask is of, as 'inspect' names it.")
    ] = None


@app.command
def measure(
    image: Annotated[Path, Parameter(help="The image: NIfTI, MHA, or DICOM as for analyze.")],
    mask: Annotated[Path, Parameter(help="Its mask: NIfTI or MHA of whole numbers, or DICOM SEG.")],
    /,
    *,
    codes: Annotated[CodesName, Parameter(help="Whose integers the mask holds.")],
    out: Out,
    given: MaskFlags | None = None,
    read: ReadFlags | None = None,
    loads: LoadFlags | None = None,
) -> int:
    """Measure masks that another tool or a person made, and solve the loads."""
    from openlumbar.pipeline.masks import MaskOptions, measure_files

    more, flags, how = given or MaskFlags(), read or ReadFlags(), loads or LoadFlags()
    options = MaskOptions(
        codes,
        more.bodies,
        more.subregions,
        more.series,
        loads=how.options(flags),
        noted=flags.noted() | how.noted(),
    )
    images, masks = [image, *more.also_image], [mask, *more.also_mask]
    with _shown_progress() as progress:
        analysis = measure_files(images, masks, out, options, flags.options(), progress)
    return _tell(analysis, out)


@app.command
def loads(
    out: Annotated[Path, Parameter(help="Output folder of analyze, demo or measure.")],
    /,
    *,
    how: LoadFlags | None = None,
    person: PersonFlags | None = None,
    inputs: Annotated[
        tuple[Path, ...],
        Parameter(
            help="What OUT was analysed from: then pictures and DICOM results are made anew too.",
            negative="",
        ),
    ] = (),
) -> int:
    """Solve the loads of an output folder again, without segmenting again."""
    from openlumbar.pipeline.loads import solve_again

    flags, facts = how or LoadFlags(), person or PersonFlags()
    with _shown_progress() as progress:
        analysis = solve_again(
            out, flags.options(facts), facts.subject(), flags.noted(), inputs, progress
        )
    return _tell(analysis, out)


@app.command
def convert(
    mask: Annotated[Path, Parameter(help="NIfTI or MHA of whole numbers.")],
    /,
    *,
    source: Annotated[CodesName, Parameter(name="--from", help="Whose integers it holds.")],
    target: Annotated[CodesName, Parameter(name="--to", help="Whose it shall hold.")],
    out: Annotated[
        Path, Parameter(name=["--out", "-o"], help="A new file: .nii.gz, .nii or .mha.")
    ],
) -> int:
    """Write a mask in another tool's codes."""
    from openlumbar.io.label_map import convert_label_map

    for note in convert_label_map(mask, source, target, out).notes:
        print(f"Note: {note}")
    print(f"Written to {out}")
    return DONE


@app.command
def compare(
    reference: Annotated[
        Path,
        Parameter(help="Output folder that the other is held against, or a folder of such."),
    ],
    other: Annotated[Path, Parameter(help="The other, of the same exams under the same names.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(name=["--out", "-o"], help="Folder for tables, numbers and plots."),
    ] = None,
    task: Annotated[str, Parameter(help="Whose loads are compared.")] = "hess2023",
    names: Annotated[
        tuple[str, str], Parameter(help="What tables call the two, as in: manual automatic.")
    ] = ("reference", "other"),
) -> int:
    """Compare two analyses of the same exams, as masks of a person and of a network."""
    from rich.console import Console

    from openlumbar.evaluate.comparison import compare as compared
    from openlumbar.evaluate.inputs import read_pairs
    from openlumbar.evaluate.terminal import shown
    from openlumbar.evaluate.writing import write_comparison

    pairs, alone = read_pairs(reference, other)
    result = compared(pairs, task, names)
    Console().print(shown(result))
    for note in alone:
        print(f"Note: {note}")
    if out is not None:
        print(f"Written to {write_comparison(result, out)}. {NOTICE}")
    return DONE


@app.command
def labels() -> int:
    """Show the table of structures: the integers of every label map."""
    from rich.console import Console

    from openlumbar.report.summary import structure_table

    Console().print(structure_table())
    return DONE


def _analyze_options(flags: ReadFlags, models: ModelFlags) -> AnalyzeOptions:
    """Load the networks that were given; ``--model`` takes the place that its card says."""
    from openlumbar.models import load_classifier, load_model, read_card, role_of
    from openlumbar.pipeline import AnalyzeOptions

    by_role: dict[Role, Path | None] = {"axial": models.axial_model, "level": models.level_model}
    given = {role: path for role, path in by_role.items() if path is not None}
    model = models.model
    if model is not None:
        if not model.is_file():
            raise OptionError(f"--model {model}: there is no such file (NAME.onnx is expected)")
        role = role_of(read_card(model.with_suffix(".json")))
        if role in given:
            raise OptionError(
                f"--model {model.name} is of the same kind as --{role}-model; give one of them"
            )
        given[role] = model
    return AnalyzeOptions(
        predictor=load_model(given["sagittal"]) if "sagittal" in given else None,
        axial_predictor=load_model(given["axial"]) if "axial" in given else None,
        level_classifier=load_classifier(given["level"]) if "level" in given else None,
        noted=flags.noted(),
    )


def _with_loads(
    options: AnalyzeOptions, flags: LoadFlags, without: bool, person: PersonFlags
) -> AnalyzeOptions:
    loads = None if without else flags.options(person)
    noted = {**options.noted, **flags.noted(), **({"no_loads": 1} if without else {})}
    return replace(options, loads=loads, noted=noted)


def _tell(analysis: Analysis, out: Path) -> int:
    """Print what came out; the exit code says whether all of it did."""
    from rich.console import Console

    from openlumbar.report.summary import summary

    Console().print(summary(analysis))
    page = out / "report.html"
    print(f"Written to {out}{f'; open {page}' if page.exists() else ''}. {NOTICE}")
    for failure in analysis.failures:
        where = f" of {failure.series}" if failure.series else ""
        _complain(f"{failure.stage}{where} failed: {failure.message}")
    if analysis.failures:
        _complain(f"the rest is in {out}; the log is {_log_path()}")
    return STAGE_FAILED if analysis.failures else DONE


@contextmanager
def _shown_progress() -> Iterator[Progress]:
    """Bars on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID, TimeElapsedColumn

    bars = Bars(
        *Bars.get_default_columns()[:2],
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    tasks: dict[tuple[str, str], TaskID] = {}

    def show(stage: str, series: str, fraction: float) -> None:
        if (stage, series) not in tasks:
            tasks[stage, series] = bars.add_task(f"{stage} {series}".strip(), total=1.0)
        bars.update(tasks[stage, series], completed=fraction)

    with bars:
        yield show


def _complain(sentence: str) -> None:
    print(f"openlumbar: {sentence}", file=sys.stderr)


_STARTED = time.strftime("%Y%m%dT%H%M%S")


def _log_path() -> Path:
    """Place of this run's log: the user's own state folder, because it may quote headers."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "openlumbar"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        folder = Path(tempfile.gettempdir())
    return folder / f"{_STARTED}-{os.getpid()}.log"


@contextmanager
def _logging_to_file() -> Iterator[None]:
    """Send logs and warnings to a file, made only when there is something to say."""
    handler = logging.FileHandler(_log_path(), delay=True, encoding="utf-8")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and say with a number how it went (see the head of this file)."""
    signal.signal(signal.SIGTERM, _interrupt)
    with _logging_to_file():
        return _run(sys.argv[1:] if argv is None else list(argv))


def _interrupt(number: int, frame: object) -> None:
    """End as Ctrl-C does, so that nothing half-written stays behind."""
    raise KeyboardInterrupt


def _run(argv: list[str]) -> int:
    try:
        code = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _complain(f"{error} See 'openlumbar --help'.")
        return WRONG_INPUT
    except OpenLumbarError as error:
        _complain(str(error))
        return WRONG_INPUT
    except BrokenPipeError:
        # Whoever read what we print has gone (| head). The output is whole by then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        _complain("interrupted; nothing was written")
        return INTERRUPTED
    except Exception:
        logger.exception("a bug")
        _complain(f"this is a bug, and nothing was written; please report it with {_log_path()}")
        return BUG
    return code if isinstance(code, int) else DONE
