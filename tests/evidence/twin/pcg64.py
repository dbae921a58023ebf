"""PCG64 (XSL-RR 128/64) and numpy's way of seeding it, in plain Python: from their descriptions, without numpy.

M. E. O'Neill, PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
Generation (HMC-CS-2014-0905); the seeding is that of numpy.random.SeedSequence, whose output its authors keep fixed.
"""

from __future__ import annotations

_32, _64, _128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


class _Hash:
    """Mixes 32-bit words with a constant that moves on at every use."""

    def __init__(self, constant: int, multiplier: int) -> None:
        self._constant, self._multiplier = constant, multiplier

    def of(self, word: int) -> int:
        word ^= self._constant
        self._constant = self._constant * self._multiplier & _32
        word = word * self._constant & _32
        return word ^ word >> 16


def _mixed(one: int, other: int) -> int:
    found = (one * 0xCA01F9DD - other * 0x4973F715) & _32
    return found ^ found >> 16


def _words_of(seed: int) -> list[int]:
    found = [seed & _32]
    while seed := seed >> 32:
        found.append(seed & _32)
    return found


def _seeded(seed: int) -> list[int]:
    """Four 64-bit words."""
    words, hashed = _words_of(seed), _Hash(0x43B0D7E5, 0x931E8875)
    pool = [hashed.of(words[at] if at < len(words) else 0) for at in range(4)]
    for source in range(4):
        for at in range(4):
            if at != source:
                pool[at] = _mixed(pool[at], hashed.of(pool[source]))
    for word in words[4:]:
        pool = [_mixed(one, hashed.of(word)) for one in pool]
    out = _Hash(0x8B51F9DD, 0x58F38DED)
    halves = [out.of(pool[at % 4]) for at in range(8)]
    return [halves[at] | halves[at + 1] << 32 for at in range(0, 8, 2)]


class Pcg64:
    def __init__(self, seed: int) -> None:
        a, b, c, d = _seeded(seed)
        self._step = ((c << 64 | d) << 1 | 1) & _128
        self._state = 0
        self._move()
        self._state = (self._state + (a << 64 | b)) & _128
        self._move()

    def _move(self) -> None:
        self._state = (self._state * _MULTIPLIER + self._step) & _128

    def word(self) -> int:
        """The next 64 bits."""
        self._move()
        folded, turn = (self._state >> 64 ^ self._state) & _64, self._state >> 122
        return (folded >> turn | folded << (64 - turn)) & _64
