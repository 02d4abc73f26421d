"""What is logged, for whoever configures `logging`.

Loggers ``mcclient`` (observers that fail), ``mcclient.server`` (WARNING: one has gone down; INFO:
it is up again; DEBUG: connections) and ``mcclient.pool`` (DEBUG: the clients that are made and
closed). Nothing is logged per call, keys and values never.  Knows that logging costs an import, and
that nobody listens who has not imported it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from types import ModuleType
    from typing import Literal

    Level = Literal["DEBUG", "INFO", "WARNING"]

__all__ = ["log", "log_exception"]

# Kept, since looking one up takes a lock of all logging's, and a handler of a signal that raises
# there leaves it locked for good.
_loggers: dict[str, Logger] = {}


def log(level: Level, name: str, message: str, *arguments: object) -> None:
    """Log, if anybody listens. What does not print in the *arguments* is escaped."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    number: int = getattr(logging, level)
    logger = _logger(logging, name)
    if logger.isEnabledFor(number):
        logger.log(number, message, *[_escaped(argument) for argument in arguments])


def log_exception(name: str, message: str, *arguments: object) -> None:
    """Log the exception that is being handled, at ERROR."""
    import logging

    _logger(logging, name).exception(message, *arguments)


def _logger(logging: ModuleType, name: str) -> Logger:
    """The logger. What nobody has set up a handler for goes to no stream."""
    known = _loggers.get(name)
    if known is not None:
        return known
    top = logging.getLogger(name.partition(".")[0])
    if not top.handlers:
        top.addHandler(logging.NullHandler())
    logger: Logger = logging.getLogger(name)
    _loggers[name] = logger
    return logger


def _escaped(argument: object) -> object:
    """Numbers as they are, and all else as text of one line, in which all that is there shows."""
    if isinstance(argument, (int, float)):
        return argument
    text = str(argument)
    return text if text.isprintable() else repr(text)[1:-1]
