"""The ways to be a client: blocking sockets, a selector, trio, asyncio, and no network at all.

A scenario is an ``async def``, written once and played on each rig.  On a blocking rig nothing in
it suspends, so it runs without a loop; `do` is what makes one call fit both.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import tempfile
import threading
from collections.abc import Callable, Coroutine
from math import inf
from time import monotonic
from typing import Any, TypeVar

import pytest
import trio

from mcclient import AsyncClient, Client, ServerDown
from mcclient.embedded import MemoryServer
from mcclient.testing import Script, ScriptedServer
from mcproto.transports.asyncio import AsyncioBackend
from mcproto.transports.blocking import BlockingBackend
from mcproto.transports.memory import MemoryBackend
from mcproto.transports.selector import SelectorBackend
from mcproto.transports.trio import TrioBackend
from tests.certificates import AUTHORITY

T = TypeVar("T")
Story = Callable[..., Coroutine[Any, Any, T]]


async def do(result: Any) -> Any:
    """What a call has given: at once if the rig blocks, else awaited."""
    return await result if inspect.isawaitable(result) else result


class Rig:
    """One way of moving bytes, and of running code that does.

    Attributes:
        is_async: its clients are awaited.
        over_sockets: it can reach any server; the others know memory only.
        item_size: the largest item that the servers take, in bytes.
    """

    is_async = False
    over_sockets = True
    item_size = 1 << 20

    def __init__(self, name: str, backend: Callable[[], Any]) -> None:
        self.name = name
        self.backend = backend

    def __repr__(self) -> str:
        return self.name

    def client(self, servers: Any, **options: Any) -> Any:
        kind = AsyncClient if self.is_async else Client
        return kind(servers, **({"backend": self.backend()} | options))

    def run(self, story: Story[T]) -> T:
        """Play it to its end."""
        coroutine = story()
        try:
            coroutine.send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result
        coroutine.close()
        raise AssertionError("a story on a blocking rig must not suspend")

    async def close(self, client: Any) -> None:
        await do(client.aclose() if self.is_async else client.close())

    async def together(self, *stories: Story[Any]) -> list[Any]:
        """Play them at once, in threads or tasks; the results, or the exceptions."""
        outcomes: list[Any] = [None] * len(stories)

        def play(number: int, story: Story[Any]) -> None:
            try:
                outcomes[number] = self.run(story)
            except Exception as error:
                outcomes[number] = error

        threads = [
            threading.Thread(target=play, args=job, daemon=True) for job in enumerate(stories)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a story hangs"
        return outcomes

    async def reach(self, sign: Any) -> None:
        """Wait for another thread's event or semaphore."""
        assert _reached(sign)

    def serves(self, *scripts: Script) -> ScriptedServer:
        """A server that `connect` can reach."""
        return ScriptedServer(*scripts)

    # The transport's own interface, whose deadlines are an argument here and a scope there.

    async def connect(self, place: Any, seconds: float | None = None) -> Any:
        return self.backend().connect(place, _deadline(seconds), **self.how())

    def how(self) -> dict[str, Any]:
        """What `connect` is told beside address and deadline."""
        return {}

    async def send(self, transport: Any, data: bytes, seconds: float | None = None) -> None:
        transport.send_all(data, _deadline(seconds))

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        data: bytes = transport.receive_some(max_bytes, _deadline(seconds))
        return data


def _reached(sign: Any) -> bool:
    reached: bool = sign.wait(20) if hasattr(sign, "wait") else sign.acquire(timeout=20)
    return reached


def _deadline(seconds: float | None) -> float:
    return inf if seconds is None else monotonic() + seconds


class AsyncRig(Rig):
    is_async = True

    async def connect(self, place: Any, seconds: float | None = None) -> Any:
        backend = self.backend()
        return await backend.within(seconds, lambda: backend.connect(place, **self.how()))

    async def send(self, transport: Any, data: bytes, seconds: float | None = None) -> None:
        await self.backend().within(seconds, lambda: transport.send_all(data))

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        data: bytes = await self.backend().within(
            seconds, lambda: transport.receive_some(max_bytes)
        )
        return data


async def _outcome(outcomes: list[Any], number: int, story: Story[Any]) -> None:
    try:
        outcomes[number] = await story()
    except Exception as error:
        outcomes[number] = error


class TrioRig(AsyncRig):
    async def reach(self, sign: Any) -> None:
        assert await trio.to_thread.run_sync(_reached, sign)

    def run(self, story: Story[T]) -> T:
        return trio.run(story)

    async def together(self, *stories: Story[Any]) -> list[Any]:
        outcomes: list[Any] = [None] * len(stories)
        async with trio.open_nursery() as nursery:
            for number, story in enumerate(stories):
                nursery.start_soon(_outcome, outcomes, number, story)
        return outcomes


class AsyncioRig(AsyncRig):
    async def reach(self, sign: Any) -> None:
        assert await asyncio.to_thread(_reached, sign)

    def run(self, story: Story[T]) -> T:
        return asyncio.run(story())

    async def together(self, *stories: Story[Any]) -> list[Any]:
        outcomes: list[Any] = [None] * len(stories)
        async with asyncio.TaskGroup() as group:
            for number, story in enumerate(stories):
                group.create_task(_outcome(outcomes, number, story))
        return outcomes


class InMemory:
    """A backend for servers of this process, by name: ``"memory0"``, ``"memory1"``.

    A client's own `MemoryBackend` knows one server; this picks the one that is meant.
    """

    def __init__(self, servers: dict[str, MemoryServer], chop: int | None) -> None:
        self._backends = {
            name: MemoryBackend(server, chop=chop) for name, server in servers.items()
        }

    def connect(self, address: Any, deadline: float = inf) -> Any:
        return self._backends[address[0]].connect(address, deadline)

    def exchange_all(self, jobs: Any, deadline: float = inf) -> Any:
        return next(iter(self._backends.values())).exchange_all(jobs, deadline)


class MemoryRig(Rig):
    over_sockets = False

    def __init__(self, name: str, chop: int | None = None, item_size: int = 1 << 20) -> None:
        super().__init__(name, lambda: InMemory(self.servers, chop))
        self.servers: dict[str, MemoryServer] = {}
        self.item_size = item_size

    def start_anew(self) -> list[str]:
        """Two fresh servers; their addresses."""
        self.servers = {
            f"memory{number}": MemoryServer(item_size=self.item_size) for number in range(2)
        }
        return list(self.servers)


def over_tls(rig: Rig) -> Rig:
    """The same, over TLS."""
    secured = copy.copy(rig)
    secured.name = f"{rig.name}-tls"
    secured.serves = lambda *scripts: ScriptedServer(*scripts, tls=AUTHORITY.server())  # type: ignore[method-assign]
    secured.how = lambda: {"tls": AUTHORITY.client()}  # type: ignore[method-assign]
    return secured


def over_unix_socket(rig: Rig) -> Rig:
    """The same, over unix sockets."""
    local = copy.copy(rig)
    local.name = f"{rig.name}-unix"
    local.serves = lambda *scripts: ScriptedServer(  # type: ignore[method-assign]
        *scripts, path=tempfile.mktemp(prefix="mc-")
    )
    return local


BLOCKING = Rig("blocking", BlockingBackend)
SELECTOR = Rig("selector", SelectorBackend)
TRIO = TrioRig("trio", functools.partial(TrioBackend, multiplexed=False))
ASYNCIO = AsyncioRig("asyncio", functools.partial(AsyncioBackend, multiplexed=False))
SOCKET_RIGS = [BLOCKING, SELECTOR, TRIO, ASYNCIO]
# Their clients may be used by many tasks at once.
TRIO_SHARED = TrioRig("trio_shared", functools.partial(TrioBackend, multiplexed=True))
ASYNCIO_SHARED = AsyncioRig("asyncio_shared", functools.partial(AsyncioBackend, multiplexed=True))
SHARED_RIGS = [TRIO_SHARED, ASYNCIO_SHARED]


class Strange:
    """An async transport of which nothing is known but the interface."""

    def __init__(self, inner: Any) -> None:
        self.send_all = inner.send_all
        self.send_parts = inner.send_parts
        self.receive_some = inner.receive_some
        self.has_input = inner.has_input
        self.close = inner.close


class StrangeTrioBackend(TrioBackend):
    async def connect(self, *args: Any, **how: Any) -> Any:
        return Strange(await super().connect(*args, **how))


class StrangeAsyncioBackend(AsyncioBackend):
    async def connect(self, *args: Any, **how: Any) -> Any:
        return Strange(await super().connect(*args, **how))


TURNS_RIGS = [
    TrioRig("trio_by_turns", StrangeTrioBackend),
    AsyncioRig("asyncio_by_turns", StrangeAsyncioBackend),
]
CLIENT_RIGS = [*SOCKET_RIGS, *SHARED_RIGS]
TLS_RIGS = [over_tls(rig) for rig in SOCKET_RIGS]
UNIX_RIGS = [over_unix_socket(rig) for rig in SOCKET_RIGS]
MEMORY = MemoryRig("memory")
# Where each byte is a step, a megabyte is out of reach.
CHOPPED = MemoryRig("chopped", chop=1, item_size=4096)
MEMORY_RIGS = [MEMORY, CHOPPED]


def on(rigs: list[Any]) -> Any:
    """Parametrizes a test over *rigs*."""
    return pytest.mark.parametrize("rig", rigs, ids=repr)


def scenario(story: Story[None]) -> Callable[..., None]:
    """A test from an ``async def`` whose first argument is the rig that plays it, or has one."""
    name, *_ = inspect.signature(story).parameters

    @functools.wraps(story)
    def test(**arguments: Any) -> None:
        stage = arguments[name]
        if isinstance(stage, Rig):
            stage.run(lambda: story(**arguments))
        else:
            stage.play(lambda: story(**arguments))

    return test


class World:
    """What a client scenario has: a rig, a dialect, and two servers or those that it makes.

    Every world has a prefix of its own, so that all of them can share real servers: memcached
    forgets by the second only, so a shared one cannot be emptied between two tests.

    Attributes:
        addresses: of the servers.
        prefix: what the clients put before their keys; nothing where there are no such servers.
    """

    _numbers = 0

    def __init__(self, rig: Rig, protocol: str, addresses: list[str]) -> None:
        World._numbers += 1
        self.rig = rig
        self.protocol = protocol
        self.addresses = addresses
        self.prefix = f"w{World._numbers}:" if addresses else ""
        self._clients: list[Any] = []

    def client(self, servers: int | list[str] = 1, **options: Any) -> Any:
        """A client of the first so many of the world's servers, or of others. It will be closed."""
        addresses = servers if isinstance(servers, list) else self.addresses[:servers]
        options = {"protocol": self.protocol, "key_prefix": self.prefix} | options
        client = self.rig.client(addresses, **options)
        self.adopt(client)
        return client

    def adopt(self, client: Any) -> None:
        """This one will be closed as well."""
        self._clients.append(client)

    def wire(self, key: str) -> bytes:
        """The key as it goes over the wire."""
        return (self.prefix + key).encode()

    def play(self, story: Story[None]) -> None:
        async def and_close() -> None:
            try:
                await story()
            finally:
                for client in self._clients:
                    await self.rig.close(client)

        self.rig.run(and_close)


def forgive(client: Any) -> None:
    """As far as the client and its clones know, no server has ever failed."""
    for gate in client._gates.values():
        gate.start_anew()


async def when_up(call: Callable[[], Any]) -> Any:
    """What the call gives, as soon as its server may be tried again. (Within some milliseconds.)"""
    while True:
        try:
            return await do(call())
        except ServerDown:
            pass


def keys_on(client: Any, number: int, count: int = 1) -> list[str]:
    """So many keys that live on that server of the client's."""
    routes = client._setup.routes
    keys = (f"key{n}" for n in range(100_000))
    there = (key for key in keys if routes[key][0] == number)
    return [next(there) for _ in range(count)]
