"""Configuration files people write: TOML in, a pydantic model out, with an error that names the file and the field.

pydantic is imported by the programs that read such files, so this module stays free of it: a model is anything with
`model_validate`.
"""

from __future__ import annotations

import importlib
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
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
    import tomllib  # Here, so that it goes with the child of `load_apart`.

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


def load_apart(path: Path, module: str, name: str) -> Any:
    """Read and validate one file in a child process, and return the fields of the model `module.name`.

    pydantic and the models cost a program that runs for ever some 10 MiB, and are needed once. To be called while the
    process has one thread.

    Raises:
        ConfigError: as `load`.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as answer:
                answer.write(pickle.dumps(_read(path, module, name)))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        content = answer.read()
    _, status = os.waitpid(child, 0)
    if status != 0 or not content:
        raise ConfigError(f"{path}: the process that reads it failed")
    problem, values = pickle.loads(content)  # noqa: S301 - from our own child, over a pipe
    if problem:
        raise ConfigError(problem)
    return values


def _read(path: Path, module: str, name: str) -> tuple[str, SimpleNamespace | None]:
    try:
        return "", _plain(load(path, getattr(importlib.import_module(module), name)))
    except ConfigError as error:
        return str(error), None


def _plain(value: Any) -> Any:
    """Return a model as a namespace of its fields, models in it and in its maps too; all else is as it was."""
    fields = getattr(type(value), "model_fields", None)
    if fields is None and isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if fields is None:
        return value
    return SimpleNamespace(**{field: _plain(getattr(value, field)) for field in fields})
