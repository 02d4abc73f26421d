"""Asks a server what the checks say, and compares.

Knows sockets and deadlines; what should come back is the checks' business.  The keys begin with
``mcclient-check:`` and are deleted at the end: nothing else on the server is touched.
"""

from __future__ import annotations

import re
import secrets
import socket
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from mcproto import CLOSED, NEED_DATA, ClientConnection, ProtocolError, classic

from .. import Client
from ._binary import binary_checks, shown
from ._classic import CLASSIC
from ._meta import META
from ._script import CLOSED_LINE, checks_of, filled, keys_for, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mcproto import NoReply, Reply

    from ._binary import BinaryCheck
    from ._script import Check

__all__ = ["DIALECTS", "Outcome", "check_server", "version_of"]

DIALECTS = ("classic", "meta", "binary")

# Closes each step of a text check: every server and every proxy answers it.
_BARRIER = b"version\r\n"
_BARRIER_ANSWER = re.compile(rb"(?:\A|(?<=\r\n))VERSION [^\r\n]*\r\n\Z")

# More than any check's answer is; a server that says more will not stop.
_LARGEST_ANSWER = 1 << 20


class Outcome(NamedTuple):
    """What became of one check.

    Attributes:
        dialect: ``"classic"``, ``"meta"`` or ``"binary"``.
        area: the command, perhaps with a flag: ``"mg: t"``.
        title: what was promised.
        passed: whether the server kept it.
        sent: what was sent at last, as lines.
        expected: what should have come back; patterns as they stand in the check.
        got: what came.
    """

    dialect: str
    area: str
    title: str
    passed: bool
    sent: list[str]
    expected: list[str]
    got: list[str]


def check_server(
    address: tuple[str, int] | str,
    *,
    dialects: Collection[str] = DIALECTS,
    timeout: float = 5.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Try every promise on the server at *address*, and say what became of each.

    Which promises there are depends on the release that the server says it is; one whose version
    is no number is measured by the newest.

    Args:
        address: host and port, or the path of a unix socket.
        dialects: which of ``"classic"``, ``"meta"``, ``"binary"``.
        timeout: how long each answer may take, in seconds.
        progress: is told after each check how many are done, and of how many.

    Raises:
        OSError: the server cannot be reached, or has stopped answering altogether.
        MemcacheError: it does not even say its version.
    """
    version = version_of(address, timeout)
    prefix = f"mcclient-check:{secrets.token_hex(4)}"
    text = [
        (dialect, check)
        for dialect, script in (("classic", CLASSIC), ("meta", META))
        if dialect in dialects
        for check in checks_of(script)
        if check.is_about(version)
    ]
    count = len(binary_checks("k", "j")) if "binary" in dialects else 0
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if progress is not None:
            progress(len(outcomes), len(text) + count)

    line = _Line(address, timeout)
    try:
        for number, (dialect, check) in enumerate(text):
            done(_text_outcome(line, dialect, check, keys_for(prefix, number)))
    finally:
        line.close()
    for number in range(count):
        keys = keys_for(prefix, len(text) + number)
        binary_check = binary_checks(keys["k"], keys["j"])[number]
        done(_binary_outcome(address, timeout, binary_check))
    with Client(address, protocol="classic", timeout=timeout) as client:
        for number in range(len(outcomes)):
            keys = keys_for(prefix, number)
            client.delete_multi([keys["k"], keys["j"]])
    return outcomes


def version_of(address: tuple[str, int] | str, timeout: float) -> tuple[int, ...]:
    """The release that the server says it is; one without a number is taken for the newest."""
    with Client(address, protocol="classic", timeout=timeout, connect_timeout=timeout) as client:
        answer: str = client.execute(classic.Version())
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", answer)
    return tuple(int(part) for part in found.groups()) if found else (98,)


# ------------------------------------------------------------------------------------------- text


class _Line:
    """A connection for text; a new one after each that was closed or got out of step."""

    def __init__(self, address: tuple[str, int] | str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def ask(self, data: bytes) -> list[str]:
        """The lines that *data* is answered with; the last may say that the end has come."""
        if self._socket is None:
            self._socket = _connect(self._address, self._timeout)
        try:
            answer, in_step = _exchange(self._socket, data, self._timeout)
        except BaseException:
            self.close()
            raise
        if not in_step:
            self.close()
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _exchange(sock: socket.socket, data: bytes, timeout: float) -> tuple[list[str], bool]:
    """The lines before the barrier's answer, and whether that has come."""
    deadline = monotonic() + timeout
    answer = b""
    why = CLOSED_LINE
    try:
        sock.settimeout(timeout)
        sock.sendall(data)
        while not (found := _BARRIER_ANSWER.search(answer)) or _is_a_version(answer, data):
            sock.settimeout(max(0.001, deadline - monotonic()))
            received = sock.recv(65536)
            if not received:
                break
            answer += received
            if len(answer) > _LARGEST_ANSWER:
                why = "(no end)"
                break
        else:
            return _lines(answer[: found.start()]), True
    except TimeoutError:
        why = "(no answer)"
    except ConnectionError:
        pass  # closed, with what we had sent unread
    return [*_lines(answer), why], False


def _is_a_version(answer: bytes, data: bytes) -> bool:
    """Whether only the check's own ``version`` has been answered so far."""
    return answer.count(b"VERSION ") < data.count(b"version\r\n")


def _lines(answer: bytes) -> list[str]:
    if not answer:
        return []
    return answer.removesuffix(b"\r\n").decode("latin-1").split("\r\n")


def _text_outcome(line: _Line, dialect: str, check: Check, keys: dict[str, str]) -> Outcome:
    sent: list[str] = []
    expected: list[str] = []
    got: list[str] = []
    for step in check.steps:
        sent = [filled(each, keys) for each in step.sent]
        expected = [filled(each, keys) for _, each in step.expected]
        data = "\r\n".join(sent).encode("latin-1")
        got = line.ask(data if step.is_cut else data + b"\r\n" + _BARRIER)
        if not matches(step.expected, got, keys):
            return Outcome(dialect, check.area, check.title, False, sent, expected, got)
    return Outcome(dialect, check.area, check.title, True, sent, expected, got)


# ----------------------------------------------------------------------------------------- binary


def _binary_outcome(address: tuple[str, int] | str, timeout: float, check: BinaryCheck) -> Outcome:
    sent = [repr(command) for command, _ in check.asked]
    expected = [answer for _, answer in check.asked]
    got: list[str] = []
    connection = ClientConnection("binary")
    with _connect(address, timeout) as sock:
        data = b"".join([connection.send(command) for command, _ in check.asked])
        try:
            for event in _events(sock, connection, data, timeout):
                got.append(shown(check.asked[len(got)][0], event))
                if len(got) == len(check.asked):
                    break
        except ProtocolError as error:
            got.append(f"({error})")
        except TimeoutError:
            got.append("(no answer)")
        except ConnectionError:
            got.append(CLOSED_LINE)
    return Outcome("binary", check.area, check.title, got == expected, sent, expected, got)


def _events(
    sock: socket.socket, connection: ClientConnection, data: bytes, timeout: float
) -> Iterator[Reply | NoReply]:
    deadline = monotonic() + timeout
    sock.sendall(data)
    while True:
        event = connection.next_event()
        if event is NEED_DATA:
            sock.settimeout(max(0.001, deadline - monotonic()))
            connection.receive_data(sock.recv(65536))
        elif event is CLOSED:
            raise ConnectionResetError
        else:
            yield event


def _connect(address: tuple[str, int] | str, timeout: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
