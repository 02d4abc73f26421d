"""A memcached in this process, for tests, development and the command line.

`MemoryServer` is a real server over real sockets, for any memcached client.  It stands on
`mcproto.ServerConnection` and knows nothing of mcclient's own clients.
"""

from __future__ import annotations

from ._server import MemoryServer
from ._users import parse_users

__all__ = ["MemoryServer", "parse_users"]
