"""How closely a server keeps to what memcached does: checks, command by command and flag by flag.

For authors of servers and proxies. `check_server` asks a running server and tells what differs;
``python3 -m mcclient check-server HOST:PORT`` prints it.
"""

from __future__ import annotations

from ._run import Outcome, check_server

__all__ = ["Outcome", "check_server"]
