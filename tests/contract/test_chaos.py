"""Servers that do all that is wrong, at random: no value that is handed out is another key's."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from mcclient import MemcacheError
from mcclient.testing import Peer, Request, ScriptedServer
from tests.contract.rigs import do, scenario
from tests.contract.test_wrong_answers import own_answer

KEYS = [f"key{number}" for number in range(30)]


class Chaos:
    """A script that mostly answers as it should: every value is its own key."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def __call__(self, peer: Peer) -> None:
        if self._random.random() < 0.05:
            return
        peer.greet()
        before = b""
        while True:
            answer = self._right(peer, peer.request())
            self._send(peer, answer, before)
            before = answer

    def _right(self, peer: Peer, request: Request) -> bytes:
        match request.words[0]:
            case b"mn":
                return b"MN\r\n"
            case b"ms":
                return request.fill(b"HD O<O>\r\n")
            case b"set":
                return b"STORED\r\n"
        return own_answer(request)

    def _send(self, peer: Peer, answer: bytes, before: bytes) -> None:
        cut = answer[: self._random.randrange(len(answer) + 1)]
        match self._random.randrange(36):
            case 0:
                peer.send(answer + answer)
            case 1:
                peer.send(before + answer)
            case 2:
                peer.send(before)
            case 3:
                pass
            case 4:
                peer.send(cut)
                peer.finish()
            case 5:
                peer.send(cut)
                peer.reset()
            case 6:
                peer.send(answer)
                peer.send(b"ERROR\r\n")
            case 7:
                peer.send(self._random.randbytes(20) + answer)
            case 8:
                peer.dribble(answer, 0.0005)
            case 9:
                peer.send(answer)
                peer.dribble(answer[:1], 0.002)
                peer.send(answer[1:])
            case _:
                peer.send(answer)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@scenario
async def test_no_value_is_another_key_s(stage, seed):
    random = Random(seed)
    outcomes: Counter[str] = Counter()
    with ScriptedServer(Chaos(seed)) as one, ScriptedServer(Chaos(-seed - 1)) as two:
        mc = stage.client([one.address, two.address], ring="modula", timeout=0.05)
        for _ in range(600):
            key, some = random.choice(KEYS), random.sample(KEYS, 5)
            try:
                match random.randrange(4):
                    case 0:
                        assert await do(mc.set(key, key)) is True
                    case 1:
                        found = await do(mc.get_multi(some))
                        assert all(found[key] == key.encode() for key in found)
                        assert found.keys() <= set(some)
                    case _:
                        assert await do(mc.get(key)) in (None, key.encode())
                outcomes["fine"] += 1
            except MemcacheError as error:
                outcomes[type(error).__name__] += 1
        await stage.rig.close(mc)
    print(dict(outcomes))
    assert outcomes["fine"] > 100
