"""Structured logging on the standard library: a constant message plus fields.

`log = logs.get("agent"); log.info("pod started", pod="default/web", node="node-1")`. Lines go to standard error,
where systemd or the lab collects them. Nothing secret is ever passed as a field.
"""

from __future__ import annotations

import json
import logging
import sys


class Logger:
    """A named logger that takes fields as keyword arguments."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"edge.{name}")

    def debug(self, message: str, **fields: object) -> None:
        self._logger.debug(message, extra={"fields": fields})

    def info(self, message: str, **fields: object) -> None:
        self._logger.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        self._logger.warning(message, extra={"fields": fields})

    def error(self, message: str, *, cause: BaseException | None = None, **fields: object) -> None:
        """Log a failure; with `cause`, its traceback goes along."""
        self._logger.error(message, extra={"fields": fields}, exc_info=cause)


class LineFormatter(logging.Formatter):
    """One line a record: time, level, logger, message, fields as key=value (values JSON-quoted where needed)."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        tail = "".join(f" {key}={_value(value)}" for key, value in fields.items())
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        text = f"{stamp} {record.levelname:<7} {record.name}: {record.getMessage()}{tail}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _value(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(c in text for c in ' "=\n') else text


def get(name: str) -> Logger:
    """Return the logger of one part of the program."""
    return Logger(name)


def configure(level: str = "info") -> None:
    """Send every record of `level` and above to standard error. Called once, by a program's main."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[stream], force=True)
