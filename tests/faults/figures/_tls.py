"""F23: what is wrong with a server's TLS is found out, with all defaults."""

from __future__ import annotations

import warnings

import pytest

from mcclient import TLSError
from mcclient.testing import ScriptedServer
from mcclient.testing.scripts import always
from tests.certificates import AUTHORITY
from tests.contract.rigs import SOCKET_RIGS, do
from tests.faults.figures._size import Size
from tests.faults.test_tls import BAD, SECRET, VALUE, over_tls


def refusals(size: Size) -> str:
    """On every transport, and before a byte of the caller's has been sent."""
    refused = 0
    for make, shown in BAD.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions of TLS
            context = make()
        for rig in SOCKET_RIGS:
            options = {} if shown == "system" else {"ssl_context": AUTHORITY.client(shows=shown)}
            with ScriptedServer(always(VALUE), tls=context) as server:

                async def story(rig=rig, server=server, options=options) -> None:
                    mc = rig.client(over_tls(server), timeout=20, **options)
                    with pytest.raises(TLSError):
                        await do(mc.set("k", SECRET))
                    await rig.close(mc)

                rig.run(story)
                assert SECRET not in server.received()
            refused += 1
    return f"{len(BAD)} of {len(BAD)} set-ups, each on {refused // len(BAD)} transports"
