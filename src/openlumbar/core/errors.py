"""The exceptions that OpenLumbar raises.

::

    OpenLumbarError
    ├── InputError          what was given cannot be used: exit code 2
    │   ├── UnreadableError     a file or folder cannot be read at all
    │   ├── GeometryError       geometry is absent, singular or contradicts itself
    │   └── PatientError        files of several patients, or not of the one asked for
    ├── OptionError         an option or a recipe is wrong: exit code 2
    ├── ModelError          a weights file does not match its card
    └── StageError          one stage failed; the others go on: exit code 3

A message names the file or argument, what was found, what was expected and what to
do. Exceptions of other libraries are translated where the library is called.
"""

from __future__ import annotations


class OpenLumbarError(Exception):
    """Base of everything raised on purpose."""


class InputError(OpenLumbarError):
    """What was given cannot be used."""


class UnreadableError(InputError):
    """A file or folder cannot be read."""


class GeometryError(InputError):
    """Geometry is absent, singular, or contradicts itself."""


class PatientError(InputError):
    """Files of several patients, or none of the one asked for."""


class OptionError(OpenLumbarError):
    """An option or a recipe is wrong."""


class ModelError(OpenLumbarError):
    """A weights file does not match its card."""


class StageError(OpenLumbarError):
    """One stage of the analysis failed."""
