"""F24: passwords, in all that a program or its log shows of a client."""

from __future__ import annotations

import gc
import io
import logging
import pickle
from collections.abc import Iterator
from typing import Any

from mcclient import (
    AsyncPooledClient,
    ClientPool,
    MemcacheError,
    Observer,
    Operation,
    PooledClient,
)
from mcclient.testing import FaultProxy, NoServer, ScriptedServer, faults
from mcclient.testing.scripts import silence
from tests.contract.guarded import PASSWORD, USERNAME, Guard
from tests.contract.rigs import SHARED_RIGS, SOCKET_RIGS, Rig, do
from tests.contract.test_authentication import WRONG, shown
from tests.faults.figures._size import Size

VALUE = "the caller's own: Frobozz-3"
SECRETS = [PASSWORD, WRONG, VALUE]
DIALECTS = ["meta", "classic", "binary"]


class Witness(Observer):
    """Keeps all that an observer is told, as text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def operation_finished(self, operation: Operation) -> None:
        self.seen.append(repr([getattr(operation, name) for name in dir(operation)]))

    def server_down(self, server: str, error: Exception) -> None:
        self.seen.append(f"{server} {error!r} {error}")

    def server_up(self, server: str) -> None:
        self.seen.append(server)


def secrets(size: Size) -> str:
    """Whether the server takes the password, refuses it, hangs, closes, or is not there."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logger = logging.getLogger("mcclient")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    texts: list[str] = []
    try:
        rigs = SOCKET_RIGS[:1] if size == "short" else [*SOCKET_RIGS, *SHARED_RIGS]
        for rig in rigs:
            for dialect in DIALECTS:
                for address, options in _situations():
                    witness = Witness()
                    texts += _all_that_shows(rig, address, witness, {"protocol": dialect} | options)
                    texts += witness.seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    texts.append(log.getvalue())
    found = [(secret, text) for text in texts for secret in SECRETS if secret in text]
    assert not found, f"{found[0][0]!r} is shown: {found[0][1]!r:.300}"
    assert USERNAME not in log.getvalue()
    gc.collect()
    return (
        f"0 in {len(texts):,} texts: reprs, errors with the variables of our frames, events, logs"
    )


def _situations() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Addresses, and who says that he is whom."""
    who = {"username": USERNAME, "password": PASSWORD}
    with ScriptedServer(Guard()) as server, FaultProxy(server.address) as proxy:
        yield server.address, who
        yield server.address, who | {"password": WRONG}
        yield server.address, {"credentials": lambda: (USERNAME, WRONG)}
        for fault in faults.reset, faults.cut(3), faults.replace(b"HTTP/1.1 400 no\r\n\r\n"):
            proxy.on_reply(fault, times=None)
            yield proxy.address, who
            proxy.calm()
        proxy.on_request(faults.cut(9, by_reset=True), times=None)
        yield proxy.address, who
    with ScriptedServer(Guard(hangs=True)) as server:
        yield server.address, who | {"timeout": 0.05}
    with ScriptedServer(silence) as server:
        yield server.address, who | {"timeout": 0.05}
    with NoServer() as nobody:
        yield nobody, who


def _all_that_shows(rig: Rig, address: Any, witness: Witness, options: dict[str, Any]) -> list[str]:
    async def story() -> list[str]:
        mc = rig.client(address, observer=witness, **{"timeout": 20} | options)
        clone = mc.clone()
        pool = ClientPool(mc, 2)
        face: Any = AsyncPooledClient if rig.is_async else PooledClient
        pooled = face(pool)
        texts = [repr(thing) + str(thing) for thing in (mc, clone, pool, pooled, mc._options)]
        for call in (
            lambda: mc.set("k", VALUE),
            lambda: mc.get("k"),
            lambda: clone.set_multi({"k": VALUE}),
            lambda: pooled.cas("k", VALUE, 7),
            lambda: mc.add("k", object()),
        ):
            try:
                await do(call())
            except (MemcacheError, TypeError) as error:
                texts.append(_but_for_arguments(error))
            texts += [repr(thing) for thing in (mc, clone, pool, pooled)]
        for thing in mc, mc._options:
            try:
                texts.append(repr(pickle.dumps(thing)))
            except Exception as error:  # which is as good
                texts.append(f"{error!r} {error}")
        for client in mc, clone:
            await rig.close(client)
        await do(pool.aclose() if rig.is_async else pool.close())
        return texts

    return rig.run(story)


def _but_for_arguments(error: BaseException) -> str:
    """All that shows of an error; of our frames' variables all but the value the caller gave us."""
    text = shown(error)
    return text.replace(VALUE, "...")
