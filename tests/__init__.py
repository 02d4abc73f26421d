"""The suite. A package, so that tests in any folder can say ``from tests.servers import ...``.

The folders below need no `__init__.py`: see ``--import-mode`` in pyproject.toml.
"""
