"""What is logged, for whoever configures `logging`.

Loggers ``mcclient`` (observers that fail) and ``mcclient.pool`` (at DEBUG, the clients that are
made and closed).  Nothing is logged per call, keys and values never.  Knows that logging costs an
import, and that nobody listens who has not imported it.
"""

from __future__ import annotations

import sys

__all__ = ["log_debug", "log_exception"]


def log_debug(name: str, message: str, *arguments: object) -> None:
    """Log at DEBUG, if anybody listens."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger(name)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(message, *arguments)


def log_exception(name: str, message: str, *arguments: object) -> None:
    """Log the exception that is being handled, at ERROR. Unheard it goes to no stream."""
    import logging

    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.exception(message, *arguments)
