"""Clients and a real memcached that was built with SASL and asks for it (``-S``)."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcclient import AuthError, Client, pylibmc
from tests.servers import RealMemcached

pytestmark = pytest.mark.memcached

WHO = {"username": "alice", "password": "Xyzzy-1"}

GetOption = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ctypes.c_uint),
)


class Callback(ctypes.Structure):
    _fields_ = (("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p))


def enter_user(database: Path, username: bytes, password: bytes) -> bool:
    """What ``saslpasswd2`` does, by the library that memcached uses; whether it can."""
    options = {
        b"auxprop_plugin": b"sasldb",
        b"pwcheck_method": b"auxprop",
        b"sasldb_path": os.fsencode(database),
    }

    @GetOption
    def get_option(context, plugin, option, result, length):
        value = options.get(option)
        if value is None:
            return -1
        result[0] = value
        if length:
            length[0] = len(value)
        return 0

    try:
        sasl = ctypes.CDLL("libsasl2.so.2")
    except OSError:
        return False
    get = ctypes.cast(get_option, ctypes.c_void_p).value
    callbacks = (Callback * 2)(Callback(1, get, None), Callback(0, None, None))
    if sasl.sasl_server_init(callbacks, b"memcached"):
        return False
    connection = ctypes.c_void_p()
    try:
        realm = socket.gethostname().encode()
        nothing = (None, None, None, 0)
        made = sasl.sasl_server_new(b"memcached", realm, realm, *nothing, ctypes.byref(connection))
        create = 1
        return not made and not sasl.sasl_setpass(
            connection, username, password, len(password), None, 0, create
        )
    finally:
        sasl.sasl_dispose(ctypes.byref(connection))
        sasl.sasl_done()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMemcached]:
    folder = tmp_path_factory.mktemp("sasl")
    database = folder / "users"
    (folder / "memcached.conf").write_text(
        "mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
        f"sasldb_path: {database}\n"
    )
    if not enter_user(database, b"alice", b"Xyzzy-1"):
        pytest.fail("libsasl2 or its database of users is not here (libsasl2-modules-db)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SASL_CONF_PATH", str(folder))
        try:
            server = RealMemcached("-S")
        except RuntimeError as error:
            pytest.fail(f"memcached was built without SASL: {error}")
    with server, Client(server.address, protocol="binary", timeout=20, **WHO) as mc:
        try:
            mc.get("k")
        except AuthError as error:
            if "takes no PLAIN" in str(error):
                pytest.fail("libsasl2 has no PLAIN (libsasl2-modules)")
        yield server


def test_who_knows_the_password_is_let_in(guarded: RealMemcached) -> None:
    with Client(guarded.address, protocol="binary", timeout=20, **WHO) as mc:
        assert mc.set_multi({"k": "v", "n": 1}) == []
        assert mc.get_multi(["k", "n", "none"]) == {"k": "v", "n": 1}
        assert mc.incr("n", 2) == 3
        clone = mc.clone()
        assert clone.get("k") == "v"
        clone.close()
    mc = pylibmc.Client([guarded.address], binary=True, **WHO)
    assert mc.get("k") == "v"


def test_nobody_else_is(guarded: RealMemcached) -> None:
    for who in {"username": "alice", "password": "Plugh-2"}, {}:
        with Client(guarded.address, protocol="binary", timeout=20, **who) as mc:
            with pytest.raises(AuthError) as caught:
                mc.get("k")
            assert caught.value.step == "auth"
            assert "Plugh" not in str(caught.value)
