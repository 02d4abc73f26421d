"""Who may come in: names and passwords, and how files hold them.

Both of memcached's files look alike: that of ``-Y``, and the one that its SASL reads
(``MEMCACHED_SASL_PWDB``): a line for each user, name and password with a colon between them.
"""

from __future__ import annotations

from mcproto import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Users", "parse_users"]


class Users:
    """Names and passwords.

    Args:
        users: the password of each name; str as UTF-8.
    """

    __slots__ = ("_passwords",)

    def __init__(self, users: Mapping[str, str]) -> None:
        if not users:
            raise InvalidArgument("users is empty: nobody could come in")
        self._passwords = {name.encode(): word.encode() for name, word in users.items()}

    def know(self, name: bytes, password: bytes) -> bool:
        """Whether this is one of them, by the right password. It takes as long for any of one."""
        # At its first use: it loads a library of ciphers.
        from hmac import compare_digest

        return compare_digest(self._passwords.get(name, b""), password) and name in self._passwords


def parse_users(text: str) -> dict[str, str]:
    """The users in a file; a colon behind the password ends it. Empty lines are passed over.

    Raises:
        InvalidArgument: a line has no name, or no colon; or there are no users.
    """
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, rest = line.partition(":")
        if not line:
            continue
        if not (name and colon):
            raise InvalidArgument(f"line {number} is no user, which is NAME:PASSWORD")
        users[name] = rest.partition(":")[0]
    if not users:
        raise InvalidArgument("there is no user")
    return users
