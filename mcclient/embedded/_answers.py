"""Who answers: the store, but for what is the server's own to know.

The clock, the connections, who may come in, the logs, and the end of it all.  One thread at a time.
"""

from __future__ import annotations

import os
from collections import Counter

from mcproto import (
    NO_REPLY,
    BadRequest,
    BinaryReply,
    ErrorReply,
    Stats,
    Status,
    Values,
    admin,
    binary,
    classic,
    sasl,
)

from ._logs import MOST_WATCHERS, Logs
from ._store import Events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from mcproto import Command, Reply
    from mcproto._replies import NoReply

    from ._clock import Clock
    from ._loop import Seen
    from ._options import Options
    from ._peer import Peer
    from ._store import Store
    from ._users import Users

__all__ = ["Answers"]

# A reply is made in one piece, so there must be an end to how often one key is asked for in a line.
_LARGEST_REPLY = 256 << 20
_REPLY_TOO_LARGE = ErrorReply("SERVER_ERROR", "out of memory writing get response")

_WRONG = ErrorReply("CLIENT_ERROR", "authentication failure")
_NO_LOGS = ErrorReply("CLIENT_ERROR", "watch commands not allowed")
_TOO_MANY_WATCH = ErrorReply("WATCHER_TOO_MANY", "log watcher limit reached")
_CANNOT_WATCH = ErrorReply("WATCHER_FAILED", "failed to add log watcher")
_NOT_ALONE = ErrorReply("ERROR", "cannot pipeline other commands before metadump")
_NOT_ALONE_WATCH = ErrorReply("ERROR", "cannot pipeline other commands before watch")
_NO_SUCH_MODE = ErrorReply("CLIENT_ERROR", "invalid shutdown mode")
_NO_CERTIFICATES = ErrorReply("Error", "unable to refresh certificates")


class Answers:
    """The answers to all that is asked.

    Args:
        new_store: makes an empty store.
        options: of the server.
        clock: the server's.
        users: who may come in; None: everybody.
        watch: whether connections may become logs.
        shutdown: whether a client may end the server.
        debugtime: whether a client may move the clock.

    Attributes:
        place: where it listens, by the names of ``stats settings``.
        store: what is stored. A new one after `forget`.
        logs: who watches what.
        traffic: what connections have done, by its name in ``stats``.
        has_ended: a client has ended the server.
        connections: what there is to say of each connection (`Loop.connections`), if there are any.
    """

    def __init__(
        self,
        new_store: Callable[[], Store],
        options: Options,
        clock: Clock,
        users: Users | None,
        *,
        watch: bool,
        shutdown: bool,
        debugtime: bool,
    ) -> None:
        self._new_store = new_store
        self._options = options
        self._clock = clock
        self._users = users
        self._watch = watch
        self._shutdown = shutdown
        self._debugtime = debugtime
        self._started = clock.now
        self.place: dict[str, str] = {}
        self.store = new_store()
        self.logs = Logs(clock)
        self.traffic: Counter[str] = Counter()
        self.has_ended = False
        self.connections: Callable[[], Iterable[Seen]] | None = None
        self._own: dict[type, Callable[[Any, Peer | None], Reply | NoReply]] = {
            classic.Stats: self._stats,
            binary.Stat: self._stats,
            admin.Authenticate: self._authenticate,
            sasl.List: self._list,
            sasl.Auth: self._sasl,
            sasl.Step: self._sasl,
            admin.Watch: self._log,
            admin.Metadump: self._dump,
            admin.Mgdump: self._dump,
            admin.Shutdown: self._end,
            admin.RefreshCerts: self._refresh,
            admin.Debugtime: self._move_clock,
        }

    def reply(self, asked: Command[object] | BadRequest, peer: Peer | None) -> Reply | NoReply:
        """The answer to what is asked by *peer*; None: over no connection, or by a datagram.

        NO_REPLY: the server ends.
        """
        store = self.store
        events = store.items.events
        if events is not None:
            events.asker = 0 if peer is None else peer.number
            if not self.logs.watchers:
                store.items.events = None
        own = self._own.get(type(asked))
        if own is not None:
            return own(asked, peer)
        reply = store.handle(asked, self._clock.now)
        if isinstance(reply, Values) and len(reply.items) > 1:
            size = sum([len(item.value) for item in reply.items])
            return reply if size <= _LARGEST_REPLY else _REPLY_TOO_LARGE
        return reply

    def forget(self) -> None:
        """Begin anew: nothing is stored, and nothing has happened."""
        self.store = self._new_store()
        self.logs = Logs(self._clock)
        self.traffic.clear()
        self.has_ended = False

    # ------------------------------------------------------------------------------- statistics

    def _stats(self, asked: classic.Stats | binary.Stat, peer: Peer | None) -> Reply:
        group = (asked.group or "").split(" ")[0]
        if group == "conns" and isinstance(asked, classic.Stats):
            return Stats(self._conns())
        reply = self.store.handle(asked, self._clock.now)
        if group == "reset":
            connected = self.traffic["curr_connections"]
            self.traffic.clear()
            self.traffic["curr_connections"] = connected
            self.logs.sent = self.logs.skipped = 0
        elif isinstance(reply, Stats) and not group:
            return Stats(self._general(reply.entries))
        elif isinstance(reply, Stats) and group == "settings":
            return Stats(self._settings(reply.entries))
        return reply

    def _general(self, entries: dict[str, str]) -> dict[str, str]:
        """What of the statistics is not the store's to know."""
        logs = self.logs
        known: dict[str, int | str] = {
            "pid": os.getpid(),
            "uptime": int(self._clock.now - self._started),
            "max_connections": self._options.max_connections,
            "log_watchers": len(logs.watchers),
            "log_watcher_sent": logs.sent,
            "log_watcher_skipped": logs.skipped,
            "log_worker_written": logs.sent,
            **self.traffic,
        }
        entries |= {name: str(value) for name, value in known.items() if name in entries}
        if not self._options.idle_timeout:
            return entries
        with_kicks: dict[str, str] = {}
        for name, value in entries.items():
            with_kicks[name] = value
            if name == "auth_errors":
                with_kicks["idle_kicks"] = str(self.traffic["idle_kicks"])
        return with_kicks

    def _settings(self, entries: dict[str, str]) -> dict[str, str]:
        own = {"shutdown_command": "yes" if self._shutdown else "no"}
        return entries | own | self._options.settings() | self.place

    def _conns(self) -> dict[str, str]:
        entries: dict[str, str] = {}
        for seen in self.connections() if self.connections is not None else ():
            entries[f"{seen.number}:addr"] = seen.address
            if seen.listener:
                entries[f"{seen.number}:listen_addr"] = seen.listener
            entries[f"{seen.number}:state"] = seen.state
            entries[f"{seen.number}:secs_since_last_cmd"] = str(seen.idle)
        return entries

    # ------------------------------------------------------------------------------ who may come in

    def _authenticate(self, asked: admin.Authenticate, peer: Peer | None) -> Reply:
        if self._users is None:
            return self.store.handle(asked, self._clock.now)
        return Status.STORED if self._is_known(asked.username, asked.password) else _WRONG

    def _list(self, asked: sasl.List, peer: Peer | None) -> Reply:
        if self._options.auth != "sasl":
            return self.store.handle(asked, self._clock.now)
        return BinaryReply(value=b"PLAIN")

    def _sasl(self, asked: sasl.Auth | sasl.Step, peer: Peer | None) -> Reply:
        if self._options.auth != "sasl":
            return self.store.handle(asked, self._clock.now)
        # (PLAIN has no second step.)
        said = sasl.parse_plain(asked.data) if isinstance(asked, sasl.Auth) else None
        if asked.mechanism == "PLAIN" and said is not None and self._is_known(*said[1:]):
            return BinaryReply(value=b"Authenticated")
        if said is None or asked.mechanism != "PLAIN":
            self._count_auth(False)
        return BinaryReply(binary.AUTH_ERROR)

    def _is_known(self, name: bytes, password: bytes) -> bool:
        is_known = self._users is not None and self._users.know(name, password)
        self._count_auth(is_known)
        return is_known

    def _count_auth(self, is_known: bool) -> None:
        self.traffic["auth_cmds"] += 1
        self.traffic["auth_errors"] += not is_known

    # --------------------------------------------------------------------------- the server itself

    def _dump(self, asked: admin.Metadump | admin.Mgdump, peer: Peer | None) -> Reply:
        # What came in one packet with others, none of which has been sent its answer yet.
        if peer is not None and peer.unsent and self.store.dumps:
            return _NOT_ALONE
        return self.store.handle(asked, self._clock.now)

    def _log(self, asked: admin.Watch, peer: Peer | None) -> Reply:
        if not self._watch:
            return _NO_LOGS
        if peer is None:
            return _CANNOT_WATCH
        if peer.unsent:
            return _NOT_ALONE_WATCH
        if len(self.logs.watchers) >= MOST_WATCHERS:
            return _TOO_MANY_WATCH
        self.logs.watch(peer, asked.logs)
        if self.store.items.events is None:
            self.store.items.events = Events(self.logs.write)
        return Status.OK

    def _end(self, asked: admin.Shutdown, peer: Peer | None) -> Reply | NoReply:
        if not self._shutdown:
            return self.store.handle(asked, self._clock.now)
        if asked.mode not in (None, "graceful"):
            return _NO_SUCH_MODE
        self.has_ended = True
        return NO_REPLY

    def _refresh(self, asked: admin.RefreshCerts, peer: Peer | None) -> Reply:
        if not self._options.is_secure:
            return self.store.handle(asked, self._clock.now)
        try:
            self._options.refresh_certificates()
        except OSError:
            return _NO_CERTIFICATES
        return Status.OK

    def _move_clock(self, asked: admin.Debugtime, peer: Peer | None) -> Reply:
        if not self._debugtime:
            return self.store.handle(asked, self._clock.now)
        change = asked.change
        if isinstance(change, int):
            self._clock.move(change)
        elif change == "p":
            self._clock.pause()
        else:
            self._clock.resume()
        return Status.OK
