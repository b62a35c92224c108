"""Which table a source holds, and which of its columns is which: by the names that people and programs give them.

What is found is a proposal: it is shown before anything hangs on it, and own names go before it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from crmkit.datasets.layout import are_values
from crmkit.datasets.naming import as_they_stand, places, tidy, twins
from crmkit.datasets.source import Offer
from crmkit.datasets.values import CODE, Reading, read_column
from crmkit.errors import MissingColumn, ParameterError, UnreadableFile
from crmkit.schema import TABLES, Column, Table
from crmkit.texts import LANGUAGES, messages

By = Literal["asked", "export", "name", "alias", "label", "vague"]

# Tables whose rows are events: one without an id of its own can be named by the line it stands in.
KEY_FROM_LINE = (
    "orders", "subscriptions", "interactions", "survey_responses", "tickets", "ticket_events",
    "campaign_sends", "costs", "feedback", "referrals", "loyalty_events", "quality_reviews", "sla_policies",
)  # fmt: skip
_WEIGHT: Mapping[By, float] = {"asked": 2.0, "export": 1.5, "name": 1.0, "alias": 0.95, "label": 0.8, "vague": 0.4}
_ENOUGH = 10  # first rows that say something about the others
_STEM = 3.0  # the source itself is called like the table
_CLEAR = 0.3  # by how much the best table has to be ahead of the next
_NOTHING: Mapping[str, str | None] = {}
_CHECKED = ("instant", "date", "amount", "number", "integer", "flag")


@dataclass(frozen=True, slots=True)
class Match:
    """A column of the model found at a place of the source, and by what."""

    column: str
    at: int
    own: str
    by: By


@dataclass(frozen=True, slots=True)
class Export:
    """The export of a well-known system; `once` is the header whose value repeats on the lines of one row.

    `items` are the columns of `order_items`, where the export has a line for each item of an order.
    """

    title: str
    table: str
    signature: tuple[str, ...]
    columns: Mapping[str, str]
    once: str | None = None
    items: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """What a source with a line for each item of an order has, beside the columns of the order itself.

    `items` are its columns of `order_items`; `amount` is where a line's own amount stands that no column of the model
    takes; `sure` says that it was asked for, or that its headers leave no doubt; `products` are the columns that say
    something of the products themselves.
    """

    items: tuple[Match, ...]
    amount: int | None = None
    sure: bool = False
    products: tuple[Match, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by table, as in a `Proposal`
    usual: Mapping[str, By] = field(default_factory=dict)  # by what columns of orders are told that were asked for


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a source is taken for: its table (`None` = not told), columns, and the tables that came as near.

    With `lines` it is taken for orders with a line for each item: two tables in one.
    """

    offer: Offer
    table: Table | None
    matches: tuple[Match, ...] = ()
    export: Export | None = None
    near: tuple[str, ...] = ()
    lines: Lines | None = None
    left_out: tuple[str, ...] = ()  # columns that the caller said not to look for


@lru_cache(maxsize=10_000)  # every table asks about every header
def bare(header: str) -> str:
    """A header without what people do not mind: width, case, spaces, signs, and what stands in brackets."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    outside = re.sub(r"\([^)]*\)|\[[^\]]*\]|【[^】]*】", "", plain)
    letters = re.sub(r"[\W_]+", "", outside) or re.sub(r"[\W_]+", "", plain)
    return re.sub(r"^[お御ご](?=[^ぁ-ん])", "", letters) or plain.strip()  # お会計 is 会計; 〒 has no letter


def recognize(offer: Offer, how: Reading, own: Mapping[str, str | None] = _NOTHING) -> Proposal:
    """Tell the table of a source, if one is clearly ahead of the others; only tables that have the columns `own`."""
    export = export_of(offer)
    if export is not None:
        model = TABLES[export.table]
        return Proposal(offer, model, each_once(offer, match_columns(offer, model, own, how, export)), export)
    scored = sorted(_scored(offer, how, own), key=lambda item: -item[0])
    if any(model.name == "orders" for _, model, _ in scored):  # a product does not make items of orders
        scored = [one for one in scored if one[1].name != "order_items" or _has(one[2], "line_no")]
    if not scored:
        return Proposal(offer, None)
    best, model, matches = scored[0]
    near = tuple(other.name for score, other, _ in scored[1:] if best - score < _CLEAR)
    if near:
        return Proposal(offer, None, (), None, (model.name, *near))
    return Proposal(offer, model, each_once(offer, matches))


def propose(offer: Offer, model: Table, own: Mapping[str, str | None], how: Reading) -> Proposal:
    """The columns of a source whose table is known.

    Raises:
        ParameterError: `own` names a column that the model does not have.
        MissingColumn: a column that `own` names, or that the table cannot do without, is not there.
        UnreadableFile: a column that is needed is there twice.
    """
    export = next(
        (it for it in _exports() if it.table == model.name and _has_all(as_they_stand(offer), it.signature)), None
    )
    matches = each_once(offer, match_columns(offer, model, own, how, export))
    found = {match.column for match in matches}
    for column in model.columns:
        if column.required and column.name not in found and not made_from_line(model, column):
            raise_missing(offer, model, column.name, column.name)
    left_out = tuple(name for name, header in own.items() if header is None)
    return Proposal(offer, model, matches, export, left_out=left_out)


def _has(matches: tuple[Match, ...], column: str) -> bool:
    return any(match.column == column for match in matches)


def match_columns(
    offer: Offer, model: Table, own: Mapping[str, str | None], how: Reading, export: Export | None = None
) -> tuple[Match, ...]:
    """Every column of the model that the source has, in the model's order."""
    found: dict[str, Match] = {}
    taken: set[int] = set()
    asked = list(_asked(offer, model, own))
    # of two columns of one name, the other is left alone once one is spoken for
    spoken = {place for _, at, _ in asked for place in twins(offer, at)}
    told = (one for one in _told(offer, model, own, export, how) if one[1] not in spoken)
    for column, at, by in [*asked, *told]:
        if column not in found and (at not in taken or by == "asked"):
            found[column] = Match(column, at, offer.headers[at], by)
            taken.add(at)
    return tuple(found[column.name] for column in model.columns if column.name in found)


def made_from_line(model: Table, column: Column) -> bool:
    """Whether an id can be made from the line that a row stands in; lines of an order can be numbered."""
    return (model.name in KEY_FROM_LINE and model.key == (column.name,)) or column.name == "line_no"


def export_of(offer: Offer) -> Export | None:
    """The well-known export that a source is, by headers that only that has."""
    return next((item for item in _exports() if _has_all(as_they_stand(offer), item.signature)), None)


def header_among(offer: Offer, names: str) -> Iterator[int]:
    """The places of headers that stand in a list of `[line_items]`, in the order of that list."""
    for name in _book()["line_items"][names]:
        yield from (at for at, header in enumerate(offer.headers) if bare(header) == bare(name))


def is_personal(header: str) -> bool:
    """Whether a header names what identifies a living person, in whatever table."""
    return any(
        TABLES[table][column].personal for table in TABLES for column, _ in _index(table).get(bare(header), {}).values()
    )


def words_of(table: str, column: str) -> Mapping[str, str]:
    """Other people's words for the words of a category, tidied as the reader tidies what it reads."""
    return _words().get((table, column)) or _words().get(("*", column)) or {}


def _scored(
    offer: Offer, how: Reading, own: Mapping[str, str | None]
) -> Iterator[tuple[float, Table, tuple[Match, ...]]]:
    named = named_by(offer.stem)
    for model in (table for table in TABLES.values() if all(name in table for name in own)):
        matches = match_columns(offer, model, own, how)
        found = {match.column: match for match in matches}
        needed = [column for column in model.columns if column.required and not made_from_line(model, column)]
        if model.name not in named and _key_repeats(offer, model, found):
            continue  # an event log has customers, too, but is no table of them
        if all(column.name in found for column in needed) and (len(found) > 1 or model.name in named):
            score = sum(_WEIGHT[match.by] for match in matches) + _STEM * (model.name in named)
            # a date of its own says what the rows are: many tables have a customer
            dates = [column for column in needed if column.kind in ("instant", "date")]
            yield score + sum(2 * (found[column.name].by != "vague") for column in dates), model, matches


def _key_repeats(offer: Offer, model: Table, found: Mapping[str, Match]) -> bool:
    """Whether most of the first rows have an id that another has; orders may well have a line for each item."""
    if model.name == "orders" or len(model.key) > 1 or model.key[0] not in found:
        return False
    ids = offer.head[found[model.key[0]].at].drop_null()
    return len(ids) >= _ENOUGH and 2 * len(ids.unique()) < len(ids)


def _asked(offer: Offer, model: Table, own: Mapping[str, str | None]) -> Iterator[tuple[str, int, By]]:
    names = [column.name for column in model.columns]
    for name, wanted in own.items():
        if name not in model:
            near = next(iter(difflib.get_close_matches(name, names, n=1)), "")
            raise ParameterError("unknown_model_column", table=model.name, column=name, nearest=near)
        if wanted:  # None: leave this column alone
            at = places(offer, wanted)
            if not at:
                raise_missing(offer, model, wanted, name)
            if len(at) > 1:
                _raise_twice(offer, name, at)
            yield name, at[0], "asked"


def _told(
    offer: Offer, model: Table, own: Mapping[str, str | None], export: Export | None, how: Reading
) -> Iterator[tuple[str, int, By]]:
    """What the names tell, the surest first; a name that is no more than likely has to hold what it should."""
    told: list[tuple[float, str, int, By]] = []
    for name, header in (export.columns if export else {}).items():
        told += [(-_WEIGHT["export"], name, at, "export") for at in places(offer, header)]
    index = _index(model.name)
    for at, header in enumerate(offer.headers):
        for rank, (column, by) in index.get(bare(header), {}).items():
            told.append((rank / 1000 - _WEIGHT[by], column, at, by))
    for _, name, at, by in sorted(told):
        if name not in own and (by in ("name", "export") or _holds(offer, at, model[name], how)):
            yield name, at, by
    # what the table cannot do without is told by its usual name alone: whoever reads it will say what is wrong there
    for _, name, at, by in sorted(told):
        if name not in own and by == "alias" and model[name].required:
            yield name, at, by


def _holds(offer: Offer, at: int, column: Column, how: Reading) -> bool:
    """Whether the first rows can be read as what the column should be: at least half of those with a value."""
    if column.kind not in _CHECKED or not len(offer.head[at]):
        return True
    values = read_column(offer.head[at], column, how)
    full = values.faults != CODE["empty"]
    ambiguous = values.faults == CODE["ambiguous"]  # a date all the same
    bad = full & np.isin(values.faults, [CODE["unreadable"], CODE["nested"]]) & ~ambiguous
    return bool(2 * bad.sum() <= full.sum())


def each_once(offer: Offer, matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Refuse a header that comes more than once, if it is used and nobody said which one is meant.

    Raises:
        UnreadableFile: naming the header, and what each of these columns can be called by.
    """
    for match in matches:
        same = twins(offer, match.at)
        if match.by != "asked" and len(same) > 1:
            _raise_twice(offer, match.column, same)
    return matches


def _raise_twice(offer: Offer, name: str, at: Sequence[int]) -> None:
    header = offer.stood.get(at[0], offer.headers[at[0]])
    names = ", ".join(repr(offer.headers[place]) for place in at)
    raise UnreadableFile(
        "header_twice", file=offer.name, column=header, times=len(at), name=name, first=offer.headers[at[0]],
        names=names,
    )  # fmt: skip


def raise_missing(offer: Offer, model: Table, wanted: str, name: str) -> None:
    """Say that a column is not there, and which header comes nearest.

    Raises:
        MissingColumn: always, but for a source whose first row holds values: that is `UnreadableFile`.
    """
    refuse_values(offer)
    raise MissingColumn(
        "file", file=offer.name, table=model.name, column=wanted, name=name,
        nearest=_nearest(wanted, model.name, name, offer.headers), found=", ".join(offer.headers),
    )  # fmt: skip


def refuse_values(offer: Offer) -> None:
    """Refuse a source without headers, whose first row must not be shown: it may name a person.

    Raises:
        UnreadableFile: values stand where names of columns are due.
    """
    if are_values(as_they_stand(offer)):
        raise UnreadableFile("no_header", file=offer.name, columns=len(offer.headers))


def _nearest(wanted: str, table: str, column: str, headers: Sequence[str]) -> str:
    """The header most like the wanted one, or like the column's label in either language; "" where none is."""
    like = [tidy(wanted), *(tidy(label) for label in _labels(table, column))]
    best = max(headers, key=lambda header: _likeness(tidy(header), like), default="")
    return best if best and _likeness(tidy(best), like) >= 0.5 else ""


def _likeness(header: str, names: list[str]) -> float:
    return max(difflib.SequenceMatcher(None, header, name).ratio() for name in names)


def _labels(table: str, column: str) -> list[str]:
    """What the data dictionary calls a column, in each language: without the explanation behind it, and with it."""
    labels = [messages(code).get(f"column.{table}.{column}", "") for code in LANGUAGES]
    return [name for label in labels if label for name in (re.split("[(（:：;,、]", label)[0], label)]


def named_by(stem: str) -> set[str]:
    """The tables that a file or sheet is called after: those with the longest name that stands in its own."""
    text = re.sub(r"\d+", "", bare(stem))
    lengths = {
        table: max((len(bare(name)) for name in names if bare(name) in text), default=0)
        for table, names in _table_names().items()
    }
    longest = max(lengths.values())
    return {table for table, length in lengths.items() if length == longest and length > 1}


def _has_all(headers: Sequence[str], wanted: Sequence[str]) -> bool:
    return {tidy(name) for name in wanted} <= {tidy(header) for header in headers}


@cache
def _book() -> dict[str, Any]:
    return tomllib.loads((files("crmkit.datasets") / "headings.toml").read_text(encoding="utf-8"))


@cache
def _table_names() -> dict[str, tuple[str, ...]]:
    told = _book()["tables"]
    return {table: (table, *told.get(table, {}).get("names", ())) for table in TABLES}


@cache
def _index(table: str) -> dict[str, dict[int, tuple[str, By]]]:
    """What each bare header may be in a table, with its rank among the names of that column."""
    told, shared = _book()["tables"].get(table, {}), _book()["shared"]
    index: dict[str, dict[int, tuple[str, By]]] = {}
    for place, column in enumerate(TABLES[table].columns):
        names: list[tuple[str, By]] = [(column.name, "name")]
        aliases = [*told.get(column.name, ()), *shared.get(column.name, ())]
        names += [(name, "alias") for name in aliases]
        names += [(name, "label") for name in _labels(table, column.name)]
        names += [(name, "vague") for name in told.get("vague", {}).get(column.name, ())]
        for rank, (name, by) in enumerate(names):
            entry = index.setdefault(bare(name), {})
            if (column.name, by) not in entry.values():
                entry[rank * 100 + place] = (column.name, by)
    return index


@cache
def _exports() -> tuple[Export, ...]:
    return tuple(
        Export(
            item["title"], item["table"], tuple(item["signature"]), item["columns"], item.get("once"), item.get("items")
        )
        for item in _book()["exports"].values()
    )


@cache
def _words() -> dict[tuple[str, str], dict[str, str]]:
    """By table and column: each other word, and the model's."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for place, groups in _book()["words"].items():
        table, column = place.split(".")
        made[table, column] = {word: meant for meant, words in groups.items() for word in words}
    return made
