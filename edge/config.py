"""Configuration files people write: TOML in, a pydantic model out, with an error that names the file and the field.

pydantic is imported by the programs that read such files, so this module stays free of it: a model is anything with
`model_validate`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar


class Model(Protocol):
    """What pydantic's BaseModel offers here."""

    @classmethod
    def model_validate(cls, obj: object) -> Self: ...


class ConfigError(Exception):
    """The file is missing, is not TOML, or has a field that is unknown or wrong. The text says which."""


M = TypeVar("M", bound=Model)


def load(path: Path, model: type[M]) -> M:
    """Read and validate one file.

    Raises:
        ConfigError: with one line a problem, each naming the file and the field.
    """
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return model.model_validate(values)
    except ValueError as error:
        problems: list[dict[str, Any]] = getattr(error, "errors", list)()
        lines = [f"{path}: {'.'.join(str(part) for part in p['loc'])}: {p['msg']}" for p in problems]
        raise ConfigError("\n".join(lines) or f"{path}: {error}") from error
