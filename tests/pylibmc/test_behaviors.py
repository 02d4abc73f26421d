"""Behaviors: names, order, what is refused, and what is reported."""

from __future__ import annotations

from typing import Any

import pytest

from mcclient import pylibmc

DEFAULTS = {
    "no_block": 0, "tcp_nodelay": 0, "tcp_keepalive": 0, "hash": "default", "ketama_hash": 0,
    "ketama": 0, "ketama_weighted": 0, "distribution": "modula", "cas": 0, "buffer_requests": 0,
    "verify_keys": 0, "connect_timeout": 4000, "send_timeout": 0, "receive_timeout": 0,
    "num_replicas": 0, "auto_eject": 0, "retry_timeout": 2, "remove_failed": 0, "failure_limit": 5,
    "_io_msg_watermark": 500, "_io_bytes_watermark": 66560, "_io_key_prefetch": 0,
    "_hash_with_prefix_key": 0, "_noreply": 0, "_sort_hosts": 0, "_poll_timeout": 5000,
    "_socket_send_size": 0, "_socket_recv_size": 0, "dead_timeout": 0, "pickle_protocol": -1,
}  # fmt: skip

# What changes in the report.
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ketama": True}, {"ketama": 1, "distribution": "consistent ketama"}),
    ({"ketama": True, "distribution": "modula"}, {}),
    ({"ketama_weighted": False}, {"ketama": 1, "distribution": "consistent ketama"}),
    (
        {"ketama_weighted": True},
        {
            "hash": "md5",
            "ketama_hash": 1,
            "ketama": 1,
            "ketama_weighted": 1,
            "distribution": "consistent weighted",
        },
    ),
    (
        {"ketama": False, "ketama_weighted": False},
        {"ketama": 1, "distribution": "consistent ketama"},
    ),
    (
        {"distribution": "consistent weighted"},
        {"ketama": 1, "ketama_weighted": 1, "distribution": "consistent weighted"},
    ),
    ({"hash": "crc"}, {"hash": "crc"}),
    ({"ketama_hash": "crc"}, {"ketama_hash": 2}),
    ({"ketama_hash": 100}, {}),
    ({"remove_failed": 3}, {"auto_eject": 1, "remove_failed": 1}),
    ({"auto_eject": True}, {"auto_eject": 1, "remove_failed": 1}),
    ({"_retry_timeout": 7}, {"retry_timeout": 7}),
    ({"cas": 5}, {"cas": 1}),
    ({"connect_timeout": 2**31}, {"connect_timeout": -(2**31)}),
    ({"num_replicas": -1}, {"num_replicas": 2**32 - 1}),
    ({"send_timeout": 2**64}, {"send_timeout": -1}),
    ({"_socket_send_size": 5, "_socket_recv_size": -1}, {"_socket_send_size": 5}),
    ({"pickle_protocol": 2}, {"pickle_protocol": 2}),
    ({"namespace": b"ns:"}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("setting", "changes"), SETTINGS)
@pytest.mark.parametrize("how", ["constructor", "attribute", "method", "item"])
def test_what_is_set_is_reported(
    setting: dict[str, Any], changes: dict[str, Any], how: str
) -> None:
    mc = pylibmc.Client(["a", "b"], setting if how == "constructor" else None)
    if how == "attribute":
        mc.behaviors = setting  # type: ignore[assignment]
    elif how == "method":
        mc.set_behaviors(setting)
    elif how == "item":
        for name in sorted(setting, key=lambda name: (name == "distribution", name)):
            mc.behaviors[name] = setting[name]
    assert dict(mc.behaviors) == DEFAULTS | changes
    assert list(mc.behaviors) == pylibmc.all_behaviors
    if how == "constructor" and "ketama_weighted" not in changes:
        assert dict(mc.clone().behaviors) == DEFAULTS | changes


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"foo": 1, "bar": 2}, ValueError, "unknown behavior names: bar, foo"),
        ({"cas": "x"}, TypeError, "behavior cas must be int, not str"),
        ({"cas": 1.0}, TypeError, "behavior cas must be int, not float"),
        ({"cas": None}, TypeError, "behavior cas must be int, not NoneType"),
        ({"hash": "nope"}, KeyError, "nope"),
        ({"hash": 3}, KeyError, "3"),
        ({"hash": "hsieh"}, pylibmc.Error, "returned 38 for behavior 'hash' = 7"),
        ({"ketama_hash": "nope"}, TypeError, "behavior ketama_hash must be int"),
        ({"distribution": "consistent max"}, pylibmc.Error, "for behavior 'distribution' = 7"),
        ({"failure_limit": 0}, pylibmc.Error, "returned 38 for behavior 'failure_limit' = 0"),
        ({"namespace": b""}, pylibmc.Error, "returned 38 for callback 'namespace' = "),
        ({"namespace": b"x" * 128}, pylibmc.Error, "returned 39 for callback"),
        ({"namespace": b"a b"}, ValueError, "bad key provided: a b"),
        ({"namespace": "text"}, TypeError, "namespace must be bytes"),
    ],
)
def test_what_cannot_be_set_is_refused_as_there(
    setting: dict[str, Any], error: type[Exception], message: str
) -> None:
    mc = pylibmc.Client(["a"])
    with pytest.raises(error, match=message):
        mc.behaviors = setting  # type: ignore[assignment]
    with pytest.raises(error, match=message):
        pylibmc.Client(["a"], setting)


def test_a_failure_leaves_the_earlier_ones_set() -> None:
    mc = pylibmc.Client(["a"])
    with pytest.raises(pylibmc.Error):
        mc.behaviors = {"failure_limit": 0, "cas": 1, "dead_timeout": 5}  # type: ignore[assignment]
    assert (mc.behaviors["cas"], mc.behaviors["dead_timeout"]) == (1, 0)


def test_binary_clients_cannot_verify_keys() -> None:
    for value in (True, False):
        with pytest.raises(pylibmc.Error, match="for behavior 'verify_keys'"):
            pylibmc.Client(["a"], {"verify_keys": value}, binary=True)
    mc = pylibmc.Client(["a"], binary=True)
    with pytest.raises(pylibmc.Error):
        mc.behaviors["verify_keys"] = 1


def test_nothing_and_none_are_no_behaviors() -> None:
    mc = pylibmc.Client(["a"], None)
    mc.behaviors = None  # type: ignore[assignment]
    mc.behaviors = {}  # type: ignore[assignment]
    mc.set_behaviors(None)
    assert dict(mc.behaviors) == DEFAULTS


def test_the_dict_writes_through_by_item_and_update_only() -> None:
    mc = pylibmc.Client(["a"])
    behaviors = mc.behaviors
    behaviors.update({"cas": True, "hash": "md5"})
    assert (mc.behaviors["cas"], mc.behaviors["hash"]) == (1, "md5")
    behaviors.setdefault("no_such", 1)
    del behaviors["cas"]
    assert mc.behaviors["cas"] == 1
    with pytest.raises(TypeError):
        behaviors.update(cas=0)  # type: ignore[call-arg]


def test_a_whole_dict_goes_to_another_client() -> None:
    one = pylibmc.Client(["a", "b", "c"], {"ketama_weighted": True, "cas": True})
    other = pylibmc.Client(["a", "b", "c"])
    other.behaviors = one.behaviors
    assert other.behaviors == one.behaviors
    keys = [f"key:{n}" for n in range(100)]
    assert list(map(other.hash, keys)) == list(map(one.hash, keys))


def test_a_clone_is_told_what_its_master_was_and_nothing_later() -> None:
    master = pylibmc.Client(["a"], {"cas": True, "pickle_protocol": 2, "namespace": b"ns:"})
    clone = master.clone()
    master.behaviors["cas"] = False
    assert (clone.behaviors["cas"], clone.behaviors["pickle_protocol"]) == (1, 2)
    assert clone.addresses == master.addresses is not clone.addresses


def test_a_clone_is_made_without_a_constructor_and_knows_no_foreign_attribute() -> None:
    class Named(pylibmc.Client):
        def __init__(self, name: str) -> None:
            super().__init__(["a"])
            self.name = name

    clone = Named("first").clone()
    assert type(clone) is Named
    assert not hasattr(clone, "name")


def test_the_lower_level_has_numbers() -> None:
    mc = pylibmc._pylibmc.client([(1, "a")], behaviors={"hash": 6, "distribution": 2, "else": "?"})
    assert mc.get_behaviors()["hash"] == 6
    assert mc.get_behaviors()["distribution"] == 2
    with pytest.raises(TypeError, match="behavior hash must be int, not str"):
        mc.set_behaviors({"hash": "md5"})


def test_weights_that_count_are_told_only_where_they_do() -> None:
    mc = pylibmc.Client(["a", "b:1:2"], {"ketama_weighted": True})
    assert mc.behaviors["ketama_weighted"] == 1
    mc.behaviors["distribution"] = "modula"
    assert mc.behaviors["ketama_weighted"] == 0
    assert mc.clone().behaviors["ketama_weighted"] == 0
