"""Text that repeats itself as much as people's text: words and set phrases, as frequent as their ranks say (Zipf)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

import numpy as np

__all__ = ["LANGUAGES", "Words"]

_SYLLABLES: Final = [
    language.split()
    for language in (
        "ta ne ri so lu men tion al ver con pre ing er st and ou ci qua",
        "по не ра ко ло ста ние про ть ми ва ные дел ка",  # noqa: RUF001 - Cyrillic is meant
        "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要",
        "der ü ung schl ein ge ver ß ach ö kei ten lich ä",
    )
]
LANGUAGES: Final = (0,) * 14 + (1, 2, 3)
_WORDS: Final = 20_000
_PHRASES: Final = 200_000
_PHRASE_SHARE: Final = 0.22
"""The share of phrases in drawn items. It puts half of all words into phrases, as in written English (Erman and
Warren 2000)."""

_Item = tuple[str, ...]
_Table = np.ndarray[Any, np.dtype[np.int64]]


class Words:
    """An endless source of words, in each language."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._words = {language: self._of(language) for language in set(LANGUAGES)}

    def text(self, count: int, language: int = 0) -> str:
        return ("" if language == 2 else " ").join(islice(self._words[language], count))

    def _of(self, language: int) -> Iterator[str]:
        items, table = _vocabulary(language)
        while True:
            words = table[self._random.integers(0, len(table), 1000)]
            phrases = _WORDS - 1 + (_PHRASES ** self._random.random(1000)).astype(np.int64)
            drawn = np.where(self._random.random(1000) < _PHRASE_SHARE, phrases, words)
            for item in map(items.__getitem__, drawn.tolist()):
                yield from item


@cache
def _vocabulary(language: int) -> tuple[list[_Item], _Table]:
    """Return words and then phrases, and a table of the words' places, each as often as its word occurs.

    Frequent words are short.
    """
    draw = random.Random(language)  # noqa: S311 - nothing secret is made
    words = [_word(draw, rank, language) for rank in range(_WORDS)]
    shares = 1 / (np.arange(_WORDS) + 2.7)
    table = np.searchsorted(np.cumsum(shares / shares.sum()), (np.arange(1 << 17) + 0.5) / (1 << 17))
    places = iter(np.random.default_rng(language).choice(table, 5 * _PHRASES).tolist())
    phrases = [tuple(words[place] for place in islice(places, draw.randint(2, 5))) for _ in range(_PHRASES)]
    return [*((word,) for word in words), *phrases], table


def _word(draw: random.Random, rank: int, language: int) -> str:
    syllables = 1 + (rank > 40) + (rank > 2_000) + (rank > 9_000)
    word = "".join(draw.choices(_SYLLABLES[language], k=syllables))
    mark = draw.random()
    word = word.capitalize() + "." if mark < 0.06 else word + "," if mark < 0.12 else word
    return f"\n\n- **{word}**:" if mark > 0.985 else f'"{word}"' if mark > 0.97 else word
