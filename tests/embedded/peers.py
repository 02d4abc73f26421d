"""The integration tests of other client libraries, against the embedded server.

    pip download --no-binary :all: --no-deps pymemcache==4.0.0 python-binary-memcached==0.33.0
    tar xf pymemcache-4.0.0.tar.gz; tar xf python_binary_memcached-0.33.0.tar.gz
    python3 -m tests.embedded.peers pymemcache-4.0.0 python_binary_memcached-0.33.0

Their tests were written for memcached at fixed addresses, so those have to be free: the ports 11211
to 11213 and 5000 of 127.0.0.1, and /tmp/memcached.sock.  What needs a fixture that their
distributions leave out (SASL, TLS and IPv6 of python-binary-memcached) is left out here too.
Prints the closing line of each; the status is 1 if a test has failed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from mcclient.embedded import MemoryServer

PORTS = (11211, 11212, 11213, 5000)
SOCKET = "/tmp/memcached.sock"

# What of a distribution is run, by the beginning of its name.
CHOSEN = {
    "pymemcache": ["pymemcache/test/test_integration.py", "--server", "127.0.0.1"],
    "python_binary_memcached": [
        "test",
        "--ignore=test/test_sasl_integration.py",
        "--ignore=test/test_tls.py",
        "--ignore=test/test_ipv6.py",
    ],
}


def run(folder: Path, like: str) -> int:
    """Run the tests in *folder*; the runner's status."""
    chosen = next((chosen for name, chosen in CHOSEN.items() if folder.name.startswith(name)), None)
    if chosen is None:
        sys.exit(f"{folder}: none of {', '.join(CHOSEN)}")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir=.", *chosen]
    command += ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:mcclient", "-W", "ignore"]
    environment = os.environ | {"MEMCACHED_HOST": "127.0.0.1", "PYTHONPATH": "."}
    with contextlib.ExitStack() as servers:
        for port in PORTS:
            servers.enter_context(MemoryServer(port=port, like=like))
        servers.enter_context(MemoryServer(path=SOCKET, like=like))
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
    print(f"{folder.name}, like {like}: {done.stdout.strip().splitlines()[-1]}", flush=True)
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="unpacked source distributions")
    folders: list[Path] = parser.parse_args().folders
    statuses = [run(folder, like) for folder in folders for like in ("1.6.18", "1.6.45")]
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
