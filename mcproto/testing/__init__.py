"""For who builds on mcproto: what two ends may say, made up, and a contract for transports.

`commands`, `replies`, `conversations` and `hostile` are hypothesis strategies::

    from hypothesis import given
    from mcproto import testing

    @given(testing.hostile(role="server"))
    def test_my_proxy_survives_any_server(stream): ...

`check_transport` is what every transport must do, played on yours.  Nothing in mcproto imports
this package.  Only the strategies need hypothesis: ``pip install 'mcclient[testing]'``.
"""

from __future__ import annotations

from ._transport import check_transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._commands import commands, keys, values
    from ._conversations import Answer, answers, conversations, flights, pieces_of
    from ._hostile import hostile
    from ._replies import replies

__all__ = [
    "Answer",
    "answers",
    "check_transport",
    "commands",
    "conversations",
    "flights",
    "hostile",
    "keys",
    "pieces_of",
    "replies",
    "values",
]

_HOMES = {
    "Answer": "_conversations",
    "answers": "_conversations",
    "commands": "_commands",
    "conversations": "_conversations",
    "flights": "_conversations",
    "hostile": "_hostile",
    "keys": "_commands",
    "pieces_of": "_conversations",
    "replies": "_replies",
    "values": "_commands",
}


def __getattr__(name: str) -> object:
    """A strategy, at first use: `check_transport` alone needs no hypothesis."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        found: object = getattr(import_module(f".{home}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(
            f"mcproto.testing.{name} needs hypothesis: pip install 'mcclient[testing]'"
        ) from None
    globals()[name] = found
    return found
