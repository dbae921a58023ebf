"""The twin's random numbers are whole, and the same wherever PCG64 is written down correctly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from studies.evidence.twin import SEED
from studies.evidence.twin.draw import Draw
from tests.evidence.twin.pcg64 import Pcg64

SEEDS = [0, 1, SEED, 2**32 - 1, 2**32, 2**64 + 12345, 2**160 + 7]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_stream_is_that_of_a_generator_written_without_numpy(seed):
    own, theirs = Pcg64(seed), np.random.PCG64(seed)
    assert [own.word() for _ in range(1000)] == [int(theirs.random_raw()) for _ in range(1000)]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_draw_is_made_of_raw_words_by_whole_number_arithmetic(seed):
    """So it cannot depend on a version of numpy or on a machine's logarithm."""
    words, draw = Pcg64(seed), Draw(seed)

    def below(count: int) -> int:
        return words.word() * count >> 64

    for count in (1, 2, 3, 7, 100, 10_000, 2**40):
        assert draw.below(count) == below(count)
    assert draw.between(-5, 5) == -5 + below(11)
    assert draw.middling(10, 19) == 10 + (below(10) + below(10) + below(10)) // 3
    assert draw.chance(30) == (below(100) < 30)
    assert draw.one_of("abcde") == "abcde"[below(5)]


def test_draws_are_plain_whole_numbers():
    draw = Draw(1)
    assert type(draw.below(10)) is int and type(draw.between(0, 1)) is int
    assert type(draw.middling(0, 9)) is int and type(draw.chance(50)) is bool


def test_both_ends_are_reached_and_nothing_beyond_them():
    draw = Draw(2)
    assert {draw.between(-2, 2) for _ in range(400)} == {-2, -1, 0, 1, 2}
    assert {draw.below(3) for _ in range(200)} == {0, 1, 2}
    assert {draw.between(4, 4) for _ in range(20)} == {4} and {draw.below(1) for _ in range(20)} == {0}
    assert {draw.middling(0, 3) for _ in range(2000)} == {0, 1, 2, 3}


def test_a_chance_of_0_never_and_of_100_always():
    draw = Draw(3)
    assert not any(draw.chance(0) for _ in range(500)) and all(draw.chance(100) for _ in range(500))


def test_draws_come_as_often_as_they_should():
    """20 000 draws of ten: each 2 000, five standard errors (212) apart at most; `middling` prefers the middle."""
    draw = Draw(4)
    counts = Counter(draw.below(10) for _ in range(20_000))
    assert all(abs(counts[one] - 2000) < 212 for one in range(10))
    middling = Counter(draw.middling(0, 9) for _ in range(20_000))
    assert middling[4] > 4 * middling[9] > 0


def test_another_seed_gives_another_stream():
    draws = [Draw(seed) for seed in range(50)]
    streams = {tuple(draw.below(1000) for _ in range(20)) for draw in draws}
    assert len(streams) == 50


def test_choosing_from_nothing_is_an_error_and_no_silent_gap():
    with pytest.raises(IndexError):
        Draw(5).one_of(())
