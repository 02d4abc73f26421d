"""What the pages in docs/ show is run as it stands, but for the address of the server.

The Python blocks of a page are one program, from top to bottom: plain code, or a session with
``>>>`` whose output is compared.  Building the pages is the business of scripts/check.
"""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Pages whose blocks make up nothing: they quote examples/, or are made of docstrings.
WITHOUT_CODE = [
    "examples.md",
    "guarantees.md",
    "performance.md",
    "reference/mcclient.md",
    "reference/mcproto.md",
]


def blocks(page: str, text: str) -> Iterator[CodeType | doctest.DocTest]:
    """The program's parts. Tracebacks and failures name the page and its line."""
    name = str(DOCS / page)
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        if block[1].startswith(">>>"):
            yield doctest.DocTestParser().get_doctest(block[1], {}, page, name, line)
        else:
            yield compile("\n" * line + block[1], name, "exec", dont_inherit=True)


def run(page: str, text: str) -> int:
    """How many blocks there were."""
    names: dict[str, object] = {"__name__": "__main__"}
    reports: list[str] = []
    number = 0
    for block in blocks(page, text):
        number += 1
        if isinstance(block, CodeType):
            exec(block, names)
        else:
            block.globs = names
            doctest.DocTestRunner().run(block, out=reports.append, clear_globs=False)
            assert not reports, "".join(reports)
    return number


def test_pages_without_code_are_those_that_are_meant_to_be():
    assert [page for page in PAGES if not BLOCK.search((DOCS / page).read_text())] == WITHOUT_CODE


@pytest.mark.parametrize("page", sorted({*PAGES}.difference(WITHOUT_CODE)))
def test_a_page_runs_as_it_stands(page: str, real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    text = (DOCS / page).read_text()
    text = text.replace("127.0.0.1:11211", real_memcached.address)
    text = text.replace('("127.0.0.1", 11211)', repr((real_memcached.host, real_memcached.port)))
    assert run(page, text) == len(BLOCK.findall(text)) > 0


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("```python\nassert 1 == 2\n```\n", AssertionError),
        ("```python\n>>> 1 + 1\n3\n```\n", AssertionError),
        ("```python\nn = 1\n```\n\n```python\n>>> n\n2\n```\n", AssertionError),
        ("```python\n>>> n = 1\n```\n\n```python\nassert n == 2\n```\n", AssertionError),
        ("```python\nraise KeyError\n```\n", KeyError),
    ],
)
def test_a_block_that_is_wrong_is_noticed(code: str, complaint: type[Exception]) -> None:
    with pytest.raises(complaint):
        run("made_up.md", code)


def test_every_example_is_shown():
    page = (DOCS / "examples.md").read_text()
    shown = re.findall(r"^```\{literalinclude\} \.\./examples/(.*)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(file.name for file in (ROOT / "examples").glob("*.py"))


# (That of mcclient lists what is not elsewhere on its page by itself.)
@pytest.mark.parametrize("package", ["mcproto", "mcproto.testing"])
def test_the_reference_has_every_public_name(package: str) -> None:
    page = (DOCS / "reference/mcproto.md").read_text()
    named = re.findall(
        r"^\.\. (?:auto(?:class|exception|function|data|module)|py:data):: (.*)$",
        page,
        re.MULTILINE,
    )
    named = {name.removeprefix(f"{package}.") for name in named}
    module = importlib.import_module(package)
    assert {name for name in module.__all__ if not name.startswith("__")} - named == set()
