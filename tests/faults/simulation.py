"""A client under trio, in a world of its own: no sockets, a clock that jumps, and one seed for all.

The seed decides what the network does, who is cancelled, and in which order tasks run; so the same
seed plays the same story, to the last event.  Every value says which key it belongs to, so that an
answer to somebody else's question shows.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple
from unittest import mock

import trio
import trio.testing

from mcclient import AsyncClient, AsyncPooledClient, MemcacheError, PartialFailure
from mcclient.embedded import MemoryServer
from mcclient.pools import async_pooled_client
from mcproto import CLOSED, NEED_DATA, BadRequest, ServerConnection
from mcproto.transports.trio import TrioBackend

KEYS = [f"key{number}" for number in range(30)]
SERVERS = ["one:1", "two:2"]
TASKS = 16
TIMEOUT = 0.1  # of the virtual clock
FAULTS = 0.06  # of the replies
CANCELS = 0.05  # of the calls


class Story(NamedTuple):
    """What came of one seed.

    Attributes:
        calls: how many there were.
        outcomes: what became of them.
        faults: what the network did, and how often.
        wrong: what should not have been given to who asked.
        digest: of all that happened, and when.
    """

    calls: int
    outcomes: Counter[str]
    faults: Counter[str]
    wrong: list[object]
    digest: str


def play(seed: int, calls: int) -> Story:
    """So many calls, by tasks that share a client, or a pool; in the dialect that is the seed's."""
    # Trio's own order, and the pauses before a server is tried again.
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[attr-defined]
    trio._core._run._r.seed(seed)  # type: ignore[attr-defined]
    random.seed(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    # How long somebody has waited for a client of a pool is on the machine's clock.
    with mock.patch.object(async_pooled_client, "monotonic", trio.current_time):
        return trio.run(_Play(seed, calls).main, clock=clock)


class _Play:
    def __init__(self, seed: int, calls: int) -> None:
        self.calls = calls
        self.random = Random(seed)
        self.shared = bool(seed & 1)
        self.protocol = ["meta", "classic", "binary"][seed // 2 % 3]
        self.digest = sha256()
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.wrong: list[object] = []
        self.begun = 0

    async def main(self) -> Story:
        backend = Backend(self, multiplexed=self.shared)
        options: Any = {"protocol": self.protocol, "timeout": TIMEOUT, "backend": backend}
        client = AsyncClient(SERVERS, ring="modula", **options)
        mc: Any = client if self.shared else AsyncPooledClient(client, 4)
        async with trio.open_nursery() as nursery:
            for _ in range(TASKS):
                nursery.start_soon(self.caller, mc)
        if not self.shared:
            assert mc.pool.full(), mc.pool
            assert not mc.pool.lender.queue
        self.random = Random(0)
        await self.all_is_well(mc, backend)
        await mc.aclose()
        digest = self.digest.hexdigest()
        return Story(self.begun, self.outcomes, self.faults, self.wrong, digest)

    async def all_is_well(self, mc: Any, backend: Backend) -> None:
        """When the faults are over, every key can be had; and soon, by the virtual clock."""
        backend.is_calm = True
        with trio.fail_after(30):
            for key in KEYS:
                while True:
                    try:
                        assert await mc.set(key, f"{key}=last")
                        assert await mc.get(key) == f"{key}=last"
                        break
                    except MemcacheError:
                        await trio.sleep(0.05)

    async def caller(self, mc: Any) -> None:
        while self.begun < self.calls:
            self.begun += 1
            number = self.begun
            outcome = "fine"
            try:
                if self.random.random() < CANCELS:
                    with trio.move_on_after(self.random.random() * 0.004) as scope:
                        await self.call(mc, number)
                    if scope.cancelled_caught:
                        outcome = "cancelled"
                else:
                    await self.call(mc, number)
            except MemcacheError as error:
                outcome = type(error).__name__
            self.outcomes[outcome] += 1
            self.digest.update(f"{number} {outcome} {trio.current_time():.9f}\n".encode())
            if self.random.randrange(4) == 0:
                await trio.sleep(self.random.random() * 0.004)

    async def call(self, mc: Any, number: int) -> None:
        key = self.random.choice(KEYS)
        match self.random.randrange(8):
            case 0 | 1:
                self.judge(await mc.set(key, f"{key}={number}"), True)
            case 2:
                some = self.random.sample(KEYS, 4)
                try:
                    found = await mc.get_multi(some)
                except PartialFailure as failure:
                    found = failure.result
                self.judge(set(found) <= set(some), True)
                for key, value in found.items():
                    self.judge_value(key, value)
            case 3:
                item = await mc.gets(key)
                if item is not None:
                    self.judge(item.key, key)
                    self.judge_value(key, item.value)
            case 4:
                self.judge(await mc.delete(key) in (True, False), True)
            case _:
                self.judge_value(key, await mc.get(key))

    def judge(self, got: object, expected: object) -> None:
        if got != expected:
            self.wrong.append((got, expected))

    def judge_value(self, key: str, value: object) -> None:
        if value is not None and not (isinstance(value, str) and value.startswith(f"{key}=")):
            self.wrong.append((key, value))


class Backend(TrioBackend):
    """Connects to servers of the play, whose stores are in memory."""

    __slots__ = ("is_calm", "play", "stores")

    def __init__(self, play: _Play, *, multiplexed: bool) -> None:
        super().__init__(multiplexed=multiplexed)
        self.play = play
        self.is_calm = False
        self.stores: dict[object, MemoryServer] = {}

    async def connect(self, address: Any, *_: Any, **how: Any) -> Any:
        chance = self.play.random
        how.get("began", str)("tcp")
        await trio.sleep(chance.random() * 0.001)
        if not self.is_calm and chance.random() < 0.02:
            self.play.faults["refused"] += 1
            raise ConnectionRefusedError("nobody listens")
        return Transport(self, self.stores.setdefault(address, MemoryServer()))


class Transport:
    """One connection: what is sent is answered at once, and the answer comes when it is due."""

    def __init__(self, backend: Backend, store: MemoryServer) -> None:
        self._backend = backend
        self._chance = backend.play.random
        self._store = store
        self._server = ServerConnection()
        self._coming: deque[tuple[float, bytes | OSError]] = deque()
        self._last_due = 0.0
        self._held = b""
        self._is_over = False  # for the server: nothing comes any more
        self._closed = False
        self._news = trio.Event()

    async def send_all(self, data: Any) -> None:
        data = bytes(data)
        if self._chance.random() < 0.2:
            cut = self._chance.randrange(len(data) + 1)
            self._serve(data[:cut])
            data = data[cut:]
            await trio.sleep(self._chance.random() * 0.001)
        if self._closed:
            raise BrokenPipeError("the connection is closed")
        self._serve(data)

    async def receive_some(self, max_bytes: int = 65536) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise ConnectionResetError("the connection is closed")
            until = trio.current_time() + 3600.0
            if self._coming:
                due, what = self._coming[0]
                if due <= trio.current_time():
                    if isinstance(what, OSError):
                        raise what
                    if what:
                        self._coming.popleft()
                    return what
                until = due
            self._news = trio.Event()
            with trio.move_on_at(until):
                await self._news.wait()

    def has_input(self) -> bool:
        return self._closed or bool(self._coming and self._coming[0][0] <= trio.current_time())

    def close(self) -> None:
        self._closed = True
        self._news.set()

    def _serve(self, data: bytes) -> None:
        if self._is_over or not data:
            return
        self._server.receive_data(data)
        while not self._server.must_close:
            event = self._server.next_event()
            if event is NEED_DATA or event is CLOSED:
                return
            reply = event.reply if isinstance(event, BadRequest) else self._store.handle(event)
            wire = self._server.send(reply)
            if wire:
                self._answer(wire)
        self._end(b"")

    def _answer(self, wire: bytes) -> None:
        chance = self._chance
        wire, self._held = wire + self._held, b""
        if self._backend.is_calm or chance.random() >= FAULTS:
            self._come(wire)
            return
        cut = chance.randrange(len(wire) + 1)
        fault = chance.choice(
            "lost late end reset double surplus later_surplus garbage wrong held dribble".split()
        )
        self._backend.play.faults[fault] += 1
        match fault:
            case "lost":
                pass
            case "late":
                self._come(wire, chance.random() * 3 * TIMEOUT)
            case "end":
                self._come(wire[:cut])
                self._end(b"")
            case "reset":
                self._come(wire[:cut])
                self._end(ConnectionResetError("reset"))
            case "double":
                self._come(wire + wire)
            case "surplus":
                self._come(wire + chance.choice([b"x", b"END\r\n", b"EN\r\n", b"HD\r\n"]))
            case "later_surplus":
                self._come(wire)
                self._come(chance.choice([b"x", b"ERROR\r\n", wire]), chance.random() * TIMEOUT)
            case "garbage":
                self._come(chance.randbytes(20) + wire)
            case "wrong":
                # As if it were the answer to a question about another key.
                self._come(wire.replace(b" key", b" kez", 1).replace(b"\r\n", b"9\r\n", 1))
            case "held":
                self._held = wire
            case _:
                for start in range(len(wire)):
                    self._come(wire[start : start + 1], 0.9 * TIMEOUT)

    def _come(self, data: bytes, later: float = 0.0) -> None:
        if data:
            self._put(data, 0.0001 + self._chance.random() * 0.001 + later)

    def _end(self, how: bytes | OSError) -> None:
        self._is_over = True
        self._put(how, 0.0)

    def _put(self, what: bytes | OSError, delay: float) -> None:
        # They come in the order in which they were sent.
        self._last_due = max(self._last_due, trio.current_time() + delay)
        self._coming.append((self._last_due, what))
        self._news.set()
