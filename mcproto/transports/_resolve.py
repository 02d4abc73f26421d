"""Names to addresses, for callers who block: by a deadline, though look-ups know none.

A look-up is the system's and cannot be interrupted, so it gets a daemon thread of its own, and
whoever wants the answer waits for that as long as they like.  Who asks for a name that is being
looked up joins in: a resolver that hangs costs one thread for each name, however often it is asked.
Answers are kept by nobody: every connection asks anew.  Literal addresses are no look-up at all.
"""

from __future__ import annotations

import os
import socket
import threading
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias

    from . import Wait

    Found: TypeAlias = list[tuple[int, object]]
    """Families and addresses, the best first."""

__all__ = ["families", "literal", "resolving"]


def literal(host: str, port: int) -> Found | None:
    """The address that *host* spells, None if it is a name. Asks nobody."""
    try:
        return families(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    except socket.gaierror:
        return None


def families(found: Sequence[tuple[int, object, object, object, object]]) -> Found:
    """What getaddrinfo has given, without what nobody needs."""
    return [(family, address) for family, _, _, _, address in found]


def resolving(host: str, port: int, deadline: float) -> Generator[Wait, None, Found]:
    """The addresses of a name, when they are known.

    Raises:
        TimeoutError: not by the deadline.
        socket.gaierror: it has none.
    """
    look_up = _joined(host, port)
    ours, theirs = socket.socketpair()
    try:
        if look_up.call_at_end(theirs):
            yield ours, 1, deadline
        if look_up.failure is not None:
            # A copy: it may be raised in several threads.
            raise type(look_up.failure)(*look_up.failure.args)
        return look_up.found
    finally:
        look_up.do_not_call(theirs)
        ours.close()


class _LookUp:
    """One look-up in progress.

    There is no lock here, since whoever is interrupted could leave it locked: every step is one
    operation on a list or a dict, and right at whatever moment the others take theirs.

    Attributes:
        found: what came of it.
        failure: why nothing came of it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.found: Found = []
        self.failure: OSError | None = None
        self._where = host, port
        self._bells: list[socket.socket] = []
        self._is_done = False
        self._begins = monotonic()
        self._beginner = threading.get_ident()
        self._thread = threading.Thread(
            target=self._run, name=f"mcproto: look-up of {host}", daemon=True
        )

    def begin(self) -> None:
        self._thread.start()

    def is_in_progress(self) -> bool:
        if self._is_done:
            return False
        if self._thread.is_alive():
            return True
        # Not begun yet: or never, if an interruption has come in between.
        return self._beginner != threading.get_ident() and monotonic() - self._begins < _MOMENT

    def call_at_end(self, bell: socket.socket) -> bool:
        """Close *bell* at the end, which its other end sees; False: the end has come already."""
        self._bells.append(bell)
        return not self._is_done

    def do_not_call(self, bell: socket.socket) -> None:
        try:
            self._bells.remove(bell)
        except ValueError:
            pass  # it has been called
        bell.close()

    def _run(self) -> None:
        try:
            self.found = families(socket.getaddrinfo(*self._where, type=socket.SOCK_STREAM))
        except OSError as error:
            self.failure = error.with_traceback(None)
        except UnicodeError as error:  # a label too long, say
            self.failure = socket.gaierror(socket.EAI_NONAME, str(error))
        self._is_done = True
        _remove(self._where, self)
        while True:
            try:
                self._bells.pop().close()
            except IndexError:
                return


# How long a look-up may take to begin, in seconds: a thread has to be started.
_MOMENT = 0.05

_in_progress: dict[tuple[str, int], _LookUp] = {}


def _joined(host: str, port: int) -> _LookUp:
    """The look-up of this name that is in progress, or a new one."""
    where = host, port
    while True:
        look_up = _in_progress.get(where)
        if look_up is not None:
            if look_up.is_in_progress():
                return look_up
            _remove(where, look_up)
        ours = _LookUp(host, port)
        if _in_progress.setdefault(where, ours) is ours:
            ours.begin()
            return ours


def _remove(where: tuple[str, int], look_up: _LookUp) -> None:
    if _in_progress.get(where) is look_up:
        _in_progress.pop(where, None)


if hasattr(os, "register_at_fork"):
    # In a child process the threads are the parent's, and will not come to an end.
    os.register_at_fork(after_in_child=_in_progress.clear)
