"""What every transport must do, as a test that its author runs against a real server.

After trio's `check_half_closeable_stream`: the promises of `mcproto.transports`, one story for
each, played on any adapter.  A story is an ``async def``, written once; over an adapter that blocks
nothing in it suspends, and it runs without a loop.

Knows how to tell, not how to move bytes: it uses nothing but the adapter, and the memcached at the
other end.
"""

from __future__ import annotations

import os
import socket
import threading
from time import monotonic, sleep
from typing import overload

from mcproto import (
    ClientConnection,
    Command,
    ErrorReplied,
    Item,
    ItemTooLarge,
    classic,
    meta,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any, TypeAlias, TypeVar

    from ..transports import Address, AsyncBackend, Backend, Data, T, Transport
    from ..transports import AT_co as AT

    Story: TypeAlias = Callable[["_Rig"], Coroutine[Any, Any, None]]
    R = TypeVar("R")

__all__ = ["check_transport"]

# Far above what any exchange here takes, in seconds.
PATIENCE = 20.0
# A deadline that ought to pass, and a gross overrun of it: machines have slow phases.
SOON = 0.1
MUCH_LATER = 5.0

# All byte values, and much that looks like the end of something.
LARGE = bytes(range(256)) * 1024


class _Rig:
    """An adapter that blocks: its deadlines are arguments."""

    def __init__(self, backend: Any, address: Address) -> None:
        self.backend = backend
        self.address = address
        self.key = f"mcproto.testing:{os.getpid()}"
        self.opened: list[Any] = []

    async def connect(self, address: Address | None = None) -> Any:
        transport = await self._connected(address or self.address)
        self.opened.append(transport)
        return transport

    async def _connected(self, address: Address) -> Any:
        return self.backend.connect(address, deadline=monotonic() + PATIENCE)

    def close_all(self) -> None:
        """Leave nothing open, however a story has ended."""
        for transport in self.opened:
            try:
                transport.close()
            except Exception:
                pass  # that has been told
        self.opened.clear()

    async def send(self, transport: Any, data: Data) -> None:
        transport.send_all(data, deadline=monotonic() + PATIENCE)

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        deadline = monotonic() + (PATIENCE if seconds is None else seconds)
        data: bytes = transport.receive_some(max_bytes, deadline=deadline)
        return data

    async def pause(self) -> None:
        sleep(0.001)

    # What the stories are made of.

    async def exactly(self, transport: Any, size: int, max_bytes: int = 65536) -> bytes:
        """The next *size* bytes."""
        received = bytearray()
        while len(received) < size:
            some = await self.receive(transport, min(max_bytes, size - len(received)))
            _check(some, f"receive_some gave {some!r} while {size - len(received)} bytes are due")
            _check(type(some) is bytes, f"receive_some gave a {type(some).__name__}, not bytes")
            received += some
        return bytes(received)

    async def version(
        self, transport: Any, max_bytes: int = 65536, question: Data = b"version\r\n"
    ) -> bytes:
        """Ask the cheapest question; the whole reply."""
        await self.send(transport, question)
        reply = bytearray()
        while not reply.endswith(b"\r\n"):
            some = await self.receive(transport, max_bytes)
            _check(some, "receive_some gave b'' though the server has not closed")
            _check(
                len(some) <= max_bytes,
                f"receive_some({max_bytes}) gave {len(some)} bytes: no more than was asked for",
            )
            reply += some
        _check(reply.startswith(b"VERSION "), f"'version' was answered by {bytes(reply)!r:.80}")
        return bytes(reply)

    async def ask(self, transport: Any, request: bytes, reply: bytes) -> None:
        """Send, and hold what comes against *reply*."""
        await self.send(transport, request)
        got = await self.exactly(transport, len(reply))
        _check(got == reply, f"{request!r:.60} was answered by {got!r:.80}, not {reply!r:.80}")


class _AsyncRig(_Rig):
    """An adapter for tasks: its deadlines are scopes around the calls."""

    async def _connected(self, address: Address) -> Any:
        return await self._in_time(lambda: self.backend.connect(address))

    async def send(self, transport: Any, data: Data) -> None:
        await self._in_time(lambda: transport.send_all(data))

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        data: bytes = await self._in_time(lambda: transport.receive_some(max_bytes), seconds)
        return data

    async def pause(self) -> None:
        try:
            await self._in_time(self.backend.new_event().wait, 0.001)
        except TimeoutError:
            pass

    async def _in_time(self, do: Callable[[], Awaitable[R]], seconds: float | None = None) -> R:
        outcome: R = await self.backend.within(PATIENCE if seconds is None else seconds, do)
        return outcome


def _check(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


# ------------------------------------------------------------------------------------- all adapters


async def _there_and_back(rig: _Rig) -> None:
    """Bytes go there and come back, whatever kind of bytes they are."""
    transport = await rig.connect()
    for kind in (bytes, bytearray, memoryview):
        question: Data = kind(b"version\r\n")
        await rig.version(transport, question=question)
    transport.close()


async def _no_more_than_asked(rig: _Rig) -> None:
    """No more is received than was asked for, and nothing is lost."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    for max_bytes in (1, 3):
        pieces = await rig.version(transport, max_bytes)
        _check(pieces == whole, f"by {max_bytes} bytes at a time came {pieces!r}, not {whole!r}")
    transport.close()


async def _large(rig: _Rig) -> None:
    """A large value goes there and comes back unchanged, and several of them in a row."""
    transport = await rig.connect()
    key = f"{rig.key}:large".encode()
    request = b"set %b 0 0 %d\r\n%b\r\n" % (key, len(LARGE), LARGE)
    await rig.ask(transport, request, b"STORED\r\n")
    reply = b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (key, len(LARGE), LARGE)
    await rig.send(transport, b"get %b\r\n" % key * 4)
    got = await rig.exactly(transport, 4 * len(reply))
    _check(got == reply * 4, "what came back of a large value is not what was sent")
    await rig.ask(transport, b"delete %b\r\n" % key, b"DELETED\r\n")
    transport.close()


async def _apart(rig: _Rig) -> None:
    """Two transports have nothing to do with each other."""
    one, other = await rig.connect(), await rig.connect()
    _check(one is not other, "connect gave the same transport twice")
    await rig.send(one, b"get %b\r\n" % rig.key.encode())
    await rig.send(other, b"mn\r\n")
    got = await rig.exactly(other, 4), await rig.exactly(one, 5)
    _check(got == (b"MN\r\n", b"END\r\n"), f"two replies were mixed up: {got}")
    one.close()
    await rig.version(other)
    other.close()


async def _silence(rig: _Rig) -> None:
    """Who says nothing is waited for until the deadline, and may still speak later."""
    transport = await rig.connect()
    await rig.version(transport)
    since = monotonic()
    try:
        got = await rig.receive(transport, seconds=SOON)
    except TimeoutError:
        pass
    else:
        raise AssertionError(f"receive_some gave {got!r} where nothing had come")
    late = monotonic() - since
    _check(late < MUCH_LATER, f"a deadline in {SOON} s was kept after {late:.1f} s")
    await rig.version(transport)
    transport.close()


async def _end(rig: _Rig) -> None:
    """The end is no bytes, again and again, and is input."""
    transport = await rig.connect()
    await rig.version(transport)
    await rig.send(transport, b"quit\r\n")
    for time in ("first", "second"):
        got = await rig.receive(transport)
        _check(got == b"", f"the {time} receive_some after the end gave {got!r}")
    _check(transport.has_input(), "has_input is false though the peer has closed")
    transport.close()


async def _input(rig: _Rig) -> None:
    """Input is seen without being taken."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    _check(not transport.has_input(), "has_input is true though all has been received")
    await rig.send(transport, b"version\r\n")
    until = monotonic() + PATIENCE
    while not transport.has_input():
        _check(monotonic() < until, "has_input stays false though a reply has come")
        await rig.pause()
    _check(transport.has_input(), "has_input was true, and then false without any receive_some")
    got = await rig.exactly(transport, len(whole))
    _check(got == whole, f"after has_input came {got!r}, not {whole!r}: it has taken something")
    transport.close()


async def _closed(rig: _Rig) -> None:
    """Closing again is harmless, and what is closed is of no use."""
    transport = await rig.connect()
    await rig.version(transport)
    for time in ("first", "second"):
        try:
            transport.close()
        except Exception as error:
            raise AssertionError(f"the {time} close raised {error!r}") from error
    try:
        await rig.send(transport, b"version\r\n")
    except OSError:
        pass
    else:
        raise AssertionError("send_all on a closed transport did not raise an OSError")
    _check(transport.has_input(), "has_input is false of a closed transport: it looks fresh")


async def _nobody(rig: _Rig) -> None:
    """Where nobody listens nothing is connected."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        try:
            transport = await rig.connect(taken.getsockname())
        except OSError:
            return
        try:
            # There are adapters that know one server only, wherever it is said to be.
            await rig.version(transport)
        except OSError:
            raise AssertionError("connect gave a transport where nobody listens") from None
        finally:
            transport.close()


# -------------------------------------------------------------------------------- who may block


async def _past(rig: _Rig) -> None:
    """A deadline that has passed is a TimeoutError before anything is done."""
    transport = await rig.connect()
    past = monotonic() - 1
    calls: dict[str, Callable[[], object]] = {
        "send_all": lambda: transport.send_all(b"version\r\n", deadline=past),
        "receive_some": lambda: transport.receive_some(deadline=past),
    }
    for name, call in calls.items():
        try:
            call()
        except TimeoutError:
            pass
        else:
            raise AssertionError(f"{name} did not raise TimeoutError at a deadline in the past")
    await rig.version(transport)
    transport.close()


async def _direct(rig: _Rig) -> None:
    """The two direct calls send and receive, each within its own time-out."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    send, receive = transport.direct(PATIENCE)
    sent = send(b"mn\r\n")
    _check(sent == 4, f"the direct send of 4 bytes gave {sent!r}")
    got = b""
    while len(got) < 4:
        some = receive(100)
        _check(some, "the direct receive gave b'' though the server has not closed")
        got += some
    _check(got == b"MN\r\n", f"'mn' was answered by {got!r}")
    since = monotonic()
    _, receive = transport.direct(SOON)
    try:
        got = receive(100)
    except OSError:
        pass
    else:
        raise AssertionError(f"the direct receive gave {got!r} where nothing had come")
    late = monotonic() - since
    _check(late < MUCH_LATER, f"a time-out of {SOON} s was kept after {late:.1f} s")
    _check(await rig.version(transport) == whole, "after the direct calls the stream is another")
    transport.close()


async def _abort(rig: _Rig) -> None:
    """Abort wakes the thread that waits."""
    transport: Transport = await rig.connect()
    await rig.version(transport)
    outcome: list[bytes | OSError] = []

    def wait() -> None:
        try:
            outcome.append(transport.receive_some(deadline=monotonic() + PATIENCE))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    # As soon as it waits, or just before: both must do.
    thread.join(0.02)
    transport.abort()
    transport.abort()
    thread.join(MUCH_LATER)
    _check(not thread.is_alive(), "abort does not wake the thread in receive_some")
    _check(
        outcome and (outcome[0] == b"" or isinstance(outcome[0], OSError)),
        f"after abort, receive_some gave {outcome!r}",
    )
    transport.close()


async def _together(rig: _Rig) -> None:
    """Several exchanges at once: each has its own outcome, in the order of the jobs."""
    name = f"{rig.key}:together"
    lost = await rig.connect()
    lost.close()
    small = ClientConnection(max_value=1)
    plan: list[tuple[Any, ClientConnection, Command[object], object]] = [
        (await rig.connect(), ClientConnection(), classic.Set(name, b"word"), True),
        (await rig.connect(), ClientConnection(), classic.Get(f"{name}:missing"), None),
        (await rig.connect(), ClientConnection(), classic.Touch(f"{name}:missing", 1), False),
        (lost, ClientConnection(), classic.Version(), OSError),
        (await rig.connect(), small, classic.Set(name, b"too long"), ItemTooLarge),
        (await rig.connect(), ClientConnection(), classic.Stats("no such group"), ErrorReplied),
        (await rig.connect(), ClientConnection(), meta.Noop(), meta.Noop),
    ]
    jobs = [job[:3] for job in plan]
    outcomes = rig.backend.exchange_all(jobs, deadline=monotonic() + PATIENCE)
    _check(len(outcomes) == len(plan), f"{len(plan)} jobs have {len(outcomes)} outcomes")
    for (_, connection, command, wanted), got in zip(plan, outcomes, strict=True):
        if isinstance(wanted, type):
            fits = isinstance(got, wanted) or (wanted is meta.Noop and got == _MN)
        else:
            fits = got is wanted
        _check(fits, f"of {command!r:.60} exchange_all made {got!r}, not {wanted!r}")
        _check(
            connection.is_idle or wanted is OSError, f"after {command!r:.60} a reply is still owed"
        )
    item = rig.backend.exchange_all(
        [(plan[0][0], plan[0][1], classic.Get(name))], deadline=monotonic() + PATIENCE
    )
    _check(item == [Item(name.encode(), 0, b"word")], f"what was set is {item!r}")
    plan[0][0].send_all(b"delete %b\r\n" % name.encode(), deadline=monotonic() + PATIENCE)
    for transport, *_ in plan:
        transport.close()


_MN = meta.Noop().decode(b"MN\r\n")


async def _one_silent(rig: _Rig) -> None:
    """Who does not answer by the deadline costs nobody else his answer."""
    jobs: list[tuple[Any, ClientConnection, Command[object]]] = [
        # A quiet miss: silence is all that ever comes.
        (await rig.connect(), ClientConnection(), meta.Get(f"{rig.key}:missing", q=True)),
        (await rig.connect(), ClientConnection(), meta.Noop()),
    ]
    since = monotonic()
    silent, answered = rig.backend.exchange_all(jobs, deadline=since + SOON * 5)
    late = monotonic() - since
    _check(isinstance(silent, TimeoutError), f"no answer by the deadline became {silent!r}")
    _check(answered == _MN, f"beside a silent server, an answer became {answered!r}")
    _check(late < SOON * 5 + MUCH_LATER, f"the deadline was kept {late:.1f} s late")
    _check(not jobs[0][1].is_idle, "a connection whose reply never came says that it is idle")
    for transport, *_ in jobs:
        transport.close()


# --------------------------------------------------------------------------------- for tasks


async def _framework(rig: _Rig) -> None:
    """The backend waits, tells the time, and does things side by side."""
    backend = rig.backend
    _check(backend.home() is backend.home(), "home() is not the same twice in one run")
    before = backend.now()
    try:
        await backend.within(0.01, backend.new_event().wait)
    except TimeoutError:
        pass
    else:
        raise AssertionError("within did not raise TimeoutError though its time was over")
    _check(before < backend.now(), "now() stands still")
    one, other = backend.new_event(), backend.new_event()
    done: list[int] = []

    async def first() -> None:
        one.set()
        await other.wait()
        done.append(1)

    async def second() -> None:
        await one.wait()
        other.set()
        done.append(2)

    try:
        await backend.within(PATIENCE, lambda: backend.side_by_side([first, second]))
    except TimeoutError:
        raise AssertionError("side_by_side does one after the other") from None
    _check(sorted(done) == [1, 2], "side_by_side came back before all was done")
    for seconds in (None, PATIENCE):
        answer = await backend.within(seconds, _forty_two)
        _check(answer == 42, f"within({seconds}) gave {answer!r}, not what was awaited")


async def _forty_two() -> int:
    return 42


async def _cancelled(rig: _Rig) -> None:
    """A receive_some that is cancelled has taken nothing."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    for number in range(20):
        await rig.send(transport, b"version\r\n")
        try:
            # The reply comes at about the time when the scope ends.
            got = await rig.receive(transport, seconds=number / 4000)
        except TimeoutError:
            got = b""
        got += await rig.exactly(transport, len(whole) - len(got))
        _check(got == whole, f"after a cancelled receive_some came {got!r}, not {whole!r}")
    transport.close()


_STORIES: list[Story] = [
    _apart,
    _there_and_back,
    _no_more_than_asked,
    _large,
    _silence,
    _end,
    _input,
    _closed,
    _nobody,
]
_BLOCKING: list[Story] = [_past, _direct, _abort, _together, _one_silent]
_ASYNC: list[Story] = [_framework, _cancelled]


def _promise(story: Story) -> str:
    return (story.__doc__ or "").strip().rstrip(".")


def _play(story: Story, rig: _Rig) -> None:
    """On an adapter that blocks: in a thread, so that one that hangs is found out."""
    failures: list[BaseException] = []

    def run() -> None:
        coroutine = story(rig)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        except BaseException as failure:
            failures.append(failure)
        else:
            coroutine.close()
            failures.append(AssertionError("it has to wait, and nothing here can"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(3 * PATIENCE)
    rig.close_all()
    _check(not thread.is_alive(), f"{_promise(story)}: it hangs")
    for failure in failures:
        raise AssertionError(f"{_promise(story)}: {_told(failure)}") from failure


async def _play_all(rig: _Rig) -> None:
    for story in [*_ASYNC, *_STORIES]:
        try:
            await story(rig)
        except Exception as failure:
            raise AssertionError(f"{_promise(story)}: {_told(failure)}") from failure
        finally:
            rig.close_all()


def _told(failure: BaseException) -> str:
    return str(failure) if isinstance(failure, AssertionError) else repr(failure)


@overload
def check_transport(backend: Backend[T], address: Address) -> None: ...
@overload
def check_transport(backend: AsyncBackend[AT], address: Address) -> Coroutine[Any, Any, None]: ...
def check_transport(
    backend: Backend[T] | AsyncBackend[AT], address: Address
) -> Coroutine[Any, Any, None] | None:
    """Hold an adapter against what `mcproto.transports` promises of all adapters.

    ::

        check_transport(MyBackend(), ("127.0.0.1", 11211))
        trio.run(check_transport, MyAsyncBackend(), ("127.0.0.1", 11211))

    A backend with `exchange_all` is one that blocks, and is checked by this call.  Any other is for
    tasks: what comes back must be awaited, in that backend's own framework.

    It takes a second or so.  Of the server it uses a handful of connections at a time and some keys
    that begin with ``mcproto.testing:``, and deletes those.

    Args:
        backend: what is checked.
        address: where a memcached listens (1.6 or newer, or `mcclient.embedded.MemoryServer`), as
            the backend's `connect` takes it, or as text ``"host:port"``.

    Raises:
        AssertionError: a promise is not kept; it says which, and what was seen instead.
    """
    if isinstance(address, str) and "/" not in address and ":" in address:
        host, _, port = address.rpartition(":")
        address = (host.strip("[]"), int(port))
    if not hasattr(backend, "exchange_all"):
        return _play_all(_AsyncRig(backend, address))
    for story in [*_STORIES, *_BLOCKING]:
        _play(story, _Rig(backend, address))
    return None
