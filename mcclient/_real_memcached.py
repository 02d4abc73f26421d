"""Real memcached processes, for tests that want the truth.

Knows how to start, stop, kill and restart the binary, on a unix socket or on a port that it
chooses itself.  Knows nothing of the protocol and of clients, so that it cannot share their
mistakes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

# Far above what a start or a stop takes (some milliseconds), far below a test's time-out.
PATIENCE = 10.0


class MissingMemcached(Exception):
    """There is no memcached binary on the path."""

    def __str__(self) -> str:
        return (
            "this needs the real memcached, and there is none on the path"
            " (Debian: apt-get install memcached)"
        )


class RealMemcached:
    """A running memcached of its own, gone at the end of the `with` block.

    Args:
        options: further options of the command line, such as ``"-I", "2m"``.
        unix: listen on a unix socket, not on a free port of the loopback interface.

    Attributes:
        path: the unix socket, or None.
        host, port: ``"127.0.0.1"`` and the port; ``""`` and 0 with a unix socket.
        address: what a client is given: the path, or ``"host:port"``.

    Raises:
        MissingMemcached: there is no such binary.
        RuntimeError: it ended, or did not listen within ten seconds; with what it had to say.
    """

    def __init__(self, *options: str, unix: bool = False) -> None:
        self._options = options
        # mkdtemp's names are short enough for a socket address, pytest's are not.
        self._folder = Path(tempfile.mkdtemp(prefix="mc-"))
        self.path = str(self._folder / "socket") if unix else None
        self.host = "" if unix else "127.0.0.1"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it listens. One that has run before gets the address it had."""
        if self.is_running:
            raise RuntimeError("memcached is running already")
        binary = shutil.which("memcached")
        if binary is None:
            raise MissingMemcached
        port_file = self._folder / "port"
        port_file.unlink(missing_ok=True)
        where = ["-s", self.path] if self.path else ["-l", self.host, "-p", str(self.port or -1)]
        who = ["-u", "root"] if os.geteuid() == 0 else []
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binary, *where, *who, "-U", "0", "-t", "1", "-m", "64", *self._options],
                env=os.environ | {"MEMCACHED_PORT_FILENAME": str(port_file)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + PATIENCE
        while not self._listens(port_file):
            try:
                # A pause of 5 ms that ends early if the process does.
                self._process.wait(0.005)
            except subprocess.TimeoutExpired:
                if time.monotonic() < give_up:
                    continue
            said = (self._folder / "log").read_text(errors="replace").strip()
            ended = self._process.poll()
            self.kill()
            raise RuntimeError(f"memcached does not listen (exit status {ended}): {said}")

    def _listens(self, port_file: Path) -> bool:
        # The file gets its name when it is complete, and only where we left the choice to it.
        if not self.path and not self.port:
            if not port_file.exists():
                return False
            for line in port_file.read_text().splitlines():
                if line.startswith("TCP INET: "):
                    self.port = int(line.rpartition(" ")[2])
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self) -> socket.socket:
        """A plain connected socket. Close it."""
        if self.path is None:
            return socket.create_connection((self.host, self.port), PATIENCE)
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(PATIENCE)
            sock.connect(self.path)
        except BaseException:
            sock.close()
            raise
        return sock

    def flush(self) -> None:
        """Empty it."""
        with self.connect() as sock:
            sock.sendall(b"flush_all\r\n")
            answer = sock.recv(64)
        if answer != b"OK\r\n":
            raise RuntimeError(f"memcached has not been emptied: {answer!r}")

    def stop(self) -> None:
        """End it as an administrator would; connections see an end of file."""
        if self._process is not None:
            self._process.terminate()
            self.wait()

    def wait(self) -> None:
        """Until it has ended, as it has been told to."""
        if self._process is not None:
            # It looks whether it should end once a second, and whenever somebody connects.
            with contextlib.suppress(OSError):
                self.connect().close()
            self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Kill it and start it again at the same address, empty."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kill it and remove its files. It cannot be started again."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> RealMemcached:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
