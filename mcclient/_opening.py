"""One attempt to open a link: its steps as they are told, and what its failure is called.

Connects nothing itself: the clients do, each in its own way.
"""

from __future__ import annotations

from mcproto.transports._exchange import FAILURES

from ._errors import ClientClosed
from ._failures import connect_failed
from ._timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeGuard, TypeVar

    from mcproto.transports import Backend, JobBackend, Transport

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


class Opening:
    """An attempt to open a link.

    ::

        opening = Opening(...)
        try:
            link = Link(backend.connect(address, opening.by(deadline), **opening.how(backend)))
            opening.connected(link)
            ...  # the first exchange
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

    Attributes:
        link: the link, as soon as there is one.
    """

    __slots__ = ("_client", "_deadline", "_now", "_options", "_server", "_timeline", "link")

    def __init__(
        self,
        client: Opener,
        options: Options,
        server: int,
        now: Callable[[], float],
        deadline: float,
    ) -> None:
        self.link: Link | AsyncLink | None = None
        self._client = client
        self._options = options
        self._server = server
        self._now = now
        self._deadline = deadline
        self._timeline = Timeline(now)

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
        """There is a link; what follows is its first exchange."""
        self.link = link
        self._timeline.begin("protocol")
        if self._client.closed:
            raise ConnectionAbortedError("closed while connecting")

    def done(self, link: Link | AsyncLink) -> None:
        """The server has answered. What follows is the first exchange for whoever wanted it."""
        link.check()
        self._timeline.begin("exchange")
        link.timeline = self._timeline

    def failed(self, error: BaseException) -> None:
        """It has ended otherwise, by *error*: close what there is.

        Raises:
            ServerUnavailable, ClientClosed: what a client calls it. (What is none of the server's
                failures is for the caller to raise again.)
        """
        if self.link is not None:
            self.link.close()
        if not isinstance(error, FAILURES):
            return
        if self._client.closed:
            raise ClientClosed("the client has been closed") from error
        raise connect_failed(
            error,
            self._client.servers[self._server],
            self._options.setup.dialect.name,
            self._timeline,
            in_time=self._now() < self._deadline,
        ) from error
