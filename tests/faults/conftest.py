"""What the tests of faults stand on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mcclient.testing import settled_descriptors
from tests.contract.rigs import CLIENT_RIGS, Rig


@pytest.fixture(params=CLIENT_RIGS, ids=repr)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each way to be a client over sockets."""
    chosen: Rig = request.param
    return chosen


@pytest.fixture(autouse=True)
def no_descriptor_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever has happened, at the end there are as many descriptors as before."""
    for name in "real_memcached", "real_memcached_unix":
        if name in request.fixturenames:
            request.getfixturevalue(name)
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert settled_descriptors(before) == before
