"""What an import loads, looked at from a bare interpreter.

`mcproto` does no I/O, has no clock and no threads, and `mcclient` makes nobody pay for what he does
not use. Both are promises about `sys.modules`; tests/test_layers.py reads the sources for the rest.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRANSPORTS = sorted(path.stem for path in (ROOT / "mcproto" / "transports").glob("[!_]*.py"))

# Imports argv[2:] and prints what has been asked for on the way, found or not: where trio is not
# installed (or hidden, as by -S) a `try: import trio` loads nothing and is not what we want either.
CHILD = """
import sys

class Witness:
    def find_spec(self, name, path=None, target=None):
        print(name)

sys.path.insert(0, sys.argv[1])
sys.meta_path.insert(0, Witness())
for name in sys.argv[2:]:
    __import__(name)
"""


def loaded(*modules: str, bare: bool = True) -> set[str]:
    """What importing *modules* loads in a new interpreter; a *bare* one has no site-packages."""
    options = ["-I", "-S"] if bare else ["-I"]
    child = subprocess.run(
        [sys.executable, *options, "-c", CHILD, str(ROOT), *modules],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert child.returncode == 0, child.stderr
    return set(child.stdout.split())


IO = "socket _socket select selectors ssl _ssl asyncio trio threading"
DEAR = "typing dataclasses re inspect logging pickle"

# (`time` cannot be seen from here: the interpreter has loaded it for itself.)
MUST_NOT_LOAD = {
    "mcproto": f"{IO} {DEAR} os mcproto.testing mcproto.transports mcclient",
    # `Protocol` is typing's: interfaces cannot be had without it.
    "mcproto.transports": f"{IO} dataclasses inspect logging pickle mcclient",
    "mcclient": f"ssl _ssl asyncio trio {DEAR} mcclient.testing",
    "mcclient.testing": "asyncio trio",
}


@pytest.mark.parametrize("module", MUST_NOT_LOAD)
def test_an_import_loads_only_what_it_must(module: str) -> None:
    assert loaded(module) & set(MUST_NOT_LOAD[module].split()) == set()


def test_the_core_loads_enum_struct_and_collections_and_nothing_else() -> None:
    core = {name for name in loaded("mcproto") if name.partition(".")[0] != "mcproto"}
    assert core - loaded("__future__", "enum", "struct", "collections", "collections.abc") == set()


# What a transport needs beside what `socket` itself loads (selectors is among that).
MAY_LOAD = {
    "asyncio": "asyncio socket ssl",
    "blocking": "socket",
    "memory": "",
    "selector": "socket",
    "trio": "trio socket ssl",
    "udp": "socket",
}


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_transport_can_be_imported_alone_and_loads_its_own_kind_of_io(name: str) -> None:
    alone = loaded(f"mcproto.transports.{name}", bare=False)
    assert f"mcproto.transports.{name}" in alone
    assert alone & {"mcclient", *(f"mcproto.transports.{other}" for other in TRANSPORTS)} == {
        f"mcproto.transports.{name}"
    }
    foreign = {"socket", "ssl", "asyncio", "trio"} - set(MAY_LOAD.get(name, "").split())
    assert alone & foreign == set()


def test_the_witness_sees_a_module_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "guarded.py").write_text("try:\n    import trio\nexcept ImportError:\n    pass\n")
    child = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CHILD, str(tmp_path), "guarded"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert child.stdout.split() == ["guarded", "trio"]
