"""For who tests code that speaks to a memcached: faults on the wire, and strikes at every point.

`ScriptedServer`
    says what it is told, byte for byte; `scripts` has what is needed again and again.

`FaultProxy`
    stands between a client and a memcached (a real one, or `mcclient.embedded.MemoryServer`), and
    disturbs what passes; `faults` has the ways of it.

`NoServer`
    is an address where nobody answers.

`interrupt_sweep` and `cancel_sweep`
    play a call again and again, and interrupt or cancel it at its first point, its second, ....

`Watch`, `descriptors`
    see what was left behind.

All of it is in this process, with real sockets of the loopback interface, and threads.  Nothing in
mcclient imports this package.  It needs nothing but the standard library; trio only where trio
already runs.
"""

from __future__ import annotations

from . import faults, scripts
from ._cancels import CancelAt, cancel_sweep
from ._interrupts import InterruptAt, Interrupted, interrupt_sweep
from ._leaks import Watch, descriptors, settled_descriptors
from ._no_server import NoServer
from ._proxy import Fault, FaultProxy, Passing
from ._scripted import Gone, Peer, Request, Script, ScriptedServer

__all__ = [
    "CancelAt",
    "Fault",
    "FaultProxy",
    "Gone",
    "InterruptAt",
    "Interrupted",
    "NoServer",
    "Passing",
    "Peer",
    "Request",
    "Script",
    "ScriptedServer",
    "Watch",
    "cancel_sweep",
    "descriptors",
    "faults",
    "interrupt_sweep",
    "scripts",
    "settled_descriptors",
]
