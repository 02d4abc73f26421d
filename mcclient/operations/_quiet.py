"""Storing quietly: commands are gathered and leave in flights, and what failed is told by key.

A flight is one exchange like any other: written at once, closed by a barrier, and read to its end
before the next one leaves.  So nothing is outstanding between two of them, one that is given up
leaves a connection that is not idle, and what has become of every command is known, or that it is
not.  Flights are short, so that what is gathered stays small.
"""

from __future__ import annotations

from mcproto import MAX_VALUE, NO_REPLY, Flight, ItemTooLarge, meta
from mcproto._flight import EncodedFlight
from mcproto._tokens import U64, checked_int

from .._errors import MemcacheError, ServerUnavailable
from ._effects import FanOut
from ._many import failure
from ._quiet_commands import (
    FULL,
    PLAIN,
    asking,
    can_be_asked,
    has_failed,
    quiet_dialect,
    why_not,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn, TypeAlias, TypeVar

    from mcproto import Command, Reply
    from mcproto._replies import NoReply

    from ._dialects import Mode
    from ._effects import Operation
    from ._quiet_commands import Why
    from ._setup import Setup

    K = TypeVar("K", bound="str | bytes")

    Key: TypeAlias = str | bytes

    # A command that is gathered, behind the caller's key: a set of meta as what fills its form
    # (key, value, perhaps flags and exptime), any other one as itself.
    Entry: TypeAlias = (
        tuple[Key, Command[object]] | tuple[Key, bytes, bytes] | tuple[Key, bytes, bytes, int, int]
    )

__all__ = ["AROUND", "WINDOW", "Gathered"]

WINDOW = 65536
"""So many bytes are gathered for a server at most before they leave.

Enough that what a round trip costs is a small part, few enough that others who share the
connection do not wait long. A value as large as that has a flight to itself."""

AROUND = 64
"""What a request is beside its value, in bytes: about. (Counting keys costs a tenth of a set.)"""

# How many questions leave together.
_QUESTIONS = 256


class Share:
    """What is gathered for one server.

    Attributes:
        entries: in order.
        size: in bytes, about.
        under_way: how many of the entries may have been sent.
        has_large: whether one of them is to have a flight to itself.
        has_touch: whether of one of them silence is no success.
    """

    __slots__ = ("entries", "has_large", "has_touch", "size", "under_way")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.size = 0
        self.under_way = 0
        self.has_large = False
        self.has_touch = False

    def next_flight(self) -> Flight:
        """The commands that can leave now, and are under way from now on."""
        entries = self.entries
        if self.has_large:
            first = next((i for i, entry in enumerate(entries) if _is_large(entry)), len(entries))
            entries = entries[: first or 1]
        self.under_way = len(entries)
        return flight_of(entries)

    def landed(self) -> None:
        """What was under way has been answered."""
        del self.entries[: self.under_way]
        self.under_way = 0


class _Shares(dict[int, Share]):
    """By server."""

    def __missing__(self, server: int) -> Share:
        share = self[server] = Share()
        return share


class _NoShares(_Shares):
    """Outside of the block nothing is gathered."""

    def __missing__(self, server: int) -> NoReturn:
        raise RuntimeError("quiet() is for a block: `with mc.quiet() as q`, and q within it")


class Gathered:
    """What has been said quietly, what is under way, and what has failed.

    The methods for commands gather one, and give back whether it is time for `send`.

    Args:
        as_is: whether the codec stores bytes as they are, with flags 0.

    Attributes:
        takes_bytes: whether a set of bytes may be added to `shares` without asking here.
    """

    __slots__ = (
        "_as_is",
        "_dialect",
        "_failed",
        "_flying",
        "_has_forms",
        "_lost",
        "_lost_keys",
        "_serialize",
        "_setup",
        "routes",
        "shares",
        "takes_bytes",
    )

    def __init__(self, setup: Setup, as_is: bool) -> None:
        self._setup = setup
        self.routes = setup.routes
        self._serialize = setup.serialize
        self._as_is = as_is
        self._dialect = quiet_dialect(setup.dialect.name)
        self._has_forms = self._dialect.has_forms
        self.takes_bytes = as_is and self._has_forms
        self.shares: _Shares = _NoShares()
        self._flying: list[_Shares] = []  # what has left `shares` and is not settled
        self._failed: dict[Key, Why] = {}
        # Since the last `flush`: the servers that gave no answer, and the keys they were given.
        self._lost: dict[int, MemcacheError] = {}
        self._lost_keys: list[Key] = []

    @property
    def failed(self) -> dict[Key, Why]:
        """key -> why it was not obeyed, or may not have been. See `Quiet.failed`."""
        failed = self._failed.copy()
        for shares in self._flying:
            for server, share in shares.items():
                name = self._setup.servers[server].name
                for place, entry in enumerate(share.entries):
                    failed[entry[0]] = _in_doubt(name) if place < share.under_way else _unsent()
        return failed

    def open(self) -> None:
        """The block begins."""
        self.shares = _Shares()

    def close(self) -> None:
        """The block has ended: what has not been sent will not be."""
        self._flying.append(self.shares)
        self.shares = _NoShares()

    # --------------------------------------------------------------------------------- gathering

    def set(self, key: Key, value: object, exptime: int) -> bool:
        """Store a value."""
        server, wire = self.routes[key]
        if type(value) is bytes and self._as_is:
            data, flags = value, 0
        else:
            data, flags = self._serialize(value)
        if len(data) >= WINDOW or not self._has_forms:
            return self._store("set", key, server, wire, data, flags, exptime)
        share = self.shares[server]
        # By one append: whoever is interrupted has gathered all of it, or nothing.
        if flags or exptime:
            share.entries.append((key, wire, data, flags, exptime))
        else:
            share.entries.append((key, wire, data))
        share.size += len(data) + AROUND
        return share.size >= WINDOW

    def store(self, mode: Mode, key: Key, value: object, exptime: int) -> bool:
        """Store a value in one of the modes."""
        server, wire = self.routes[key]
        data, flags = self._serialize(value)
        return self._store(mode, key, server, wire, data, flags, exptime)

    def join(self, mode: Mode, key: Key, value: object) -> bool:
        """Append or prepend: the item keeps its flags."""
        server, wire = self.routes[key]
        data, _ = self._serialize(value)
        return self._store(mode, key, server, wire, data, 0, 0)

    def cas(self, key: Key, value: object, unique: int, exptime: int) -> bool:
        """Store a value if the item still has this unique."""
        server, wire = self.routes[key]
        checked_int("cas", unique, 0, U64)
        data, flags = self._serialize(value)
        quiet = _checked_size(data) < WINDOW
        command = self._dialect.cas(wire, data, unique, flags, exptime, quiet)
        return self._add(server, key, command)

    def delete(self, key: Key) -> bool:
        """Delete an item."""
        server, wire = self.routes[key]
        return self._add(server, key, self._dialect.delete(wire))

    def arithmetic(self, key: Key, up: bool, delta: int, initial: int | None, exptime: int) -> bool:
        """Count up or down."""
        server, wire = self.routes[key]
        checked_int("delta", delta, 0, U64)
        if initial is not None:
            checked_int("initial", initial, 0, U64)
        command = self._dialect.arithmetic(wire, up, delta, initial, exptime)
        return self._add(server, key, command)

    def touch(self, key: Key, exptime: int) -> bool:
        """Give an item a new expiry."""
        server, wire = self.routes[key]
        self.shares[server].has_touch = True
        return self._add(server, key, self._dialect.touch(wire, exptime))

    def _store(
        self,
        mode: Mode,
        key: Key,
        server: int,
        wire: bytes,
        data: bytes,
        flags: int,
        exptime: int,
    ) -> bool:
        quiet = _checked_size(data) < WINDOW
        command = self._dialect.store(mode, wire, data, flags, exptime, quiet)
        return self._add(server, key, command)

    def _add(self, server: int, key: Key, command: Command[object]) -> bool:
        share = self.shares[server]
        size = command.value_size
        if size >= WINDOW:
            share.has_large = True
        share.entries.append((key, command))
        share.size += size + AROUND
        return share.size >= WINDOW

    # ----------------------------------------------------------------------------------- sending

    def send(self) -> Operation[None]:
        """Send all that is gathered, and see what becomes of it.

        A server that gives no answer is not tried again before `flush` has told of it.
        """
        shares = self.shares
        self._flying.append(shares)
        self.shares = _Shares()
        doubts: list[tuple[int, Key, Command[object]]] = []
        while shares:
            for server in [*shares]:
                if server in self._lost:
                    self._lose(server, shares)
            flights = {server: share.next_flight() for server, share in shares.items()}
            if not flights:
                break
            outcomes = yield from FanOut(flights)
            for server, outcome in outcomes.items():
                if isinstance(outcome, MemcacheError):
                    self._lost[server] = outcome
                    self._lose(server, shares)
                    continue
                share = shares[server]
                if share.has_touch or outcome.count(NO_REPLY) < len(outcome):
                    doubts += self._settle(server, share, flights[server], outcome)
                share.landed()
                if not share.entries:
                    del shares[server]
        self._flying = [flying for flying in self._flying if flying]
        for start in range(0, len(doubts), _QUESTIONS):
            yield from self._ask(doubts[start : start + _QUESTIONS])

    def flush(self) -> Operation[None]:
        """Send all that is gathered, and tell of the servers that gave no answer."""
        yield from self.send()
        if self._lost:
            lost, self._lost = self._lost, {}
            keys, self._lost_keys = self._lost_keys, []
            raise failure(self._setup, lost, None, keys)

    def _settle(
        self, server: int, share: Share, flight: Flight, replies: Iterable[Reply | NoReply]
    ) -> list[tuple[int, Key, Command[object]]]:
        """Note what has failed; give back of what the server can be asked about that."""
        name = self._setup.servers[server].name
        doubts: list[tuple[int, Key, Command[object]]] = []
        for entry, command, reply in zip(share.entries, flight.commands, replies, strict=False):
            why = why_not(command, reply, name)
            if why is not None:
                self._failed[entry[0]] = why
                if can_be_asked(command, reply):
                    doubts.append((server, entry[0], command))
        return doubts

    def _lose(self, server: int, shares: dict[int, Share]) -> None:
        """The server has given no answer to this share."""
        error = self._lost[server]
        name = self._setup.servers[server].name
        share = shares[server]
        unsent = ServerUnavailable(f"{name}: not sent, since before: {error}", server=name)
        for place, entry in enumerate(share.entries):
            self._failed[entry[0]] = error if place < share.under_way else unsent
            self._lost_keys.append(entry[0])
        del shares[server]

    def _ask(self, doubts: list[tuple[int, Key, Command[object]]]) -> Operation[None]:
        """Take back the failures of those that have not failed."""
        questions: dict[int, list[tuple[Key, Command[object], meta.Get]]] = {}
        for server, key, command in doubts:
            questions.setdefault(server, []).append((key, command, asking(command)))
        outcomes = yield from FanOut(
            {server: Flight([get for _, _, get in asked]) for server, asked in questions.items()}
        )
        for server, outcome in outcomes.items():
            if isinstance(outcome, MemcacheError):
                continue  # then it stays in doubt
            for (key, command, _), answer in zip(questions[server], outcome, strict=True):
                failed = has_failed(command, answer)
                why = self._failed.get(key)
                if isinstance(why, MemcacheError) and failed is not None:
                    why.maybe_applied = False
                    if not failed:
                        del self._failed[key]


def flight_of(entries: list[Entry]) -> Flight:
    """Entries as one command. Those of meta that are quiet are bytes, and objects if need be."""
    request = _encoded(entries)
    if request is None:
        return Flight(_commands_of(entries))
    return EncodedFlight(request, len(entries), lambda: _commands_of(entries))


def _encoded(entries: list[Entry]) -> bytes | None:
    """As they go over the wire, without a barrier; None if some are not quiet, or not of meta."""
    if {*map(len, entries)} == {3}:
        # All alike: as below, in two thirds of the time.
        _, keys, values = zip(*entries, strict=True)
        pieces = [b"\r\nms "] * (4 * len(entries) + 1)
        pieces[0] = b"ms "
        pieces[1::4] = keys
        pieces[2::4] = map(_middles.__getitem__, map(len, values))
        pieces[3::4] = values
        pieces[-1] = b"\r\n"
        return b"".join(pieces)
    requests: list[bytes] = []
    for entry in entries:
        if len(entry) == 3:
            _, key, value = entry
            requests.append(PLAIN % (key, len(value), value))
        elif len(entry) == 5:
            _, key, value, flags, exptime = entry
            requests.append(FULL % (key, len(value), flags, exptime, value))
        elif entry[1].quiet and entry[1].protocol == "text":
            requests.append(entry[1].encode())
        else:
            return None
    return b"".join(requests)


class _Middles(dict[int, bytes]):
    """The size of a value -> what stands between it and its key in `PLAIN`. Bounded."""

    __slots__ = ()

    def __missing__(self, size: int) -> bytes:
        middle = b" %d k q\r\n" % size
        if len(self) < 1024:
            self[size] = middle
        return middle


_middles = _Middles()


def _commands_of(entries: list[Entry]) -> list[Command[object]]:
    commands: list[Command[object]] = []
    for entry in entries:
        if len(entry) == 2:
            commands.append(entry[1])
        elif len(entry) == 3:
            commands.append(meta.Set(entry[1], entry[2], k=True, q=True))
        else:
            _, key, value, flags, exptime = entry
            commands.append(meta.Set(key, value, F=flags, k=True, q=True, T=exptime))
    return commands


def _is_large(entry: Entry) -> bool:
    return len(entry) == 2 and entry[1].value_size >= WINDOW


def _checked_size(data: bytes) -> int:
    size = len(data)
    if size > MAX_VALUE:
        raise ItemTooLarge(f"a value of {size} bytes; {MAX_VALUE} are allowed")
    return size


def _in_doubt(server: str) -> MemcacheError:
    text = f"{server}: left while it was under way (it may have been applied)"
    return MemcacheError(text, server=server, maybe_applied=True)


def _unsent() -> MemcacheError:
    return MemcacheError("not sent: the block was left before")


def items_of(mapping: Mapping[K, object]) -> Iterable[tuple[K, object]]:
    """Its items. Raises TypeError for what is no mapping."""
    if not hasattr(mapping, "items"):
        raise TypeError(f"mapping must be a mapping, not {type(mapping).__name__}")
    return mapping.items()


def checked_keys(keys: Iterable[Key]) -> Iterable[Key]:
    """Raise TypeError for what is one key."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be several keys, not one")
    return keys
