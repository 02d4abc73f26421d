"""When a server counts as down, who may try it, and when: `Health` beside a model of it."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from mcclient._health import (
    FIRST_PAUSE,
    LONGEST_ABANDONED,
    LONGEST_PAUSE,
    MOST_SOFT_FAILURES,
    Health,
)


class Opener:
    """Somebody who opens a connection."""


class HealthMachine(RuleBasedStateMachine):
    """Openers come, succeed, fail, give up or are lost; exchanges succeed or fail; time passes.

    Attributes:
        news: what the health has said of itself, one word a change.
    """

    openers = Bundle("openers")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.chance = 0.0
        self.health = Health(lambda: self.chance)
        self.news: list[str] = []
        # The model.
        self.is_down = False
        self.soft = 0
        self.trying: Opener | None = None
        self.until = 0.0
        self.pause = 0.0
        self.earliest = 0.0
        self.began = self.part = self.before = 0.0

    @property
    def is_tried(self) -> bool:
        return self.trying is not None and self.now < self.until

    def goes_down(self) -> None:
        self.is_down, self.trying, self.pause = True, None, FIRST_PAUSE
        self.earliest = self.now + self.chance * self.pause

    def comes_back(self) -> None:
        self.is_down, self.trying = False, None

    def hear(self, has_changed: bool, word: str, expected: bool) -> None:
        assert has_changed is expected
        if has_changed:
            self.news.append(word)

    @rule(chance=st.floats(0, 1, exclude_max=True), seconds=st.sampled_from([0, 0.01, 0.1, 1, 30]))
    def time_passes(self, chance: float, seconds: float) -> None:
        self.chance = chance
        self.now += seconds

    @rule(target=openers)
    def somebody_wants_to_open(self) -> Opener | None:
        opener = Opener()
        may = self.health.may_open(opener, self.now, self.now + 5)
        if not self.is_down:
            assert may
        else:
            assert may == (not self.is_tried and self.now >= self.earliest)
            if may:
                self.trying, self.until = opener, self.now + 5
                self.began, self.part, self.before = self.now, self.chance, self.pause
                self.pause = min(2 * self.pause, LONGEST_PAUSE)
                self.earliest = self.now + self.chance * self.pause
        return opener if may else None

    @rule(opener=consumes(openers))
    def it_is_open(self, opener: Opener | None) -> None:
        if opener is None:
            return
        comes_back = self.is_down and self.soft < MOST_SOFT_FAILURES
        self.hear(self.health.opened(opener), "up", comes_back)
        if comes_back:
            self.comes_back()
        elif self.trying is opener:
            self.trying = None

    @rule(opener=consumes(openers), is_hard=st.booleans())
    def it_cannot_be_opened(self, opener: Opener | None, is_hard: bool) -> None:
        if opener is not None:
            self.fails(opener, is_hard)

    @rule()
    def an_exchange_fails(self) -> None:
        self.fails(None, False)

    def fails(self, opener: Opener | None, is_hard: bool) -> None:
        self.soft = 0 if is_hard else self.soft + 1
        goes_down = not self.is_down and (is_hard or self.soft >= MOST_SOFT_FAILURES)
        self.hear(self.health.failed(opener, is_hard, "why", self.now), "down", goes_down)
        if goes_down:
            self.goes_down()
        elif opener is not None and self.trying is opener:
            self.trying = None
            self.earliest = self.now + self.chance * self.pause

    @rule()
    def an_exchange_is_answered(self) -> None:
        comes_back = self.is_down and self.soft >= MOST_SOFT_FAILURES
        self.soft = 0
        self.hear(self.health.answered(), "up", comes_back)
        if comes_back:
            self.comes_back()

    @rule(opener=consumes(openers))
    def it_gives_up(self, opener: Opener | None) -> None:
        if opener is not None:
            self.health.leave(opener)
            if self.trying is opener:
                self.trying = None
                self.pause = min(self.pause, max(self.before, LONGEST_ABANDONED))
                self.earliest = self.began + self.part * self.pause

    @rule(opener=consumes(openers))
    def it_is_lost(self, opener: Opener | None) -> None:
        # (Those that hypothesis keeps in a bundle stay alive; so this one is made here.)
        lost = Opener()
        if self.health.may_open(lost, self.now, inf) and self.is_down:
            assert not self.is_tried
            self.trying = None
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
            self.earliest = self.now + self.chance * self.pause
        self.it_gives_up(opener)

    @invariant()
    def both_agree(self) -> None:
        health = self.health
        assert health.is_down is self.is_down
        assert health.is_tried(self.now) == self.is_tried
        assert health.failures == self.soft
        if self.is_down:
            assert health.retry_at == self.earliest
            assert health.retry_at - self.now < LONGEST_PAUSE
            assert health.since <= self.now

    @invariant()
    def what_is_told_goes_up_and_down(self) -> None:
        assert self.news == ["down", "up"] * (len(self.news) // 2) + ["down"] * (len(self.news) % 2)


HealthMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestHealth = HealthMachine.TestCase


@pytest.mark.parametrize("abandoned", [False, True])
def test_pauses_double_up_to_ten_seconds_also_when_nobody_brings_the_right_back(abandoned):
    health = Health(lambda: 1.0)
    now = 0.0
    assert health.failed(None, True, "refused", now)
    pauses = [health.retry_at - now]
    for _ in range(10):
        now = health.retry_at
        opener = Opener()
        assert not health.may_open(opener, now - 0.001, inf)
        assert health.may_open(opener, now, inf)
        assert not health.may_open(Opener(), now + 100, inf)
        if not abandoned:
            assert not health.failed(opener, True, "refused", now)
        pauses.append(health.retry_at - now)
        del opener
    expected = [min(0.05 * 2**n, 10.0) for n in range(11)]
    assert [round(pause, 9) for pause in pauses] == [round(pause, 9) for pause in expected]


def test_attempts_that_are_given_up_are_soon_followed_by_others_and_are_no_failures():
    health = Health(lambda: 1.0)
    health.failed(None, True, "refused", 0.0)
    pauses = []
    for _ in range(8):
        opener, now = Opener(), health.retry_at
        assert health.may_open(opener, now, inf)
        health.leave(opener)
        pauses.append(round(health.retry_at - now, 9))
    assert pauses == [0.1, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    # After failures the pause stays as long as these have made it.
    for _ in range(3):
        opener, now = Opener(), health.retry_at
        assert health.may_open(opener, now, inf)
        health.failed(opener, True, "refused", now)
    opener, now = Opener(), health.retry_at
    assert health.may_open(opener, now, inf)
    health.leave(opener)
    assert round(health.retry_at - now, 9) == 3.2


def test_a_server_that_comes_back_is_waited_for_shortly_when_it_fails_again():
    health = Health(lambda: 1.0)
    health.failed(None, True, "refused", 0.0)
    for _ in range(6):
        opener = Opener()
        assert health.may_open(opener, health.retry_at, inf)
        health.failed(opener, True, "refused", health.retry_at)
    assert health.may_open(opener, health.retry_at, inf)
    assert health.opened(opener)
    health.failed(None, True, "refused", 100.0)
    assert health.retry_at == 100.0 + FIRST_PAUSE


def test_where_exchanges_fail_a_connection_alone_is_no_sign_of_life():
    """It greets, and then says nothing: it stays down, and is tried more and more rarely."""
    health = Health(lambda: 1.0)
    told = [health.failed(None, False, "silent", 0.0) for _ in range(MOST_SOFT_FAILURES)]
    assert told == [False, False, True]
    now = pause = 0.0
    for _ in range(5):
        opener = Opener()
        now = health.retry_at
        assert health.may_open(opener, now, inf)
        assert not health.opened(opener)
        assert not health.failed(None, False, "silent", now)
        assert health.is_down
        assert health.retry_at - now > pause
        pause = health.retry_at - now
    assert health.answered()
    assert not health.is_down


def test_a_time_of_another_clock_keeps_nobody_out_for_long():
    health = Health(lambda: 0.5)
    health.failed(None, True, "refused", 1e6)
    assert health.may_open(Opener(), 5.0, inf)


def test_what_it_failed_by_last_is_the_reason():
    health = Health(lambda: 0.0)
    health.failed(None, True, "refused", 0.0)
    health.failed(None, True, "others began before", 0.0)
    assert health.reason == "refused"
    opener = Opener()
    assert health.may_open(opener, 0.0, inf)
    health.failed(opener, True, "no such name", 0.0)
    assert health.reason == "no such name"
    assert health.may_open(opener, 0.0, inf)
    health.leave(opener, "it wants a password")
    assert health.reason == "it wants a password"
