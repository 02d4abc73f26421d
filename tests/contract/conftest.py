"""The worlds that scenarios are played in."""

from __future__ import annotations

import pytest

from tests.contract.rigs import (
    CLIENT_RIGS,
    MEMORY_RIGS,
    SOCKET_RIGS,
    MemoryRig,
    Rig,
    World,
)


@pytest.fixture(
    params=[*MEMORY_RIGS, *[pytest.param(r, marks=pytest.mark.memcached) for r in CLIENT_RIGS]],
    ids=repr,
)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each way to be a client; those over sockets will talk to real memcached."""
    chosen: Rig = request.param
    return chosen


@pytest.fixture(params=["meta", "classic"])
def protocol(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def world(rig: Rig, protocol: str, request: pytest.FixtureRequest) -> World:
    """A world with two servers that can be trusted."""
    if isinstance(rig, MemoryRig):
        return World(rig, protocol, rig.start_anew())
    servers = ["real_memcached", "real_memcached_unix"]
    return World(rig, protocol, [request.getfixturevalue(name).address for name in servers])


@pytest.fixture(params=CLIENT_RIGS, ids=repr)
def stage(request: pytest.FixtureRequest, protocol: str) -> World:
    """A world without servers, for scenarios that bring their own, over sockets."""
    return World(request.param, protocol, [])


@pytest.fixture(params=SOCKET_RIGS, ids=repr)
def plain_stage(request: pytest.FixtureRequest, protocol: str) -> World:
    """The same, where a client is for one caller at a time."""
    return World(request.param, protocol, [])
