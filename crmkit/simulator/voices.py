"""What customers and staff of a simulated shop say: reviews, wishes, messages and notes, in Japanese and English.

The sentences lie in `pools/voices_ja.toml` and `pools/voices_en.toml`, as parts that fit together. Here every sentence
that can be made of them is made once and laid out in one long row, group by group, so that choosing one for a million
rows is a little arithmetic on where a group starts and how long it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain, product
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit.simulator.exact import Ints, Words
from crmkit.texts import LANGUAGES

TOPICS = ("staff", "quality", "atmosphere", "price", "waiting", "booking", "aftercare", "points")
TONES = ("negative", "neutral", "positive")
SEVERITIES = ("mild", "serious", "severe")

_EVERYWHERE = ("staff", "price", "aftercare", "points")  # what [any] says of these fits every business
_BRACES = re.compile(r"\{([^{}]*)\}")

Pools = Mapping[str, Any]
Group = list[str]
Places = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True)
class _Kind:
    """Where the groups of one kind lie in the long row of sentences."""

    axes: tuple[str, ...]  # what a group is chosen by: "topics", "tones"
    shape: tuple[int, ...]  # how many codes each of them has
    starts: Words  # unsigned as the words of chance are, so that no arithmetic leaves the integers
    counts: Words


class Voice:
    """The sentences of one business in one language; `voice` makes it.

    Attributes:
        topics: What is talked about; the place in this tuple is the topic's code. The same for every business: for a
            shop or a subscription "atmosphere" is the website, "waiting" the delivery and "booking" the ordering.
        needs: The wishes that customers of this business have, as codes for `need_code`.
        kinds: The names `say` knows.
        sentences: All sentences, which the numbers of `pick` point into.
    """

    topics: tuple[str, ...] = TOPICS

    def __init__(self, pools: Pools, business: str, space: str) -> None:
        self.needs: tuple[str, ...] = tuple(pools["need"][business])
        self._kinds: dict[str, _Kind] = {}
        row: list[str] = []
        for name, axes, shape, groups in _groups(pools, business, space):
            counts = np.array([len(group) for group in groups], np.uint64)
            starts = np.uint64(len(row)) + np.cumsum(counts) - counts
            self._kinds[name] = _Kind(axes, shape, starts, counts)
            row.extend(chain.from_iterable(groups))
        self.kinds: tuple[str, ...] = tuple(self._kinds)
        self.sentences: pa.StringArray = pa.array(row, pa.string())

    def say(
        self, kind: str, words: Words, *, topics: Ints | None = None, tones: Ints | None = None
    ) -> pa.DictionaryArray:
        """One sentence for each row, chosen by the row's word of chance alone.

        Args:
            kind: What sort of text. By topic and tone: "review", "sns", "survey_comment", "desk", "complaint".
                By topic: "question", "request", "return", and "need", whose topics are places in `needs`.
                By tone: "interaction_note". By neither: "agent_solution", "agent_apology", "agent_ask",
                "agent_explain", "bot_receipt", "note", "customer_again", "customer_thanks", "customer_more",
                "escalation_note", "transfer_note", "merge_note".
            words: A word of chance for each row.
            topics: For each row its topic, or its need. Only for kinds that have topics.
            tones: For each row 0 negative, 1 neutral, 2 positive; for complaints 0 mild, 1 serious, 2 severe. Only for
                kinds that have tones.

        Returns:
            As many strings as there are words, as a dictionary array (int32 into `sentences`).

        Raises:
            KeyError: an unknown kind, which it names.
            TypeError: topics or tones are missing, or given to a kind that has none.
            ValueError: a code outside its range.

        Examples:
            >>> from crmkit.simulator.exact import customer_keys
            >>> salon, drawn = voice("salon", "en"), customer_keys(7, np.arange(2))
            >>> waiting = np.full(2, salon.topics.index("waiting"))
            >>> said = salon.say("review", drawn, topics=waiting, tones=np.array([0, 2]))
            >>> said.type
            DictionaryType(dictionary<values=string, indices=int32, ordered=0>)
            >>> said[0].as_py() in salon.group("review", "waiting", "negative")
            True
        """
        return pa.DictionaryArray.from_arrays(
            pa.array(self.pick(kind, words, topics=topics, tones=tones)), self.sentences
        )

    def pick(self, kind: str, words: Words, *, topics: Ints | None = None, tones: Ints | None = None) -> Places:
        """As `say`, but places in `sentences`, so that several kinds can be put into one column."""
        known = self._kinds[kind]
        given = {name: codes for name, codes in (("topics", topics), ("tones", tones)) if codes is not None}
        if tuple(given) != known.axes:
            raise TypeError(f"{kind!r}: {known.axes}, {tuple(given)}?")
        group = np.ravel_multi_index(tuple(given.values()), known.shape) if given else 0
        chosen: Places = (known.starts[group] + words % known.counts[group]).astype(np.int32)
        return chosen

    def group(self, kind: str, topic: str | None = None, tone: str | None = None) -> list[str]:
        """All sentences of one group, named in words ("review", "price", "positive"), in their order.

        Examples:
            >>> len(voice("salon", "en").group("bot_receipt"))
            3
        """
        known = self._kinds[kind]
        names = {
            "topics": self.needs if kind == "need" else self.topics,
            "tones": SEVERITIES if kind == "complaint" else TONES,
        }
        asked = {"topics": topic, "tones": tone}
        codes = [names[axis].index(str(asked[axis])) for axis in known.axes]
        place = int(np.ravel_multi_index(codes, known.shape)) if codes else 0
        said: list[str] = self.sentences.slice(int(known.starts[place]), int(known.counts[place])).to_pylist()
        return said


@cache
def voice(business: str, language: str) -> Voice:
    """The voice of a business in a language, made at the first call and kept.

    Args:
        business: "salon", "shop" or "subscription"; every other name gets sentences that fit any business.
        language: "ja" or "en".

    Raises:
        ValueError: for any other language.

    Examples:
        >>> voice("salon", "en").needs[:3]
        ('longer_hours', 'early_opening', 'online_booking')
    """
    if language not in LANGUAGES:
        raise ValueError(f"'ja' / 'en'? ({language!r})")
    pools = _pools(language)
    return Voice(pools, business if business in pools["words"] else "any", "" if language == "ja" else " ")


@cache
def _pools(language: str) -> Pools:
    """The parts of sentences of one language."""
    return tomllib.loads((files("crmkit.simulator") / "pools" / f"voices_{language}.toml").read_text(encoding="utf-8"))


def _groups(
    pools: Pools, business: str, space: str
) -> Iterator[tuple[str, tuple[str, ...], tuple[int, ...], list[Group]]]:
    """Every kind: its name, what chooses among its groups, how many codes there are, and the groups themselves."""
    own, frames = pools["words"][business], pools["frames"]

    def made(openings: Sequence[str], cores: Sequence[str], closings: Sequence[str]) -> Group:
        parts = [[each for template in part for each in _expand(template, own)] for part in (openings, cores, closings)]
        return [space.join(filter(None, sentence)) for sentence in product(*parts)]

    def texts(topic: str, *path: str) -> list[str]:
        sources = ("any", business) if business != "any" and topic in _EVERYWHERE else (business,)
        return [text for source in sources for text in _at(pools[source][topic], path)]

    def opinions(kind: str, topic: str, tone: str) -> Group:
        said = [
            made(frame["openings"], texts(topic, tone, register), frame[tone])
            for register, frame in frames[kind].items()
        ]
        return list(chain.from_iterable(said))

    both, grid = ("topics", "tones"), (len(TOPICS), len(TONES))
    for kind in ("review", "sns", "survey_comment", "desk"):
        yield kind, both, grid, [opinions(kind, topic, tone) for topic, tone in product(TOPICS, TONES)]
    frame = frames["complaint"]
    yield (
        "complaint",
        both,
        grid,
        [
            made(
                frame["openings"][severity],
                texts(topic, "severe") if severity == "severe" else texts(topic, "negative", "polite"),
                frame["closings"][severity],
            )
            for topic, severity in product(TOPICS, SEVERITIES)
        ],
    )
    for kind in ("question", "request", "return"):
        frame = frames[kind]
        asked = [made(frame["openings"], texts(topic, kind), frame["closings"]) for topic in TOPICS]
        yield kind, ("topics",), (len(TOPICS),), asked
    frame, needs = frames["need"], pools["need"][business].values()
    wishes = [made(frame["openings"], wish, frame["closings"]) for wish in needs]
    yield "need", ("topics",), (len(wishes),), wishes
    notes = pools["interaction_note"][business]
    yield "interaction_note", ("tones",), (len(TONES),), [made([""], notes[tone], [""]) for tone in TONES]
    for kind, part in pools["plain"].items():
        yield kind, (), (), [made(part["openings"], part["cores"], part["closings"])]


def _at(table: Any, path: Sequence[str]) -> list[str]:
    """The list under a path of keys."""
    for key in path:
        table = table[key]
    return list(table)


def _expand(template: str, own: Mapping[str, str]) -> Iterator[str]:
    """Every sentence of a template: {a|b} is either of the two, {again} is the business's own word.

    Examples:
        >>> list(_expand("It {broke|faded}. {leave}", {"leave": "Never again."}))
        ['It broke. Never again.', 'It faded. Never again.']
    """
    parts = _BRACES.split(template)  # every other one stood in braces
    choices = [
        [part] if place % 2 == 0 else part.split("|") if "|" in part else [own[part]]
        for place, part in enumerate(parts)
    ]
    return map("".join, product(*choices))
