"""Every operation, once, as a generator that does no I/O.

Routing, policies, retries over several servers and the putting together of their answers live
here; which bytes go over which socket does not.  The clients are thin faces over this.
"""

from __future__ import annotations

from ._all import flush_all, stats, version
from ._dialects import Classic, Meta
from ._effects import Exchange, FanOut
from ._many import (
    MOST_KEYS,
    delete_multi,
    first_flight,
    get_multi,
    set_multi,
    store_all,
    stores_of,
)
from ._one import (
    arithmetic,
    cas,
    contains,
    delete,
    execute,
    gat,
    get,
    gets,
    join,
    store,
    store_data,
    touch,
    value_of,
    values_of,
)
from ._setup import Routes, Setup
from ._watched import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._dialects import Dialect as Dialect
    from ._dialects import Mode as Mode
    from ._effects import Effect as Effect
    from ._effects import Operation as Operation

__all__ = [
    "MOST_KEYS",
    "Classic",
    "Exchange",
    "FanOut",
    "Meta",
    "Routes",
    "Setup",
    "arithmetic",
    "cas",
    "contains",
    "delete",
    "delete_multi",
    "execute",
    "first_flight",
    "flush_all",
    "gat",
    "get",
    "get_multi",
    "gets",
    "join",
    "set_multi",
    "stats",
    "store",
    "store_all",
    "store_data",
    "stores_of",
    "touch",
    "value_of",
    "values_of",
    "version",
    "watched",
]
