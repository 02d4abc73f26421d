"""How Sphinx builds these pages: strictly, and without asking the network for anything."""

from __future__ import annotations

import builtins
import sys
from enum import Enum
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

sys.path.insert(0, str(Path(__file__).parents[1]))

import mcclient
import mcproto.transports

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "mcclient"
author = project_copyright = "the mcclient authors"
version = release = mcclient.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib_trio"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "mcclient"
html_show_copyright = False
html_show_sphinx = False

# `name` in a docstring is a reference, and one that leads nowhere fails the build.
nitpicky = True
default_role = "py:obj"
nitpick_ignore_regex = [
    # Bases and type variables, which have no page.
    ("py:.*", r"mcproto\.transports\.(R|T|AT_co)|.*\b(Event|SearchStrategy|MappedReservation)"),
    # Of queue.Queue, and of datetime.
    ("py:.*", "join|maxsize|task_done|timedelta"),
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 2
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False

# To napoleon "Whether it is so: close." is a type and what it means, if it stands by an attribute.
GoogleDocstring._parse_attribute_docstring = lambda self: list(self._consume_to_end())

# The interfaces are there for type checkers alone: they cost no import. Here they are wanted.
interfaces = Path(mcproto.transports.__file__).read_text()
interfaces = interfaces.replace("TYPE_CHECKING = False", "TYPE_CHECKING = True")
exec(compile(interfaces, mcproto.transports.__file__, "exec"), vars(mcproto.transports))

# Types of one value, which have no name at run time: what they are references to.
MARKERS = {"NeedData": "NEED_DATA", "NoReply": "NO_REPLY", "Closed": "CLOSED"}

# Whose names docstrings use beside those of their own class.
OWNERS = """
    mcproto mcproto.Command mcproto.ClientConnection mcproto.testing mcproto.transports
    mcproto.transports.Transport mcproto.transports.Backend mcproto.transports.TellingBackend
    mcproto.transports.AsyncBackend mcproto.transports.PrivateTransport
    mcclient mcclient.Client mcclient.PartialFailure mcclient.MemcacheError
""".split()


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Node) -> Node | None:
    """Where a reference leads to that Sphinx knows nothing of."""
    if node["refdomain"] != "py":
        return None
    python = env.domains.python_domain
    target = MARKERS.get(node["reftarget"], node["reftarget"])
    parent, _, attribute = target.rpartition(".")
    for owner in OWNERS:
        name = f"{owner}.{target}"
        if name not in python.objects:
            # A field that is described with its class.
            name = f"{owner}.{parent}"
            of = getattr(sys.modules.get(owner), parent, None)
            if name not in python.objects or not hasattr(of, attribute):
                continue
        return python.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)
    # The standard library's pages are on the network. And signatures stand as they are in the code,
    # with names that types have for brevity.
    is_short = node["reftype"] == "class" and ("." not in target or "._" in target)
    return text if is_short or iskeyword(target) or is_standard(target) else None


def is_standard(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if not module:
        return hasattr(builtins, name) or name in sys.stdlib_module_names
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    return hasattr(import_module(module), attribute)


def skip(app: Sphinx, what: str, name: str, thing: object, *_: object) -> bool | None:
    """Commands are values: what they do is told once, at `Command`, and how is told nowhere."""
    if what != "class" or name == "item_key":
        return None
    function = getattr(thing, "fget", getattr(thing, "__func__", thing))
    if not isinstance(function, FunctionType):
        return not (isinstance(thing, Enum) and thing.name == name)
    module = sys.modules.get(function.__module__)
    owner = getattr(module, function.__qualname__.partition(".")[0], None)
    is_commands = isinstance(owner, type) and issubclass(owner, mcproto.Command)
    return True if is_commands and owner is not mcproto.Command else None


def describe(app: Sphinx, what: str, name: str, thing: object, _: object, lines: list[str]) -> None:
    """A number's own docstring is `int`'s: take the one that stands below it in the code."""
    if what == "data" and isinstance(thing, int):
        lines.clear()
        for module in [module for module in sys.modules if module.startswith("mcproto.")]:
            found = ModuleAnalyzer.for_module(module).find_attr_docs()
            lines += found.get(("", name.rpartition(".")[2]), [])


def sign(
    app: Sphinx, what: str, name: str, thing: object, _: object, signature: str | None, __: object
) -> tuple[str, str] | None:
    """Nobody calls an interface, or makes an error."""
    is_called = what != "exception" and not getattr(thing, "_is_protocol", False)
    return None if is_called or not signature else ("", "")


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", describe, priority=1)
    app.connect("autodoc-process-signature", sign)
