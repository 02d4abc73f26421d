"""What `expire` means, and what the server is told for it."""

from __future__ import annotations

from time import time

from mcproto import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import TypeAlias

    Expire: TypeAlias = int | float | timedelta | datetime | None
    """Seconds, a length of time, or a point in time; 0 and None are never."""

__all__ = ["exptime_at", "exptime_of"]

MONTH = 30 * 24 * 60 * 60
"""The longest expiry that servers read as seconds from now; above it they read a Unix time."""

AT_ONCE = -1
_LAST = (1 << 31) - 1  # servers wrap what is longer, some to "never"


def exptime_of(expire: Expire) -> int:
    """The expiry as memcached wants it, at this time of day. See `exptime_at`."""
    if type(expire) is int and 0 <= expire <= MONTH:
        return expire
    return exptime_at(expire, time())


def exptime_at(expire: Expire, now: float) -> int:
    """The expiry as memcached wants it.

    Args:
        expire: seconds (a fraction is rounded up, so that it never becomes "never"), a
            `timedelta`, or a `datetime` (a naive one is local time). 0 and None: never. What
            is negative or past: at once.
        now: the time of day, in seconds since 1970.

    Raises:
        InvalidArgument: it is beyond what the server can hold (January 2038), or no number.
        TypeError: it is none of these.
    """
    if expire is None:
        return 0
    if isinstance(expire, (int, float)) and not isinstance(expire, bool):
        seconds = float(expire) if isinstance(expire, float) else int(expire)
    else:
        from datetime import datetime, timedelta

        if isinstance(expire, timedelta):
            seconds = expire.total_seconds()
        elif isinstance(expire, datetime):
            at = _rounded_up(expire.timestamp())
            return _checked(at) if at > now else AT_ONCE
        else:
            kind = type(expire).__name__
            raise TypeError(f"expire must be seconds, a timedelta or a datetime, not {kind}")
    if seconds != seconds:
        raise InvalidArgument("expire must be a number, not nan")
    if seconds < 0:
        return AT_ONCE
    if seconds <= MONTH:
        return _rounded_up(seconds)
    if seconds > _LAST:
        raise InvalidArgument(
            "expire is in seconds from now, and these end after January 2038, which servers"
            " cannot hold; for a point in time pass a datetime"
        )
    return _checked(_rounded_up(now + seconds))


def _rounded_up(seconds: float) -> int:
    whole = int(seconds)
    return whole + 1 if whole < seconds else whole


def _checked(exptime: int) -> int:
    if exptime > _LAST:
        raise InvalidArgument(
            "expire is beyond January 2038, which is all that servers can hold: a number means"
            " seconds from now; for a point in time give a datetime"
        )
    return exptime
