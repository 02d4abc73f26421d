"""`mcproto.testing.check_transport`: our adapters pass, and each bug in one is found and told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest
import trio

from mcclient.embedded import MemoryServer
from mcproto.testing import check_transport
from mcproto.transports.asyncio import AsyncioBackend, AsyncioTransport
from mcproto.transports.blocking import BlockingBackend, BlockingTransport
from mcproto.transports.memory import MemoryBackend
from mcproto.transports.selector import SelectorBackend
from mcproto.transports.trio import TrioBackend
from tests.servers import RealMemcached


@pytest.fixture(scope="module")
def server() -> Iterator[MemoryServer]:
    with MemoryServer() as server:
        yield server


@pytest.mark.parametrize(
    "backend", [BlockingBackend(), SelectorBackend()], ids=["blocking", "selector"]
)
def test_the_blocking_adapters_keep_every_promise(backend: Any, server: MemoryServer) -> None:
    check_transport(backend, (server.host, server.port))


@pytest.mark.parametrize("chop", [None, 1000])
def test_the_memory_adapter_keeps_every_promise(chop: int | None, server: MemoryServer) -> None:
    check_transport(MemoryBackend(server, chop=chop), "nowhere")


def test_trio_s_adapter_keeps_every_promise(server: MemoryServer) -> None:
    trio.run(check_transport, TrioBackend(), (server.host, server.port))


def test_asyncio_s_adapter_keeps_every_promise(server: MemoryServer) -> None:
    asyncio.run(check_transport(AsyncioBackend(), server.address))


def test_with_a_real_memcached_over_a_unix_socket(real_memcached_unix: RealMemcached) -> None:
    check_transport(BlockingBackend(), real_memcached_unix.path)
    trio.run(check_transport, TrioBackend(), real_memcached_unix.path)


def test_nothing_of_it_stays_on_the_server() -> None:
    with MemoryServer() as server:
        check_transport(BlockingBackend(), server.address)
        assert server.stats["curr_items"] == "0"


# --------------------------------------------------------------------------- adapters with a bug


# Whatever the bug, nothing stays open.
opened: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    yield
    for sock in opened:
        sock.close()
    opened.clear()


class Buggy(BlockingTransport):
    """A sound adapter, to have a bug put in."""

    __slots__ = ("left_over",)


class GivesMore(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        return super().receive_some(65536, deadline)


class LosesBytes(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        return super().receive_some(65536, deadline)[:max_bytes]


class StopsHalfWay(Buggy):
    def send_all(self, data: Any, deadline: float = inf) -> None:
        super().send_all(memoryview(data)[:100_000], deadline)


class SendsText(Buggy):
    def send_all(self, data: Any, deadline: float = inf) -> None:
        super().send_all(bytes(data).replace(b"\r\n", b"\n"), deadline)


class TakesOnlyBytes(Buggy):
    def send_all(self, data: Any, deadline: float = inf) -> None:
        super().send_all(b"" + data if isinstance(data, bytes) else b"", deadline)


class TakesSilenceForTheEnd(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        try:
            return super().receive_some(max_bytes, deadline)
        except TimeoutError:
            return b""


class ClosesAtADeadline(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        try:
            return super().receive_some(max_bytes, deadline)
        except TimeoutError:
            self.close()
            raise


class NeverMindsDeadlines(Buggy):
    def send_all(self, data: Any, deadline: float = inf) -> None:
        super().send_all(data)


class RaisesAtTheEnd(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        data = super().receive_some(max_bytes, deadline)
        if not data:
            raise EOFError
        return data


class TakesWhatItSees(Buggy):
    def has_input(self) -> bool:
        seen = super().has_input()
        if seen:
            try:
                self._socket.recv(1)
            except OSError:
                pass
        return seen


class SeesNothing(Buggy):
    def has_input(self) -> bool:
        return False


class SeesTooMuch(Buggy):
    def has_input(self) -> bool:
        return True


class ClosesOnce(Buggy):
    def close(self) -> None:
        if self._socket.fileno() < 0:
            raise ValueError("closed already")
        super().close()

    def __del__(self) -> None:
        pass


class NeverCloses(Buggy):
    def close(self) -> None:
        pass


class AbortsLater(Buggy):
    def abort(self) -> None:
        pass


class HalfDirect(Buggy):
    def direct(self, timeout: float | None) -> Any:
        send, receive = super().direct(timeout)
        return lambda data: send(data) and 1, receive


def backend_of(kind: type[Buggy]) -> Any:
    class Backend(BlockingBackend):
        def connect(self, address: Any, deadline: float = inf) -> Any:
            opened.append(socket.create_connection(address))
            return kind(opened[-1])

    return Backend()


class OneForAll(BlockingBackend):
    def __init__(self) -> None:
        self._transport: BlockingTransport | None = None

    def connect(self, address: Any, deadline: float = inf) -> BlockingTransport:
        self._transport = self._transport or super().connect(address, deadline)
        return self._transport


class Backwards(BlockingBackend):
    def exchange_all(self, jobs: Any, deadline: float = inf) -> Any:
        return super().exchange_all(jobs, deadline)[::-1]


class AllOrNothing(BlockingBackend):
    def exchange_all(self, jobs: Any, deadline: float = inf) -> Any:
        outcomes = super().exchange_all(jobs, deadline)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return outcomes


class Anywhere(BlockingBackend):
    def __init__(self) -> None:
        self._connected: BlockingTransport | None = None

    def connect(self, address: Any, deadline: float = inf) -> Any:
        try:
            return super().connect(address, deadline)
        except ConnectionRefusedError:
            return Unconnected()


class Unconnected:
    def send_all(self, data: Any, deadline: float = inf) -> None:
        raise BrokenPipeError

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        (backend_of(GivesMore), "no more than was asked for"),
        (backend_of(LosesBytes), "nothing is lost"),
        (backend_of(StopsHalfWay), "large value"),
        (backend_of(SendsText), "large value"),
        (backend_of(TakesOnlyBytes), "whatever kind of bytes"),
        (backend_of(TakesSilenceForTheEnd), "b'' where nothing had come"),
        (backend_of(ClosesAtADeadline), "may still speak later"),
        (backend_of(NeverMindsDeadlines), "send_all did not raise TimeoutError at a deadline in"),
        (backend_of(RaisesAtTheEnd), "The end is no bytes"),
        (backend_of(TakesWhatItSees), "taken"),
        (backend_of(SeesNothing), "has_input"),
        (backend_of(SeesTooMuch), "has_input is true though all has been received"),
        (backend_of(ClosesOnce), "the second close raised"),
        (backend_of(NeverCloses), "did not raise an OSError"),
        (backend_of(HalfDirect), "the direct send of 4 bytes gave 1"),
        (OneForAll(), "the same transport twice"),
        (Backwards(), "exchange_all made"),
        (AllOrNothing(), "Several exchanges at once"),
        (Anywhere(), "where nobody listens"),
    ],
)
def test_a_bug_is_told(
    backend: Any, told: str, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcproto.testing._rigs.Rig.patience", 0.5)
    with pytest.raises(AssertionError, match=told):
        check_transport(backend, server.address)


def test_one_that_cannot_be_woken_is_told(
    server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcproto.testing._rigs.Rig.patience", 2.0)
    monkeypatch.setattr("mcproto.testing._rigs.Rig.much_later", 0.2)
    with pytest.raises(AssertionError, match="abort does not wake"):
        check_transport(backend_of(AbortsLater), server.address)


class Hangs(Buggy):
    def receive_some(self, max_bytes: int = 65536, deadline: float = inf) -> bytes:
        return super().receive_some(max_bytes)


def test_one_that_hangs_is_told(server: MemoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcproto.testing._rigs.Rig.patience", 0.2)
    with pytest.raises(AssertionError, match=r"waited for until the deadline.*it hangs"):
        check_transport(backend_of(Hangs), server.address)


# ---------------------------------------------------------------------------------- in a framework


class Loses(AsyncioTransport):
    async def receive_some(self, max_bytes: int = 65536) -> bytes:
        data = await super().receive_some(max_bytes)
        await asyncio.sleep(0.01)  # and if it is cancelled here?
        return data


class LosingBackend(AsyncioBackend):
    async def connect(self, address: Any) -> Any:
        _, transport = await asyncio.get_running_loop().create_connection(Loses, *address)
        return transport


class OneAfterTheOther(AsyncioBackend):
    async def side_by_side(self, jobs: Any) -> None:
        for job in jobs:
            await job()


class Patient(AsyncioBackend):
    async def within(self, seconds: float | None, do: Callable[[], Any]) -> Any:
        try:
            return await super().within(seconds, do)
        except TimeoutError:
            return None


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        (LosingBackend(), "cancelled has taken nothing"),
        (OneAfterTheOther(), "one after the other"),
        (Patient(), "within did not raise TimeoutError"),
    ],
)
def test_a_bug_in_a_framework_s_adapter_is_told(
    backend: Any, told: str, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcproto.testing._rigs.Rig.patience", 0.5)
    with pytest.raises(AssertionError, match=told):
        asyncio.run(check_transport(backend, server.address))
