"""Pickles in memcached, and what to trust of them.

A pickle is a program that its reader runs, and whoever can write to a memcached server can plant
one.  Knows four answers to that, from "as pylibmc has it" to "only what I have signed".  What else
a value may be, and how pickles are told apart from that, is the codec's business.
"""

from __future__ import annotations

import hmac
import io
import pickle
from pickletools import genops

from mcproto import InvalidArgument

from .._errors import ValueUnreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, TypeAlias

    Policy: TypeAlias = Literal["allow", "refuse", "restricted", "signed"]

__all__ = ["Pickles", "pickles_for"]

_SIGNATURE = 32
_SHORTEST_KEY = 16
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")


class Pickles:
    """``allow``: whatever comes is executed, as in pylibmc. The other policies are its subclasses.

    Between `dumps` and `seal`, and between `unseal` and `loads`, the codec compresses and inflates.
    """

    __slots__ = ()

    def are_allowed(self) -> bool:
        """Whether every pickle is written and read as it is, and none is looked at."""
        return type(self) is Pickles

    def dumps(self, value: object, protocol: int) -> bytes:
        """The pickle of *value*. Raises what pickle raises."""
        return pickle.dumps(value, protocol)

    def loads(self, data: bytes) -> object:
        """The value of a pickle. Raises whatever the pickle makes of it."""
        return pickle.loads(data)

    def seal(self, key: bytes, flags: int, data: bytes) -> bytes:
        """What is stored under *key* for the pickle *data*, perhaps compressed."""
        return data

    def unseal(self, key: bytes, flags: int, data: bytes) -> bytes:
        """The pickle, perhaps compressed, of what was stored under *key*.

        Raises:
            ValueUnreadable: it must not be read.
        """
        return data


class _Refused(Pickles):
    """``refuse``: none is written, none is read."""

    __slots__ = ()

    def dumps(self, value: object, protocol: int) -> bytes:
        raise TypeError(
            "value must be bytes, str, int or bool with pickle='refuse',"
            f" not {type(value).__name__}"
        )

    def loads(self, data: bytes) -> object:
        raise ValueUnreadable("this is a pickle, and pickle='refuse'")

    def unseal(self, key: bytes, flags: int, data: bytes) -> bytes:
        raise ValueUnreadable("this is a pickle, and pickle='refuse'")


class _Restricted(Pickles):
    """``restricted``: of all that a pickle can call, only the classes of a list."""

    __slots__ = ("_classes",)

    def __init__(self, classes: Iterable[type]) -> None:
        self._classes: dict[tuple[str, str], type] = {}
        for each in classes:
            if not isinstance(each, type):
                raise TypeError(f"pickle_classes must be classes, not {type(each).__name__}")
            self._classes[each.__module__, each.__qualname__] = each

    def loads(self, data: bytes) -> object:
        self._check_memo(data)
        try:
            return _RestrictedUnpickler(data, self._classes).load()
        except Exception as error:  # whatever the pickle has made of the classes of the list
            raise ValueUnreadable(f"pickle='restricted': {error}") from error

    def _check_memo(self, data: bytes) -> None:
        # The unpickler makes as much room as the highest number that is named, and a dozen bytes
        # can name four billion.
        try:
            for opcode, argument, _ in genops(data):
                if opcode.name in _MEMO and not 0 <= int(argument or 0) <= len(data):
                    raise ValueUnreadable("pickle='restricted': it asks for memory out of measure")
        except ValueUnreadable:
            raise
        except Exception as error:
            raise ValueUnreadable(f"pickle='restricted': this is no pickle: {error}") from error


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, classes: dict[tuple[str, str], type]) -> None:
        super().__init__(io.BytesIO(data))
        self._classes = classes

    def find_class(self, module: str, name: str) -> type:
        # The class from the list, never one that is looked up: nothing is imported.
        found = self._classes.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not among the pickle_classes")
        return found


class _Signed(Pickles):
    """``signed``: only what was signed with one of our keys, for this key and these flags.

    The signature stands behind the pickle, where unpicklers and zlib stop reading: a client that
    knows nothing of it can still read the value.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = keys

    def seal(self, key: bytes, flags: int, data: bytes) -> bytes:
        return data + _signature(self._keys[0], key, flags, data)

    def unseal(self, key: bytes, flags: int, data: bytes) -> bytes:
        payload, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
        # All of them, whichever fits: the time tells nothing.
        fits = [
            hmac.compare_digest(_signature(secret, key, flags, payload), signature)
            for secret in self._keys
        ]
        if not any(fits):
            raise ValueUnreadable("pickle='signed': the pickle has no signature of ours")
        return payload


def _signature(secret: bytes, key: bytes, flags: int, payload: bytes) -> bytes:
    # With its length before it, so that no part of a key can pass for payload.
    head = b"%d %b %d " % (len(key), key, flags)
    return hmac.digest(secret, head + payload, "sha256")


def pickles_for(
    policy: Policy,
    classes: Iterable[type] | None = None,
    keys: bytes | Iterable[bytes] | None = None,
) -> Pickles:
    """What does *policy* to pickles.

    Args:
        policy: ``"allow"``, ``"refuse"``, ``"restricted"`` or ``"signed"``.
        classes: which classes ``restricted`` lets pickles make objects of, beside what pickle has
            its own words for: None, bool, int, float, str, bytes, bytearray, tuple, list, dict,
            set and frozenset. (Sets and byte arrays have such words only from protocol 4 and 5.)
        keys: what ``signed`` signs with: the first; and what it accepts: any. So keys can be
            changed: put a new one in front, and drop the old one when what it signed has expired.

    Raises:
        InvalidArgument: there is no such policy; or arguments of another one; or a key shorter
            than 16 bytes, or none.
        TypeError: of another type.
    """
    if classes is not None and policy != "restricted":
        raise InvalidArgument("pickle_classes belong to pickle='restricted'")
    if keys is not None and policy != "signed":
        raise InvalidArgument("pickle_keys belong to pickle='signed'")
    if policy == "allow":
        return Pickles()
    if policy == "refuse":
        return _Refused()
    if policy == "restricted":
        return _Restricted(() if classes is None else classes)
    if policy == "signed":
        return _Signed(_checked_keys(keys))
    raise InvalidArgument(
        f"pickle must be 'allow', 'refuse', 'restricted' or 'signed', not {policy!r}"
    )


def _checked_keys(keys: bytes | Iterable[bytes] | None) -> tuple[bytes, ...]:
    listed = (keys,) if isinstance(keys, bytes) else tuple(() if keys is None else keys)
    if not listed:
        raise InvalidArgument("pickle_keys must be given with pickle='signed'")
    for key in listed:
        if not isinstance(key, bytes):
            raise TypeError(f"pickle_keys must be bytes, not {type(key).__name__}")
        if len(key) < _SHORTEST_KEY:
            raise InvalidArgument(f"pickle_keys must have {_SHORTEST_KEY} bytes or more each")
    return listed
