"""What a client does: each scenario once, on every rig, in every dialect."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import time

import pytest

from mcclient import (
    BadCommand,
    CasItem,
    ClientClosed,
    CommandUnknown,
    ValueTooLarge,
    ValueUnreadable,
)
from mcproto import (
    Flight,
    InvalidArgument,
    InvalidKey,
    Item,
    ItemTooLarge,
    MetaReply,
    Status,
    binary,
    classic,
    meta,
    sasl,
)
from tests.contract.rigs import do, keys_on, scenario

U64 = 1 << 64
VALUES = [b"bytes", b"", "text", "", "Größe ✓", 0, 5, -5, 10**30, bytes(range(256))]
VALUES += [b"\r\nEND\r\n", b"VALUE k 0 3\r\nabc\r\nEND\r\n"]


@pytest.fixture(params=["meta", "classic", "binary"])
def protocol(request):
    return request.param


in_text = pytest.mark.parametrize("protocol", ["meta", "classic"])


def large(world):
    """A value of nearly the size that the server takes."""
    return bytes(world.rig.item_size * 4 // 5)


def too_large(world):
    """A value that is too large for the server, by the few bytes of what it stores beside it."""
    return bytes(world.rig.item_size)


def in_text_too(world, mc):
    """A client of the same servers that speaks text; the same one, if it does."""
    if world.protocol != "binary":
        return mc
    return world.client(len(mc.servers), protocol="meta")


async def ttl_of(world, mc, key):
    """The seconds that the item has left, -1: no limit."""
    reply = await do(in_text_too(world, mc).execute(meta.Get(world.wire(key), t=True)))
    return reply.number("t")


def about(seconds):
    """As good as equal: the server's clock ticks by the second, and not when ours does."""
    return pytest.approx(seconds, abs=20)


# ---------------------------------------------------------------------------- storing and reading


@scenario
async def test_what_was_set_is_got_as_the_same_type(world):
    mc = world.client()
    for value in [*VALUES, bytes(20_000)[: world.rig.item_size // 2], large(world)]:
        assert await do(mc.set("k", value)) is True
        for _ in range(2):
            found = await do(mc.get("k"))
            assert (found, type(found)) == (value, type(value))


@scenario
async def test_what_is_not_there_is_the_default(world):
    mc = world.client()
    assert await do(mc.get("nothing")) is None
    assert await do(mc.get("nothing", "default")) == "default"
    assert await do(mc.get("nothing", default=7)) == 7
    assert await do(mc.gets("nothing")) is None
    assert await do(mc.gat("nothing", 60)) is None
    assert await do(mc.gat("nothing", 60, "default")) == "default"


@scenario
async def test_a_key_is_the_same_as_str_and_as_bytes(world):
    mc = world.client()
    await do(mc.set("Größe", "v"))
    assert await do(mc.get("Größe".encode())) == "v"


@scenario
async def test_words_of_the_protocol_are_keys_like_others(world):
    mc = world.client(key_prefix="")
    for key in ["END", "VALUE", "get", "mn", "stats", "0", "\N{SNOWMAN}", "x" * 250]:
        assert await do(mc.set(key, key))
        assert await do(mc.get(key)) == key
        assert await do(mc.get_multi([key])) == {key: key}
        assert await do(mc.delete(key))


@scenario
async def test_add_stores_only_where_nothing_is_and_replace_only_where_something_is(world):
    mc = world.client()
    assert await do(mc.replace("k", "r")) is False
    assert await do(mc.add("k", "a")) is True
    assert await do(mc.add("k", "b")) is False
    assert await do(mc.get("k")) == "a"
    assert await do(mc.replace("k", "r")) is True
    assert await do(mc.get("k")) == "r"


@scenario
async def test_append_and_prepend_add_to_what_is_there(world):
    mc = world.client()
    assert await do(mc.append("k", "x")) is False
    assert await do(mc.prepend("k", "x")) is False
    assert await do(mc.get("k")) is None
    await do(mc.set("k", "middle"))
    assert await do(mc.append("k", ", end")) is True
    assert await do(mc.prepend("k", "begin, ")) is True
    assert await do(mc.get("k")) == "begin, middle, end"


@scenario
async def test_cas_stores_only_over_what_was_read(world):
    mc = world.client()
    await do(mc.set("k", "one"))
    item = await do(mc.gets("k"))
    assert item == CasItem("k", "one", 16, item.cas)
    assert await do(mc.cas("k", "two", item.cas)) is True
    assert await do(mc.cas("k", "three", item.cas)) is False, "it has been changed since"
    assert await do(mc.get("k")) == "two"
    changed = await do(mc.gets(b"k"))
    assert (changed.key, changed.value) == (b"k", "two")
    assert changed.cas != item.cas
    await do(mc.delete("k"))
    assert await do(mc.cas("k", "four", changed.cas)) is False, "it is gone"
    assert await do(mc.get("k")) is None


@scenario
async def test_delete_says_whether_there_was_something(world):
    mc = world.client()
    await do(mc.set("k", "v"))
    assert await do(mc.delete("k")) is True
    assert await do(mc.delete("k")) is False
    assert await do(mc.get("k")) is None


@scenario
async def test_touch_and_gat_give_a_new_expiry(world):
    mc = world.client()
    assert await do(mc.touch("k", 60)) is False
    await do(mc.set("k", "v"))
    assert await ttl_of(world, mc, "k") == -1
    assert await do(mc.touch("k", 100)) is True
    assert await ttl_of(world, mc, "k") == about(100)
    assert await do(mc.gat("k", 1000)) == "v"
    assert await ttl_of(world, mc, "k") == about(1000)
    assert await do(mc.gat("k", None)) == "v"
    assert await ttl_of(world, mc, "k") == -1
    assert await do(mc.touch("k", -1)) is True
    assert await do(mc.get("k")) is None


@scenario
async def test_expiry_is_seconds_a_length_of_time_or_a_point_in_time(world):
    mc = world.client()
    in_an_hour = [3600, 3600.0, 3599.5, timedelta(hours=1), datetime.now() + timedelta(hours=1)]
    for expire in in_an_hour:
        await do(mc.set("k", "v", expire))
        assert await ttl_of(world, mc, "k") == about(3600), expire
        await do(mc.set_multi({"k": "w"}, expire))
        assert await ttl_of(world, mc, "k") == about(3600), expire
    for expire in [40 * 86400, timedelta(days=40)]:
        await do(mc.set("k", "v", expire=expire))
        assert await ttl_of(world, mc, "k") == about(40 * 86400), expire
    for expire in [0, 0.0, None]:
        await do(mc.set("k", "v", expire=expire))
        assert await ttl_of(world, mc, "k") == -1, expire
    for expire in [-1, -0.5, timedelta(seconds=-1), datetime(2001, 1, 1)]:
        await do(mc.set("k", "v"))
        await do(mc.set("k", "v", expire=expire))
        assert await do(mc.get("k")) is None, expire
    assert time() < 1 << 31, "and then the tests need another look"


@pytest.mark.parametrize("storing", ["add", "replace", "cas", "incr"])
@scenario
async def test_whatever_stores_takes_an_expiry(world, storing):
    mc = world.client()
    if storing in ("replace", "cas"):
        await do(mc.set("k", 1))
    if storing == "cas":
        await do(mc.cas("k", 2, (await do(mc.gets("k"))).cas, expire=100))
    elif storing == "incr":
        await do(mc.incr("k", initial=1, expire=100))
    else:
        await do(getattr(mc, storing)("k", 2, expire=100))
    assert await ttl_of(world, mc, "k") == about(100)


# --------------------------------------------------------------------------------------- counting


@scenario
async def test_counting_up_and_down(world):
    mc = world.client()
    assert await do(mc.incr("n")) is None
    assert await do(mc.decr("n")) is None
    await do(mc.set("n", 7))
    assert await do(mc.incr("n")) == 8
    assert await do(mc.incr("n", 10)) == 18
    assert await do(mc.incr("n", 0)) == 18
    assert await do(mc.decr("n", 9)) == 9, "which the server stores with a blank behind it"
    assert await do(mc.get("n")) == 9
    assert await do(mc.decr("n", delta=100)) == 0
    assert await do(mc.get("n")) == 0


@scenario
async def test_numbers_have_64_bits(world):
    mc = world.client()
    await do(mc.set("n", U64 - 1))
    assert await do(mc.incr("n", 0)) == U64 - 1
    assert await do(mc.incr("n", 3)) == 2
    assert await do(mc.incr("n", U64 - 1)) == 1


@scenario
async def test_a_counter_begins_at_the_initial_number(world):
    mc = world.client()
    assert await do(mc.incr("up", 5, initial=100)) == 100
    assert await do(mc.incr("up", 5, initial=100)) == 105
    assert await do(mc.decr("down", 5, initial=0)) == 0
    assert await do(mc.get("up")) in (105, b"105"), "what the server makes has no flags"


@scenario
async def test_what_is_no_number_cannot_be_counted(world):
    mc = world.client()
    await do(mc.set("k", "word"))
    with pytest.raises(BadCommand) as caught:
        await do(mc.incr("k"))
    assert caught.value.server == mc.servers[0]
    assert caught.value.key == world.wire("k")
    assert await do(mc.get("k")) == "word"


# -------------------------------------------------------------------------------------- many keys


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("ring", ["ketama", "modula"])
@scenario
async def test_many_keys_are_set_got_and_deleted(world, servers, ring):
    mc = world.client(servers, ring=ring)
    mapping = {f"k{n}": f"v{n}" for n in range(300)}
    assert await do(mc.set_multi(mapping)) == []
    keys = [*mapping, "nothing", "k7"]
    assert await do(mc.get_multi(keys)) == mapping
    assert await do(mc.get_multi(iter(keys))) == mapping
    for key in "k0", "k1", "k2":
        assert await do(mc.get(key)) == mapping[key]
    assert await do(mc.delete_multi(["k0", "k1", "k2"])) is True
    assert await do(mc.delete_multi(["k2", "k3", "k4"])) is False, "k2 was gone"
    assert await do(mc.get_multi(f"k{n}" for n in range(6))) == {"k5": "v5"}


@scenario
async def test_nothing_is_asked_about_no_keys(world):
    mc = world.client(2)
    assert await do(mc.get_multi([])) == {}
    assert await do(mc.set_multi({})) == []
    assert await do(mc.delete_multi([])) is True


@scenario
async def test_hits_come_under_the_caller_s_own_spelling(world):
    mc = world.client()
    await do(mc.set_multi({"a": 1, b"b": 2}))
    assert await do(mc.get_multi([b"a", "b", "a"])) == {b"a": 1, "b": 2, "a": 1}


@scenario
async def test_more_keys_than_one_request_takes(world):
    mc = world.client(2, timeout=20)
    mapping = {f"k{n}": n for n in range(2500)}
    assert await do(mc.set_multi(mapping)) == []
    assert await do(mc.get_multi(mapping)) == mapping


@pytest.mark.parametrize("servers", [1, 2])
@scenario
async def test_set_multi_gives_back_exactly_the_keys_that_were_too_large(world, servers):
    mc = world.client(servers)
    mapping = {f"k{n}": b"small" for n in range(20)}
    await do(mc.set_multi(mapping))
    refused = ["k3", "k4", "k11", "k19"]
    again = mapping | dict.fromkeys(refused, too_large(world))
    assert sorted(await do(mc.set_multi(again))) == sorted(refused)
    left = {key: b"small" for key in mapping if key not in refused}
    assert await do(mc.get_multi(mapping)) == left


@scenario
async def test_large_values_by_the_dozen(world):
    mc = world.client(2)
    mapping = {f"k{n}": bytes([n]) * (world.rig.item_size // 2) for n in range(12)}
    assert await do(mc.set_multi(mapping)) == []
    assert await do(mc.get_multi(mapping)) == mapping


@scenario
async def test_a_value_too_large_for_the_server_is_refused_and_removes_what_was_there(world):
    mc = world.client()
    await do(mc.set("k", "old"))
    with pytest.raises(ValueTooLarge) as caught:
        await do(mc.set("k", too_large(world)))
    assert caught.value.server == mc.servers[0]
    assert caught.value.key == world.wire("k")
    assert caught.value.reply.kind == "SERVER_ERROR"
    assert await do(mc.get("k")) is None


@scenario
async def test_a_value_too_large_for_the_protocol_is_not_sent(world):
    mc = world.client()
    await do(mc.set("k", "old"))
    with pytest.raises(ItemTooLarge):
        await do(mc.set("k", bytes((64 << 20) + 1)))
    assert await do(mc.get("k")) == "old"


@scenario
async def test_a_key_lives_on_the_server_that_the_ring_says(world):
    mc = world.client(2)
    text = in_text_too(world, mc)
    for number, server in enumerate(mc.servers):
        (key,) = keys_on(mc, number)
        await do(mc.set(key, "v"))
        for other in mc.servers:
            found = await do(text.execute(classic.Get(world.wire(key)), server=other))
            assert (found is not None) == (other == server)


# ------------------------------------------------------------------------------------ all servers


@scenario
async def test_versions_and_statistics_come_by_server(world):
    mc = world.client(2)
    versions = await do(mc.version())
    assert list(versions) == list(mc.servers)
    assert all(version[0].isdigit() for version in versions.values())
    stats = await do(mc.stats())
    assert list(stats) == list(mc.servers)
    assert all(int(entries["pid"]) > 0 for entries in stats.values())
    assert list(await do(mc.stats("settings"))) == list(mc.servers)


@scenario
async def test_flush_all_asks_every_server(world):
    mc = world.client(2)
    before = await do(mc.stats())
    assert await do(mc.flush_all()) is True
    after = await do(mc.stats())
    for server in mc.servers:
        assert int(after[server]["cmd_flush"]) == int(before[server]["cmd_flush"]) + 1


# ------------------------------------------------------------------------------ options of a client


@in_text
@scenario
async def test_a_key_prefix_is_put_before_keys_on_the_wire_and_nowhere_else(world):
    prefix = world.prefix + "app:"
    mc = world.client(2, key_prefix=prefix)
    plain = world.client(2, key_prefix="")
    for number in 0, 1:
        (key,) = keys_on(mc, number)
        await do(mc.set(key, "v"))
        assert (await do(mc.gets(key))).key == key
        assert await do(mc.get_multi([key])) == {key: "v"}
        server = mc.servers[keys_on(plain, number) != [key]]  # the ring does not see the prefix
        assert server == mc.servers[0]
        command = classic.Get(prefix + key)
        assert (await do(mc.execute(command, server=mc.servers[number]))).value == b"v"
        assert (await do(mc.execute(command))).value == b"v", "its home is known without the prefix"


@scenario
async def test_json_values(world):
    mc = world.client(codec="json")
    for value in [{"a": [1, 2.5, None, True]}, [], "text", 7, True, None]:
        await do(mc.set("k", value))
        found = await do(mc.get("k", "default"))
        assert (found, type(found)) == (value, type(value))
        await do(mc.set_multi({"k": value}))
        assert await do(mc.get_multi(["k"])) == {"k": value}


class Reversing:
    """A codec: values backwards, and flags 0, which to the plain one are bytes as they are."""

    def serialize(self, value):
        if value == "refused":
            raise TypeError("value must not be 'refused'")
        return value.encode()[::-1], 0

    def deserialize(self, data, flags):
        if data == b"garbage":
            raise ValueUnreadable("garbage")
        return data[::-1].decode()


@scenario
async def test_a_codec_of_one_s_own(world):
    mc = world.client(codec=Reversing())
    plain = world.client()
    await do(mc.set("k", "abc"))
    assert await do(plain.get("k")) == b"cba"
    for _ in range(2):
        assert await do(mc.get("k")) == "abc"
    assert await do(mc.get_multi(["k"])) == {"k": "abc"}
    assert (await do(mc.gets("k"))).value == "abc"
    for call in mc.set, mc.add, mc.append:
        with pytest.raises(TypeError, match="refused"):
            await do(call("k", "refused"))
    with pytest.raises(TypeError, match="refused"):
        await do(mc.set_multi({"k": "new", "other": "refused"}))
    assert await do(mc.get("k")) == "abc"


@scenario
async def test_what_the_codec_cannot_read_is_an_error_that_names_key_and_server(world):
    mc = world.client(codec=Reversing())
    await do(mc.set("k", "egabrag"))
    for read in mc.get, mc.gets, lambda key: mc.gat(key, 0), lambda key: mc.get_multi([key]):
        for _ in range(2):
            with pytest.raises(ValueUnreadable) as caught:
                await do(read("k"))
            assert caught.value.key == world.wire("k")
            assert caught.value.server == mc.servers[0]
    assert await do(mc.set("k", "fine"))
    assert await do(mc.get("k")) == "fine"


@scenario
async def test_flags_that_the_plain_codec_does_not_know_are_unreadable(world):
    mc = world.client()
    await do(in_text_too(world, mc).execute(classic.Set(world.wire("k"), b"v", flags=12345)))
    with pytest.raises(ValueUnreadable):
        await do(mc.get("k"))


# ------------------------------------------------------------------------------------ any command


@in_text
@scenario
async def test_any_command_can_be_executed(world):
    mc = world.client()
    key = world.wire("k")
    assert await do(mc.execute(classic.Set(key, b"10", flags=5))) is True
    assert await do(mc.execute(classic.Get(key))) == Item(key, 5, b"10")
    assert await do(mc.execute(classic.GetMany([key]))) == {key: Item(key, 5, b"10")}
    assert await do(mc.execute(classic.Incr(key, 3))) == 13
    item = await do(mc.execute(classic.Gets(key)))
    assert await do(mc.execute(classic.Cas(key, b"v", item.cas + 1))) is Status.EXISTS
    reply = await do(mc.execute(meta.Get(key, f=True, k=True, O="token", s=True, v=True)))
    assert reply == MetaReply("VA", [("f", b"5"), ("k", key), ("O", b"token"), ("s", b"2")], b"13")
    assert await do(mc.execute(meta.Get(world.wire("nothing"), v=True))) is None
    assert (await do(mc.execute(meta.Set(key, b"w", C=1)))).code == "EX"
    assert (await do(mc.execute(meta.Delete(world.wire("nothing"))))).code == "NF"
    assert (await do(mc.execute(meta.Noop()))).code == "MN"
    assert (await do(mc.execute(meta.Debug(key)))).code == "ME"
    assert await do(mc.execute(classic.Verbosity(0))) is True


@in_text
@scenario
async def test_silent_commands_are_waited_for_all_the_same(world):
    mc = world.client()
    key = world.wire("k")
    assert await do(mc.execute(classic.Set(key, b"1", noreply=True))) is None
    assert await do(mc.get("k")) == b"1"
    assert (await do(mc.execute(meta.Set(key, b"2", q=True)))).code == "HD"
    assert await do(mc.get("k")) == b"2"
    assert (await do(mc.execute(meta.Set(key, b"3", M="E", q=True)))).code == "NS"
    assert await do(mc.execute(meta.Get(world.wire("nothing"), q=True, v=True))) is None
    assert (await do(mc.execute(meta.Get(key, q=True, v=True)))).value == b"2"
    assert await do(mc.execute(classic.Delete(key, noreply=True))) is None
    assert await do(mc.get("k")) is None


@in_text
@scenario
async def test_an_error_line_to_any_command_is_a_typed_error(world):
    mc = world.client()
    key = world.wire("k")
    await do(mc.set("k", "word"))
    commands = [
        classic.Incr(key),
        meta.Arithmetic(key, v=True),
        meta.Arithmetic(key, q=True),
    ]
    for command in commands:
        with pytest.raises(BadCommand) as caught:
            await do(mc.execute(command))
        assert (caught.value.server, caught.value.key) == (mc.servers[0], key)
        assert await do(mc.get("k")) == "word"


@in_text
@scenario
async def test_a_flight_is_a_command_like_others(world):
    mc = world.client()
    key = world.wire("k")
    flight = Flight([meta.Set(key, b"v", q=True), meta.Get(key, v=True), classic.Get(key)])
    silent, meta_reply, values = await do(mc.execute(flight))
    assert flight.commands[0].result(silent).code == "HD"
    assert flight.commands[1].result(meta_reply).value == b"v"
    assert flight.commands[2].result(values).value == b"v"


@pytest.mark.parametrize("protocol", ["binary"])
@scenario
async def test_binary_commands_are_executed_and_no_others(world):
    mc = world.client()
    key = world.wire("k")
    assert await do(mc.execute(binary.Set(key, b"10", flags=5))) is Status.STORED
    item = await do(mc.execute(binary.Get(key, with_key=True)))
    assert (item.key, item.flags, item.value) == (key, 5, b"10")
    assert await do(mc.execute(binary.Set(key, b"11", cas=item.cas + 1))) is Status.EXISTS
    assert await do(mc.execute(binary.Incr(key, 3))) == 13
    assert await do(mc.execute(binary.Set(key, b"word", quiet=True))) is None
    assert await do(mc.execute(binary.Add(key, b"v", quiet=True))) is Status.EXISTS
    for refused in binary.Incr(key), binary.Incr(key, quiet=True):
        with pytest.raises(BadCommand) as caught:
            await do(mc.execute(refused))
        assert (caught.value.server, caught.value.key) == (mc.servers[0], key)
    assert await do(mc.execute(binary.Noop(opaque=7))) is Status.OK
    with pytest.raises(CommandUnknown):
        await do(mc.execute(sasl.List()))
    for text in meta.Get(key, v=True), classic.Get(key), classic.Version():
        with pytest.raises(InvalidArgument, match="binary protocol"):
            await do(mc.execute(text))
    with pytest.raises(InvalidArgument, match="text protocol"):
        await do(in_text_too(world, mc).execute(binary.Get(key)))
    with pytest.raises(InvalidArgument, match="cas must not be 0"):
        await do(mc.cas("k", "v", 0))
    assert await do(mc.get("k")) == b"word"


@in_text
@scenario
async def test_a_command_without_a_key_needs_a_server_that_is_one_of_ours(world):
    mc = world.client(2)
    for command in classic.Version(), classic.GetMany([*keys_on(mc, 0), *keys_on(mc, 1)]):
        with pytest.raises(InvalidArgument, match="server"):
            await do(mc.execute(command))
        await do(mc.execute(command, server=mc.servers[1]))
    with pytest.raises(InvalidArgument, match="server"):
        await do(mc.execute(classic.Version(), server="elsewhere:11211"))
    alone = world.client()
    assert (await do(alone.execute(classic.Version())))[0].isdigit()


# ------------------------------------------------------------------------------ clones and closing


@scenario
async def test_a_clone_has_the_same_options_and_connections_of_its_own(world):
    mc = world.client(2, codec="json", timeout=20)
    await do(mc.set("k", [1]))
    clone = mc.clone()
    assert type(clone) is type(mc)
    assert clone.servers == mc.servers
    assert await do(clone.get("k")) == [1]
    await world.rig.close(mc)
    assert await do(clone.get("k")) == [1]
    revived = mc.clone()
    assert await do(revived.get("k")) == [1]
    await world.rig.close(clone)
    await world.rig.close(revived)


@scenario
async def test_a_closed_client_says_so_whatever_it_is_asked(world):
    for servers in 1, 2:
        for warm in True, False:
            mc = world.client(servers)
            if warm:
                await do(mc.set_multi({f"k{n}": "v" for n in range(20)}))
            await world.rig.close(mc)
            await world.rig.close(mc)
            assert "closed" in repr(mc)
            for call in every_call(mc):
                with pytest.raises(ClientClosed):
                    await do(call())


def every_call(mc):
    """Each method that talks to a server, on the key "k"."""
    return [
        lambda: mc.get("k"),
        lambda: mc.gets("k"),
        lambda: mc.gat("k", 1),
        lambda: mc.get_multi(["k"]),
        lambda: mc.get_multi([f"k{n}" for n in range(20)]),
        lambda: mc.set("k", "v"),
        lambda: mc.set("k", bytes(100_000)),
        lambda: mc.add("k", "v"),
        lambda: mc.replace("k", "v"),
        lambda: mc.append("k", "v"),
        lambda: mc.prepend("k", "v"),
        lambda: mc.cas("k", "v", 1),
        lambda: mc.set_multi({"k": "v"}),
        lambda: mc.set_multi({f"k{n}": "v" for n in range(20)}),
        lambda: mc.delete("k"),
        lambda: mc.delete_multi(["k"]),
        lambda: mc.delete_multi([f"k{n}" for n in range(20)]),
        lambda: mc.incr("k"),
        lambda: mc.decr("k"),
        lambda: mc.incr("k", initial=1),
        lambda: mc.touch("k", 1),
        lambda: mc.flush_all(),
        lambda: mc.stats(),
        lambda: mc.version(),
        lambda: mc.execute(mc._setup.dialect.hello(), server=mc.servers[0]),
    ]


@scenario
async def test_a_client_is_closed_by_its_with_block(world):
    if world.rig.is_async:
        async with world.client() as mc:
            await mc.set("k", "v")
    else:
        with world.client() as mc:
            mc.set("k", "v")
    with pytest.raises(ClientClosed):
        await do(mc.get("k"))


@scenario
async def test_a_blocking_client_is_a_mapping(world):
    if world.rig.is_async:
        assert not hasattr(world.client(), "__getitem__")
        return
    mc = world.client()
    assert "k" not in mc
    with pytest.raises(KeyError, match="k"):
        mc["k"]
    with pytest.raises(KeyError, match="k"):
        del mc["k"]
    mc["k"] = "v"
    assert mc["k"] == "v"
    assert "k" in mc
    assert b"k" in mc
    del mc["k"]
    assert "k" not in mc
    with pytest.raises(InvalidKey):
        "a blank" in mc  # noqa: B015
