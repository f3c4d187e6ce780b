"""What a user names on the command line → the files in it: folders, zips, DICOMDIR.

Nothing here decides whether a picture can be used; it only finds files and says what
each of them looks like from its first bytes.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from openlumbar.core.errors import UnreadableError
from openlumbar.core.exam import LeftOut
from openlumbar.io.dicom_edge import referenced_files


class FileKind(StrEnum):
    """What a file looks like."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    MHA = "MHA"
    ZIP = "zip"
    DICOMDIR = "DICOMDIR"
    OTHER = "other"


@dataclass(frozen=True)
class FoundFile:
    """One file.

    Attributes
    ----------
    path
        Where it lies; inside a temporary folder when it came out of a zip.
    name
        Its base name. Folders are left away: archives name them after patients.
    kind
        What it looks like.
    """

    path: Path
    name: str
    kind: FileKind


@dataclass(frozen=True)
class FoundFiles:
    """All files of the inputs in a fixed order, and what could not be looked at."""

    files: tuple[FoundFile, ...]
    left_out: tuple[LeftOut, ...]

    def of(self, *kinds: FileKind) -> tuple[FoundFile, ...]:
        """The files of some kinds."""
        return tuple(file for file in self.files if file.kind in kinds)


@dataclass(frozen=True)
class Limits:
    """How much a zip may hold before it is refused as a bomb or a mistake."""

    files: int = 200_000
    bytes: int = 8 << 30


_SUFFIXES = {
    ".nii": FileKind.NIFTI,
    ".nii.gz": FileKind.NIFTI,
    ".mha": FileKind.MHA,
    ".mhd": FileKind.MHA,
    ".zip": FileKind.ZIP,
}

#: What stands in every output folder (``openlumbar analyze . -o out``, run twice, must not
#: take the first output for a part of the exam).
_OWN_OUTPUT = frozenset({"analysis.json", "exam.json", "run.json"})

#: First bytes of an explicit or implicit little-endian data set without a preamble:
#: group 0002 or 0008, which every such file starts with (PS3.10 section 7.1 asks for
#: the preamble, older archives lack it).
_BARE_DICOM = (b"\x02\x00", b"\x08\x00")
_BARE_ELEMENTS = range(0x0000, 0x0100)


def kind_of(path: Path) -> FileKind:
    """Say what a file looks like from its name and first 132 bytes.

    Raises
    ------
    UnreadableError
        The file cannot be opened or is not a regular file.
    """
    head = _first_bytes(path, 132)
    name = path.name.lower()
    if name == "dicomdir":
        return FileKind.DICOMDIR
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix) and not name.startswith("._"):
            return kind
    if head[128:132] == b"DICM":
        return FileKind.DICOM
    bare = head[:2] in _BARE_DICOM and int.from_bytes(head[2:4], "little") in _BARE_ELEMENTS
    return FileKind.DICOM if bare and len(head) == 132 else FileKind.OTHER


def _first_bytes(path: Path, count: int) -> bytes:
    """Read the head of a file; pipes, which a reader would wait on for ever, are refused."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(f"{path.name}: not a regular file")
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise UnreadableError(f"{path.name}: cannot be opened ({error.strerror})") from error


@contextmanager
def find_files(inputs: Sequence[str | Path], limits: Limits = Limits()) -> Iterator[FoundFiles]:
    """Find every file of the inputs; zips are unpacked for as long as the context lasts.

    Parameters
    ----------
    inputs
        Files, folders, zips or DICOMDIR files.
    limits
        What a zip may hold.

    Yields
    ------
    FoundFiles
        Each file once, in the order of the inputs and, inside a folder, of names.

    Raises
    ------
    UnreadableError
        An input does not exist, or is a zip that cannot be unpacked.
    """
    with ExitStack() as stack:
        walk = _Walk(stack, limits)
        for given in inputs:
            walk.add_input(Path(given))
        yield FoundFiles(tuple(walk.files), tuple(walk.left_out))


class _Walk:
    """Collects files; remembers what was seen so that nothing is taken twice."""

    def __init__(self, stack: ExitStack, limits: Limits) -> None:
        self.files: list[FoundFile] = []
        self.left_out: list[LeftOut] = []
        self._seen: set[Path] = set()
        self._stack = stack
        self._limits = limits

    def add_input(self, path: Path) -> None:
        """Add what the user named; here a thing that cannot be read is an error."""
        try:
            path.stat()
        except FileNotFoundError as error:
            raise UnreadableError(f"{path}: there is no such file or folder") from error
        except OSError as error:
            raise UnreadableError(f"{path}: cannot be opened ({error.strerror})") from error
        if path.is_dir():
            self.add_folder(path)
        elif (kind := kind_of(path)) is FileKind.DICOMDIR:
            self._add_dicomdir(path)
        else:
            self._add(path, kind, unpack=True)

    def add_folder(self, folder: Path, *, unpack: bool = True) -> None:
        """Add all files below a folder; links are followed, loops are not."""
        if not self._is_new(folder):
            return
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            self._leave_out("a folder", f"the folder cannot be opened ({error.strerror})")
            return
        if {entry.name for entry in entries} >= _OWN_OUTPUT:
            self._leave_out("a folder", "an output of OpenLumbar; give the images it was made of")
            return
        for entry in entries:
            # Path.is_dir raises where a folder may be listed but not entered.
            if os.path.isdir(entry):
                self.add_folder(entry, unpack=unpack)
            else:
                self._add_entry(entry, unpack=unpack)

    def _add_entry(self, path: Path, *, unpack: bool) -> None:
        """Add a file met on the way: a bad one is noted, never an error."""
        try:
            kind = kind_of(path)
            if kind is not FileKind.DICOMDIR:  # the files it names are walked anyway
                self._add(path, kind, unpack=unpack)
        except UnreadableError as error:
            self._leave_out("a file", str(error).removeprefix(f"{path.name}: "))

    def _add(self, path: Path, kind: FileKind, *, unpack: bool) -> None:
        if not self._is_new(path):
            return
        if kind is FileKind.ZIP and unpack:
            self._add_zip(path)
        else:
            self.files.append(FoundFile(path, path.name, kind))

    def _add_dicomdir(self, path: Path) -> None:
        try:
            names = referenced_files(path)
        except UnreadableError:
            self._leave_out(path.name, "damaged; the folder it lies in was searched instead")
            self.add_folder(path.parent)
            return
        for parts in names:
            file = _resolve(path.parent, parts)
            if file is None:
                self._leave_out("a file named in DICOMDIR", "the file is missing")
            else:
                self._add_entry(file, unpack=False)

    def _add_zip(self, path: Path) -> None:
        root = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="openlumbar-")))
        for reason in _unpack(path, root, self._limits):
            self._leave_out("a file in the zip", reason)
        self.add_folder(root, unpack=False)

    def _is_new(self, path: Path) -> bool:
        real = path.resolve()
        new = real not in self._seen
        self._seen.add(real)
        return new

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(name, reason))


def _resolve(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """Find a file below a folder by its File ID, whatever the case (PS3.10 section 8.2).

    Discs copied to other file systems often come out in lower case. None when no such
    file lies below the folder.
    """
    if not parts or {"", ".", ".."} & set(parts):
        return None
    here = folder
    for part in parts:
        # Listing a folder for each of thousands of files is slow: the usual case first.
        exact = here / part
        here = exact if os.path.lexists(exact) else _in_any_case(here, part)
    return here if os.path.isfile(here) else None


def _in_any_case(folder: Path, name: str) -> Path:
    """The entry of that name but for its case; ``folder/name`` when there is none."""
    try:
        names = [entry for entry in folder.iterdir() if entry.name.lower() == name.lower()]
    except OSError:
        names = []
    return min(names, default=folder / name)


def _unpack(path: Path, root: Path, limits: Limits) -> list[str]:
    """Unpack a zip below ``root``; the reason for each member left out."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_size(path, members, root, limits)
            reasons = [_extract(archive, member, root) for member in members]
            return [reason for reason in reasons if reason]
    except OSError as error:
        raise UnreadableError(f"{path.name}: cannot be opened ({error.strerror})") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableError(f"{path.name}: the zip cannot be read ({error})") from error


def _check_size(path: Path, members: list[zipfile.ZipInfo], root: Path, limits: Limits) -> None:
    size = sum(member.file_size for member in members)
    room = min(limits.bytes, shutil.disk_usage(root).free)
    if len(members) > limits.files or size > room:
        raise UnreadableError(
            f"{path.name}: the zip holds {len(members)} files of {size / 2**30:.1f} GiB in all; "
            f"at most {limits.files} files and {room / 2**30:.1f} GiB are unpacked. "
            "Unpack it yourself and give the folder"
        )


#: What zipfile raises for a damaged or encrypted member.
_MEMBER_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    RuntimeError,  # encrypted
    NotImplementedError,  # a compression method that Python lacks
    EOFError,
    ValueError,
)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> str:
    """Write one member below ``root``; the reason when that is refused, else empty.

    The data copied never exceed the size declared, which was checked before.
    """
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if not parts or any(part in ("..", "/") or ":" in part for part in parts):
        return "its path in the zip points outside of it"
    target = root.joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    except _MEMBER_ERRORS:
        target.unlink(missing_ok=True) if target.is_file() else None
        return "damaged, encrypted or twice in the zip"
    return ""
