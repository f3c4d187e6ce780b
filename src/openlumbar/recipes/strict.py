"""What the schemas of all recipes are made of."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openlumbar.core.errors import OptionError

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A part of a recipe: an unknown key is an error, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Schema = TypeVar("_Schema", bound=Strict)


def validated(schema: type[_Schema], content: dict[str, object], name: str) -> _Schema:
    """Content of a recipe as its schema has it.

    Raises
    ------
    OptionError
        It does not follow the schema; the message begins with ``name`` and says where.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise OptionError(f"{name}: wrong at {where}: {first['msg']}") from None
