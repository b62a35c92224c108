"""Second records of the same person, and the part of the person's history that is booked on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit import schema
from crmkit.simulator import writing
from crmkit.simulator.exact import Ints
from crmkit.simulator.export import Export, decoded

KIND = "duplicate"
_LINKS = ("order_id", "subscription_id", "ticket_id")
_NEVER = np.iinfo(np.int64).max
_MINUTE = 60_000_000  # instants are whole microseconds
_SYSTEMS = schema.TABLES["customers"]["source_system"].allowed


def add(export: Export, share: float) -> None:
    """Give a share of the customers a second record and book part of their later orders on it.

    The second record is made when its first order is. Who ordered on one occasion at most registered twice within two
    hours: a form sent again, a confirmation that did not come.
    """
    if not export.has("customers", "customer_id"):
        return
    first = export.hit("customers", KIND, share)
    ids = export.cells("customers", "customer_id", first)
    second = pc.binary_join_element_wise(ids, "D", "")
    free = ~np.asarray(pc.is_in(second, export.settled("customers", "customer_id")))
    first, ids, second = first[free], ids.filter(pa.array(free)), second.filter(pa.array(free))
    if len(first):
        since = _book(export, first, ids, second)
        _register(export, first, second, since)


def _book(export: Export, first: Ints, ids: pa.Array, second: pa.Array) -> Ints:
    """Book later orders, and what belongs to them, on the second records; gives the instant of each record's first."""
    since = np.full(len(first), _NEVER)
    if not export.has("orders", "order_id", "customer_id", "ordered_at"):
        return since
    moved = _moved(export, first, ids)
    # tickets before what belongs to tickets
    for table in dict.fromkeys(("orders", "subscriptions", "tickets", *schema.TABLES)):
        keys = [name for name in _LINKS if name in moved and export.has(table, name)]
        if keys and export.has(table, "customer_id", *schema.TABLES[table].key):
            whose = _position(export, table, ids)
            linked = [pc.is_in(decoded(export.tables[table][name]), moved[name]) for name in keys]
            rows = np.flatnonzero((whose >= 0) & np.logical_or.reduce([np.asarray(one) for one in linked]))
            export.change(table, "customer_id", KIND, rows, second.take(pa.array(whose[rows])))
            np.minimum.at(since, whose[rows], _instants(export, table)[rows])
            if table == "tickets":
                moved["ticket_id"] = export.cells(table, "ticket_id", rows)
    return since


def _moved(export: Export, first: Ints, ids: pa.Array) -> dict[str, pa.Array]:
    """Ids of the orders and subscriptions that go to the second records.

    An occasion is an order, or a subscription with all of its orders. One of those after the first goes to the second
    record, and of those after that one every other, by a draw.
    """
    whose = _position(export, "orders", ids)
    rows = np.flatnonzero(whose >= 0)
    rows = rows[np.lexsort((_instants(export, "orders")[rows], whose[rows]))]
    occasion = export.cells("orders", "order_id", rows)
    if export.has("orders", "subscription_id"):
        occasion = pc.coalesce(export.cells("orders", "subscription_id", rows), occasion)
    coded = occasion.dictionary_encode()
    _, at = np.unique(np.asarray(coded.indices), return_index=True)  # codes are given in order of appearance
    person = whose[rows[at]]
    count = np.bincount(person, minlength=len(ids))
    rank = np.arange(len(person)) - (np.cumsum(count) - count)[person]
    cut = 1 + (export.chance("customers", "duplicate.cut", first) * np.maximum(count - 1, 0)).astype(np.int64)
    every_other = export.chance("orders", "duplicate.later", rows[at]) < 0.5
    goes = (rank == cut[person]) | ((rank > cut[person]) & every_other)
    gone = goes[np.asarray(coded.indices)]
    moved = {"order_id": export.cells("orders", "order_id", rows[gone])}
    if export.has("orders", "subscription_id"):
        moved["subscription_id"] = export.cells("orders", "subscription_id", rows[gone]).drop_null()
    return moved


def _position(export: Export, table: str, ids: pa.Array) -> Ints:
    """For each row the place of its customer among `ids`, -1 for all others."""
    found = pc.index_in(decoded(export.tables[table]["customer_id"]), ids)
    return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def _instants(export: Export, table: str) -> Ints:
    """When each row came to be, in microseconds; for a table that does not tell, never."""
    name = next(one.name for one in schema.TABLES[table].columns if one.kind == "instant" and one.required)
    if not export.has(table, name):
        return np.full(export.tables[table].num_rows, _NEVER)
    column = export.tables[table][name].cast(pa.timestamp("us")).cast(pa.int64())
    return np.asarray(pc.fill_null(column, _NEVER))


def _register(export: Export, first: Ints, second: pa.Array, since: Ints) -> None:
    """Put the second records at the end of the customers."""
    old = export.tables["customers"].take(pa.array(first))
    new = old
    for name, values in _columns(export, first, second, since).items():
        if name in old.column_names:
            field = old.schema.field(name)
            column = pa.chunked_array([pa.array(values, export.type("customers", name)).cast(field.type)])
            new = new.set_column(old.schema.get_field_index(name), field, column)
    rows = export.append("customers", new, export.cells("customers", "customer_id", first))
    for name in new.column_names:
        before, now = (decoded(table[name]).combine_chunks() for table in (old, new))
        differs = pa.array([a != b for a, b in zip(before.to_pylist(), now.to_pylist(), strict=True)], pa.bool_())
        export.note("customers", name, KIND, rows[np.asarray(differs)], before.filter(differs), now.filter(differs))


def _columns(export: Export, first: Ints, second: pa.Array, since: Ints) -> Mapping[str, Sequence[str | int | None]]:
    """What the second records hold that the first ones do not."""

    def drawn(name: str, write: Callable[[str | None, float], str | None]) -> list[str | None]:
        if not export.has("customers", name):
            return []
        chances = export.chance("customers", f"{name}.{KIND}", first).tolist()
        return [write(*pair) for pair in zip(export.cells("customers", name, first).to_pylist(), chances, strict=True)]

    return {
        "customer_id": second.to_pylist(),
        "name": drawn("name", _name),
        "name_kana": drawn("name_kana", _reading),
        "email": drawn("email", _email),
        "phone": drawn("phone", lambda phone, u: _phone(phone, u, japanese=export.japanese)),
        "source_system": drawn("source_system", _system),
        "registered_at": _registered(export, first, since),
        # the card and the word about mail were given to the first record
        "member_since": [None] * len(first),
        "member_tier": ["none"] * len(first),
        "opted_out_at": [None] * len(first),
    }


def _registered(export: Export, first: Ints, since: Ints) -> list[int | None]:
    if not export.has("customers", "registered_at"):
        return []
    before = export.cells("customers", "registered_at", first).cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    minutes = 1 + (export.chance("customers", f"registered_at.{KIND}", first) * 120).astype(np.int64)
    return [
        None if old is None else old + minute * _MINUTE if found == _NEVER else found
        for old, minute, found in zip(before, minutes.tolist(), since.tolist(), strict=True)
    ]


def _name(name: str | None, u: float) -> str | None:
    """Half of the names as they were, the others in another form where they have one, else in another spelling."""
    if name is None or u < 0.5:
        return name
    u = u * 2 - 1
    other = writing.other_kanji(name, u)
    return other if other != name else writing.other_spelling(name, u)


def _reading(kana: str | None, u: float) -> str | None:
    """Half of the readings as they were, of the others half in other letters and half not there."""
    if kana is None or u < 0.5:
        return kana
    return None if u < 0.75 else writing.other_kana(kana, u * 4 - 3)


def _email(email: str | None, u: float) -> str | None:
    """The same address, another one of the same person at the same domain, or none."""
    if email is None or u < 1 / 2:
        return email
    return None if u < 3 / 4 else f"m-{email}"


def _phone(phone: str | None, u: float, *, japanese: bool) -> str | None:
    """The same number, as it was or written otherwise, or none."""
    if phone is None or u < 1 / 2:
        return phone
    return None if u < 3 / 4 else writing.other_phone(phone, u * 4 - 3, japanese=japanese)


def _system(system: str | None, u: float) -> str:
    """Another system than the first record's."""
    others = [name for name in _SYSTEMS if name != system]
    return others[int(u * len(others))]
