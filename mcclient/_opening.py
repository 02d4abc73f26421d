"""One attempt to open a link: its steps as they are told, and what its failure is called.

Connects nothing itself: the clients do, each in its own way.
"""

from __future__ import annotations

from mcproto import ErrorReplied
from mcproto.transports._exchange import FAILURES

from ._errors import AuthError, ClientClosed
from ._failures import auth_failed, connect_failed
from ._timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeGuard, TypeVar

    from mcproto.transports import Backend, JobBackend, Transport

    from ._auth import Talk
    from ._gate import Gate
    from ._link import AsyncLink, Link
    from ._options import Options

    T = TypeVar("T", bound=Transport)

    class Opener(Protocol):
        """A client, as far as it matters here."""

        closed: bool
        servers: tuple[str, ...]


__all__ = ["Opening", "runs_jobs"]


def runs_jobs(backend: Backend[T]) -> TypeGuard[JobBackend[T]]:
    """Whether it can do many things at once."""
    return hasattr(backend, "run_all")


def _is_private(transport: object) -> bool:
    # Judged by where the connection has led to, not by what that was called.
    return bool(getattr(transport, "is_private", False))


class Opening:
    """An attempt to open a link.

    ::

        opening = Opening(...)
        try:
            opening.enter()
            link = Link(backend.connect(address, opening.by(deadline), **opening.how(backend)))
            opening.connected(link)
            ...  # what `greeting` yields
            opening.done(link)
        except BaseException as error:
            opening.failed(error)
            raise

    Args:
        client: whose link it will be.
        options: the client's.
        server: by number.
        now: the client's clock.
        deadline: the operation's, on that clock.
        gate: the server's, if it has one.

    Attributes:
        link: the link, as soon as there is one.
    """

    __slots__ = (
        "__weakref__",
        "_client",
        "_deadline",
        "_gate",
        "_now",
        "_options",
        "_server",
        "_timeline",
        "link",
    )

    def __init__(
        self,
        client: Opener,
        options: Options,
        server: int,
        now: Callable[[], float],
        deadline: float,
        gate: Gate | None,
    ) -> None:
        self.link: Link | AsyncLink | None = None
        self._gate = gate
        self._client = client
        self._options = options
        self._server = server
        self._now = now
        self._deadline = deadline
        self._timeline = Timeline(now)

    def enter(self) -> None:
        """Begin.

        Raises:
            ServerDown: it is too soon to try this server again, or somebody else does.
        """
        if self._gate is not None:
            self._gate.enter(self, self._now(), self.by(self._deadline))

    def by(self, limit: float) -> float:
        """Until when it may go on: *limit*, or less if `connect_timeout` says so."""
        seconds = self._options.connect_timeout
        return limit if seconds is None else min(limit, self._now() + seconds)

    def how(self, backend: object) -> dict[str, Any]:
        """What `connect` is told beside address and deadline."""
        if not getattr(backend, "tells_steps", False):
            return {}
        how: dict[str, Any] = {"began": self._timeline.begin}
        context = self._options.tls_of(self._options.setup.servers[self._server])
        if context is not None:
            how["tls"] = context
        return how

    def connected(self, link: Link | AsyncLink) -> None:
        """There is a link; what follows is its first exchange.

        Raises:
            AuthError: a password would be said over it, and somebody else could hear it.
        """
        self.link = link
        self._timeline.begin("protocol")
        if self._client.closed:
            raise ConnectionAbortedError("closed while connecting")
        login = self._options.login
        if login is not None and not (login.allow_cleartext or _is_private(link.transport)):
            self.begin("auth")
            raise self.auth_failed(
                "no password is sent where others can read it: use TLS (memcaches://),"
                " or allow_cleartext_auth=True"
            )

    def greeting(self) -> Talk:
        """What is said first: who is there, and a question that every server answers."""
        login = self._options.login
        if login is not None:
            yield from login.talk(self)
            if self._timeline.step == "auth":
                self.begin("protocol")
        yield self._options.setup.dialect.hello()

    def begin(self, step: str) -> None:
        """The next step begins."""
        self._timeline.begin(step)

    def auth_failed(self, why: str) -> AuthError:
        """The error for an authentication that came to nothing before the server refused it."""
        return auth_failed(why, self._client.servers[self._server], self._timeline)

    def done(self, link: Link | AsyncLink) -> None:
        """The server has answered. What follows is the first exchange for whoever wanted it."""
        link.check()
        self._timeline.begin("exchange")
        link.timeline = self._timeline
        if self._gate is not None:
            self._gate.opened(self)

    def failed(self, error: BaseException) -> None:
        """It has ended otherwise, by *error*: close what there is.

        Raises:
            ServerUnavailable, ClientClosed: what a client calls it. (What is none of the server's
                failures is for the caller to raise again.)
        """
        if self.link is not None:
            self.link.close()
        gate = self._gate
        if gate is not None and isinstance(error, AuthError):
            gate.failed(error, error, self._now(), self)
            return
        if self._client.closed or not isinstance(error, FAILURES):
            if gate is not None:
                gate.leave(self)
            if isinstance(error, FAILURES):
                raise ClientClosed("the client has been closed") from error
            return
        now = self._now()
        failed = connect_failed(
            error,
            self._client.servers[self._server],
            self._options.setup.dialect.name,
            self._timeline,
            in_time=now < self._deadline,
            has_login=self._options.login is not None,
        )
        if gate is not None:
            is_refused = isinstance(error, ErrorReplied) and isinstance(failed, AuthError)
            gate.failed(failed if is_refused else error, failed, now, self)
        raise failed from error
