"""What the server is told for `expire`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient._expiry import MONTH, exptime_at
from mcproto import InvalidArgument

NOW = 1_800_000_000.25
LAST = (1 << 31) - 1


@pytest.mark.parametrize(
    ("expire", "exptime"),
    [
        (None, 0),
        (0, 0),
        (0.0, 0),
        (1, 1),
        (0.001, 1),
        (59.5, 60),
        (MONTH, MONTH),
        (MONTH + 1, 1_800_000_000 + MONTH + 2),  # a Unix time from here on, rounded up
        (MONTH + 0.5, 1_800_000_000 + MONTH + 1),
        (-1, -1),
        (-0.1, -1),
        (-(10**30), -1),
        (timedelta(minutes=5), 300),
        (timedelta(milliseconds=1), 1),
        (timedelta(days=-1), -1),
        (timedelta(days=31), 1_800_000_000 + 31 * 86400 + 1),
        (datetime.fromtimestamp(NOW + 10, UTC), 1_800_000_011),
        (datetime.fromtimestamp(NOW, UTC), 1_800_000_001),
        (datetime.fromtimestamp(NOW - 3600, UTC), -1),
        (datetime(1970, 1, 2, tzinfo=UTC), -1),
    ],
)
def test_an_expiry_is_told_as_memcached_wants_it(expire, exptime):
    assert exptime_at(expire, NOW) == exptime


@pytest.mark.parametrize("expire", [float("nan"), float("inf"), 10**12, timedelta(days=10**6)])
def test_what_no_server_can_hold_is_refused(expire):
    with pytest.raises(InvalidArgument, match="expire"):
        exptime_at(expire, NOW)


@pytest.mark.parametrize("expire", [True, "60", b"60", [60], object()])
def test_what_is_no_length_and_no_point_of_time_is_a_type_error(expire):
    with pytest.raises(TypeError, match="expire"):
        exptime_at(expire, NOW)


@given(st.floats(1e-9, LAST - NOW - 1))
def test_an_expiry_is_never_shortened_and_never_becomes_never(seconds):
    exptime = exptime_at(seconds, NOW)
    assert exptime > 0
    if seconds <= MONTH:
        assert seconds <= exptime < seconds + 1
    else:
        assert MONTH < NOW + seconds <= exptime < NOW + seconds + 1
