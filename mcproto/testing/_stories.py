"""The promises of `mcproto.transports`, one story for each. The docstring is the promise.

After trio's `check_half_closeable_stream`.  A story is an ``async def``, written once; over an
adapter that blocks nothing in it suspends.
"""

from __future__ import annotations

import socket
import threading
from time import monotonic

from mcproto import ClientConnection, Command, ErrorReplied, Item, ItemTooLarge, classic, meta

from ._rigs import Rig, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeAlias

    from ..transports import Data, Transport

    Story: TypeAlias = Callable[[Rig], Coroutine[Any, Any, None]]

__all__ = ["ASYNC_STORIES", "BLOCKING_STORIES", "STORIES"]

# All byte values, and much that looks like the end of something.
LARGE = bytes(range(256)) * 1024

# ------------------------------------------------------------------------------------- all adapters


async def _there_and_back(rig: Rig) -> None:
    """Bytes go there and come back, whatever kind of bytes they are."""
    transport = await rig.connect()
    for kind in (bytes, bytearray, memoryview):
        question: Data = kind(b"version\r\n")
        await rig.version(transport, question=question)
    transport.close()


async def _no_more_than_asked(rig: Rig) -> None:
    """No more is received than was asked for, and nothing is lost."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    for max_bytes in (1, 3):
        pieces = await rig.version(transport, max_bytes)
        check(pieces == whole, f"by {max_bytes} bytes at a time came {pieces!r}, not {whole!r}")
    transport.close()


async def _large(rig: Rig) -> None:
    """A large value goes there and comes back unchanged, and several of them in a row."""
    transport = await rig.connect()
    key = f"{rig.key}:large".encode()
    request = b"set %b 0 0 %d\r\n%b\r\n" % (key, len(LARGE), LARGE)
    await rig.ask(transport, request, b"STORED\r\n")
    reply = b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (key, len(LARGE), LARGE)
    await rig.send(transport, b"get %b\r\n" % key * 4)
    got = await rig.exactly(transport, 4 * len(reply))
    check(got == reply * 4, "what came back of a large value is not what was sent")
    await rig.ask(transport, b"delete %b\r\n" % key, b"DELETED\r\n")
    transport.close()


async def _apart(rig: Rig) -> None:
    """Two transports have nothing to do with each other."""
    one, other = await rig.connect(), await rig.connect()
    check(one is not other, "connect gave the same transport twice")
    await rig.send(one, b"get %b\r\n" % rig.key.encode())
    await rig.send(other, b"mn\r\n")
    got = await rig.exactly(other, 4), await rig.exactly(one, 5)
    check(got == (b"MN\r\n", b"END\r\n"), f"two replies were mixed up: {got}")
    one.close()
    await rig.version(other)
    other.close()


async def _silence(rig: Rig) -> None:
    """Who says nothing is waited for until the deadline, and may still speak later."""
    transport = await rig.connect()
    await rig.version(transport)
    since = monotonic()
    try:
        got = await rig.receive(transport, seconds=rig.soon)
    except TimeoutError:
        pass
    else:
        raise AssertionError(f"receive_some gave {got!r} where nothing had come")
    late = monotonic() - since
    check(late < rig.much_later, f"a deadline in {rig.soon} s was kept after {late:.1f} s")
    await rig.version(transport)
    transport.close()


async def _end(rig: Rig) -> None:
    """The end is no bytes, again and again, and is input."""
    transport = await rig.connect()
    await rig.version(transport)
    await rig.send(transport, b"quit\r\n")
    for time in ("first", "second"):
        got = await rig.receive(transport)
        check(got == b"", f"the {time} receive_some after the end gave {got!r}")
    check(transport.has_input(), "has_input is false though the peer has closed")
    transport.close()


async def _input(rig: Rig) -> None:
    """Input is seen without being taken."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    check(not transport.has_input(), "has_input is true though all has been received")
    await rig.send(transport, b"version\r\n")
    until = monotonic() + rig.patience
    while not transport.has_input():
        check(monotonic() < until, "has_input stays false though a reply has come")
        await rig.pause()
    check(transport.has_input(), "has_input was true, and then false without any receive_some")
    got = await rig.exactly(transport, len(whole))
    check(got == whole, f"after has_input came {got!r}, not {whole!r}: it has taken something")
    transport.close()


async def _closed(rig: Rig) -> None:
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
    check(transport.has_input(), "has_input is false of a closed transport: it looks fresh")


async def _nobody(rig: Rig) -> None:
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


async def _past(rig: Rig) -> None:
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


async def _direct(rig: Rig) -> None:
    """The two direct calls send and receive, each within its own time-out."""
    transport = await rig.connect()
    whole = await rig.version(transport)
    send, receive = transport.direct(rig.patience)
    sent = send(b"mn\r\n")
    check(sent == 4, f"the direct send of 4 bytes gave {sent!r}")
    got = b""
    while len(got) < 4:
        some = receive(100)
        check(some, "the direct receive gave b'' though the server has not closed")
        got += some
    check(got == b"MN\r\n", f"'mn' was answered by {got!r}")
    since = monotonic()
    _, receive = transport.direct(rig.soon)
    try:
        got = receive(100)
    except OSError:
        pass
    else:
        raise AssertionError(f"the direct receive gave {got!r} where nothing had come")
    late = monotonic() - since
    check(late < rig.much_later, f"a time-out of {rig.soon} s was kept after {late:.1f} s")
    check(await rig.version(transport) == whole, "after the direct calls the stream is another")
    transport.close()


async def _abort(rig: Rig) -> None:
    """Abort wakes the thread that waits."""
    transport: Transport = await rig.connect()
    await rig.version(transport)
    outcome: list[bytes | OSError] = []

    def wait() -> None:
        try:
            outcome.append(transport.receive_some(deadline=monotonic() + rig.patience))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    # As soon as it waits, or just before: both must do.
    thread.join(0.02)
    transport.abort()
    transport.abort()
    thread.join(rig.much_later)
    check(not thread.is_alive(), "abort does not wake the thread in receive_some")
    check(
        outcome and (outcome[0] == b"" or isinstance(outcome[0], OSError)),
        f"after abort, receive_some gave {outcome!r}",
    )
    transport.close()


async def _together(rig: Rig) -> None:
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
    outcomes = rig.backend.exchange_all(jobs, deadline=monotonic() + rig.patience)
    check(len(outcomes) == len(plan), f"{len(plan)} jobs have {len(outcomes)} outcomes")
    for (_, connection, command, wanted), got in zip(plan, outcomes, strict=True):
        if isinstance(wanted, type):
            fits = isinstance(got, wanted) or (wanted is meta.Noop and got == _MN)
        else:
            fits = got is wanted
        check(fits, f"of {command!r:.60} exchange_all made {got!r}, not {wanted!r}")
        check(
            connection.is_idle or wanted is OSError, f"after {command!r:.60} a reply is still owed"
        )
    item = rig.backend.exchange_all(
        [(plan[0][0], plan[0][1], classic.Get(name))], deadline=monotonic() + rig.patience
    )
    check(item == [Item(name.encode(), 0, b"word")], f"what was set is {item!r}")
    plan[0][0].send_all(b"delete %b\r\n" % name.encode(), deadline=monotonic() + rig.patience)
    for transport, *_ in plan:
        transport.close()


_MN = meta.Noop().decode(b"MN\r\n")


async def _one_silent(rig: Rig) -> None:
    """Who does not answer by the deadline costs nobody else his answer."""
    jobs: list[tuple[Any, ClientConnection, Command[object]]] = [
        # A quiet miss: silence is all that ever comes.
        (await rig.connect(), ClientConnection(), meta.Get(f"{rig.key}:missing", q=True)),
        (await rig.connect(), ClientConnection(), meta.Noop()),
    ]
    since = monotonic()
    silent, answered = rig.backend.exchange_all(jobs, deadline=since + rig.soon * 5)
    late = monotonic() - since
    check(isinstance(silent, TimeoutError), f"no answer by the deadline became {silent!r}")
    check(answered == _MN, f"beside a silent server, an answer became {answered!r}")
    check(late < rig.soon * 5 + rig.much_later, f"the deadline was kept {late:.1f} s late")
    check(not jobs[0][1].is_idle, "a connection whose reply never came says that it is idle")
    for transport, *_ in jobs:
        transport.close()


# --------------------------------------------------------------------------------- for tasks


async def _framework(rig: Rig) -> None:
    """The backend waits, tells the time, and does things side by side."""
    backend = rig.backend
    check(backend.home() is backend.home(), "home() is not the same twice in one run")
    before = backend.now()
    try:
        await backend.within(0.01, backend.new_event().wait)
    except TimeoutError:
        pass
    else:
        raise AssertionError("within did not raise TimeoutError though its time was over")
    check(before < backend.now(), "now() stands still")
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
        await backend.within(rig.patience, lambda: backend.side_by_side([first, second]))
    except TimeoutError:
        raise AssertionError("side_by_side does one after the other") from None
    check(sorted(done) == [1, 2], "side_by_side came back before all was done")
    for seconds in (None, rig.patience):
        answer = await backend.within(seconds, _forty_two)
        check(answer == 42, f"within({seconds}) gave {answer!r}, not what was awaited")


async def _forty_two() -> int:
    return 42


async def _cancelled(rig: Rig) -> None:
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
        check(got == whole, f"after a cancelled receive_some came {got!r}, not {whole!r}")
    transport.close()


STORIES: list[Story] = [
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
BLOCKING_STORIES: list[Story] = [_past, _direct, _abort, _together, _one_silent]
ASYNC_STORIES: list[Story] = [_framework, _cancelled]
