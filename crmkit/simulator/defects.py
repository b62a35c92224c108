"""Clean tables spoilt as real exports are, by a seed, with an account of every cell and row that was touched.

Each draw is addressed by the row's own id and by what is drawn, never by where the row stands: a larger share spoils
the same rows and some more, turning up one share leaves the rows of the others alone, and a smaller world is spoilt as
it is inside the larger one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.errors import ParameterError
from crmkit.simulator import duplicates, writing
from crmkit.simulator.exact import Ints
from crmkit.simulator.export import Export

_EMPTIED = ("email", "phone", "birth_date", "gender", "prefecture")
_NO_DAY = np.datetime64("1900-01-01", "us")  # what a spreadsheet makes of an empty or zero day
_NO_END = np.datetime64("2099-12-31", "us")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Defects:
    """How much of the tables is spoilt, and how; every share lies between 0 and 1.

    The name of a share without `_share` is the `kind` in the account. A cell can be spoilt more than once: the account
    has a row for each step, in the order of the steps, so that undoing it from the end gives the clean tables back.

    Attributes:
        duplicate_share: Customers with a second record: a new id (the first one with a "D"), registered later in
            another system, with name, reading, e-mail and telephone partly written otherwise or missing. Of those who
            ordered on more than one occasion, part of the later orders is booked on the second record, with the
            tickets, surveys and other rows that belong to these orders; orders of a subscription stay with it.
        name_variant_share: Names (and, by a draw of their own, readings) without their space, with one at the end, in
            capitals; readings in hiragana.
        kanji_variant_share: Of names with a kanji that has another form: 髙 for 高, 﨑 for 崎, 邊 for 辺.
        kana_in_name_share: Names that hold the reading in place of the kanji.
        width_share: Names, readings, e-mail addresses and postal codes in half-width katakana or full-width letters,
            digits and spaces; in Japanese shops only. Each cell draws by itself.
        phone_format_share: Telephone numbers in one piece, with spaces or dots for hyphens, with +81 or in full width.
        channel_spelling_share: Channels of orders and tickets as "Web", "WEB " or "ウェブ".
        unit_share: Orders whose `net_amount` is in thousands of yen, or with 10% tax (part of a yen dropped); the
            other amounts of the row stay, so that gross less discount no longer gives it.
        impossible_date_share: Orders of 1900-01-01, of 2099-12-31 or, where they were refunded, refunded before they
            were placed; and customers born after they registered.
        orphan_share: Orders of a customer id that is not there (the right one with an "X").
        missing_share: Empty e-mail, telephone, birth date, gender and prefecture, at random. Each cell draws by itself.
        missing_old_share: Empty birth dates, not at random: this share at 80 years (on registering) and above, fewer
            below, none up to 20.
        missing_unhappy_share: Empty survey scores, not at random: this share at the bottom of the scale, fewer above,
            none at the top.
        late_share: Orders that arrived late: moved to the end of the table. When a row came in is told by its place in
            the table only.
        repeated_row_share: Orders that are in the table twice, as after a double export: the second time at its end.
    """

    duplicate_share: float = 0.03
    name_variant_share: float = 0.03
    kanji_variant_share: float = 0.05
    kana_in_name_share: float = 0.01
    width_share: float = 0.03
    phone_format_share: float = 0.05
    channel_spelling_share: float = 0.02
    unit_share: float = 0.005
    impossible_date_share: float = 0.002
    orphan_share: float = 0.003
    missing_share: float = 0.03
    missing_old_share: float = 0.20
    missing_unhappy_share: float = 0.10
    late_share: float = 0.02
    repeated_row_share: float = 0.005

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            # `not 0 <= value <= 1` is also true of NaN
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
                raise ParameterError("not_a_share", parameter=one.name, value=value)
            object.__setattr__(self, one.name, float(value))

    @classmethod
    def of(cls, shares: Mapping[str, float]) -> Defects:
        """The usual defects with some of the shares set otherwise.

        Raises:
            ParameterError: no share has that name (the nearest is offered), or it does not lie between 0 and 1.

        Examples:
            >>> Defects.of({"late_share": 0.5}).late_share
            0.5
        """
        known = [one.name for one in fields(cls)]
        for name in shares:
            if name not in known:
                near = next(iter(difflib.get_close_matches(str(name), known, n=1)), "")
                raise ParameterError("unknown_share", share=name, nearest=near, options=", ".join(known))
        return cls(**shares)

    @classmethod
    def none(cls) -> Defects:
        """No defect at all: to turn up one kind alone, `dataclasses.replace(Defects.none(), late_share=0.1)`."""
        return cls(*(0.0 for _ in fields(cls)))


def spoil(crm: Crm, *, seed: int = 1, **shares: float) -> Crm:
    """The shop as a careless export would give it; what was spoilt is in its truth.

    Args:
        crm: A shop with clean tables; it stays as it is.
        seed: Whole number; the same seed spoils the same rows in the same way.
        **shares: How much of what, such as `duplicate_share=0.1`; those not named are as in `Defects`. All 0 but one:
            `spoil(crm, **asdict(Defects.none()) | {"late_share": 0.1})`.

    Returns:
        Another shop. Its truth has the table `defects` (one row per step, see `spoil_tables`) and, where it has
        `customers`, a row for each second record with the `person_id` of the first; its facts have the seed and shares
        under `defects`. Tables come as pandas; `to` gives other engines'.

    Raises:
        ParameterError: a share that does not exist (the nearest is offered) or does not lie between 0 and 1, a seed
            that is no whole number, or a shop that is spoilt already.

    Examples:
        >>> clean = Crm({"customers": pa.table({"customer_id": ["a"], "phone": ["03-0000-0000"]})}, zone="Asia/Tokyo")
        >>> dirty = spoil(clean, duplicate_share=0, missing_share=0, phone_format_share=1)
        >>> dirty.truth.defects[["row_id", "column", "kind", "original"]].values.tolist()
        [['a', 'phone', 'phone_format', '03-0000-0000']]
    """
    defects = Defects.of(shares)
    truth = {} if crm.truth is None else {name: crm.truth.arrow(name) for name in crm.truth.tables}
    if "defects" in truth and truth["defects"].num_rows:
        raise ParameterError("already_spoilt", rows=truth["defects"].num_rows)
    clean = {name: crm.arrow(name) for name in crm.tables}
    locale = str(crm.facts.get("locale", "ja_JP"))
    tables, truth["defects"] = spoil_tables(clean, defects, seed, people=truth.get("customers"), locale=locale)
    if "customers" in truth:
        truth["customers"] = _with_second_records(truth["customers"], truth["defects"])
    facts = {**crm.facts, "defects": {"seed": int(seed), **asdict(defects)}}
    return Crm(tables, zone=crm.zone, truth=Crm(truth, zone=crm.zone), facts=facts)


def _with_second_records(customers: pa.Table, account: pa.Table) -> pa.Table:
    """The truth's customers and, behind them, the same people under the ids of their second records."""
    made = [("table", "customers"), ("column", "customer_id"), ("kind", duplicates.KIND)]
    for name, word in made:
        account = account.filter(pc.equal(account[name], word))
    at = pc.index_in(account["original"], customers["customer_id"])
    account, at = account.filter(at.is_valid()), at.drop_null()
    more = customers.take(at).set_column(
        customers.schema.get_field_index("customer_id"), customers.schema.field("customer_id"), account["spoilt"]
    )
    return pa.concat_tables([customers, more])


def spoil_tables(
    tables: Mapping[str, pa.Table],
    defects: Defects,
    seed: int,
    *,
    people: pa.Table | None = None,
    locale: str = "ja_JP",
) -> tuple[dict[str, pa.Table], pa.Table]:
    """Tables as a careless export would give them, and the account of what was done to them.

    Args:
        tables: Clean tables of the data model, by name. Kinds of defects whose table or column is not there are left
            out; columns keep their types, tables and columns without a defect stay as they are.
        defects: The shares.
        seed: Whole number; the same seed spoils the same rows in the same way.
        people: `customer_id` and `person_id`, such as the truth's customers; without it a customer's first id stands
            for the person.
        locale: Language of the shop; full and half width and Japanese words come up in Japanese ones only.

    Returns:
        The tables, and one row per step: `table`, `row_id`, `column`, `kind`, `original` and `spoilt` (as text, null =
        empty) and `person_id`. Steps that concern a whole row name the key column: a second record (`duplicate`; its
        other differences from the first record have rows too), a `late` row (its place in the clean table and now,
        counted from 0) and a `repeated_row` (the id twice).

    Raises:
        ParameterError: `seed` is no whole number.

    Examples:
        >>> from dataclasses import replace
        >>> orders = pa.table({"order_id": ["a", "b", "c"], "channel": ["web", "store", "app"]})
        >>> defects = replace(Defects.none(), channel_spelling_share=1.0)
        >>> spoilt, account = spoil_tables({"orders": orders}, defects, 7)
        >>> spoilt["orders"]["channel"].to_pylist() == account["spoilt"].to_pylist()
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ParameterError("not_whole", parameter="seed", value=seed)
    export = Export(tables, int(seed), japanese=locale.lower().startswith("ja"))
    duplicates.add(export, defects.duplicate_share)
    export.settle()
    for step in _STEPS:
        step(export, defects)
    return export.tables, export.account(people)


def _names(export: Export, defects: Defects) -> None:
    """In an order in which no step takes from the next one what it needs."""
    _rewrite(export, "customers", "name", "kanji_variant", defects.kanji_variant_share, writing.other_kanji)
    _readings(export, defects.kana_in_name_share)
    if export.japanese:
        for column in ("name", "name_kana", "email", "postal_code"):
            _rewrite(export, "customers", column, "width", defects.width_share, writing.other_width)
    _rewrite(export, "customers", "name", "name_variant", defects.name_variant_share, writing.other_spelling)
    _rewrite(export, "customers", "name_kana", "name_variant", defects.name_variant_share, writing.other_kana)


def _readings(export: Export, share: float) -> None:
    """The reading in the place of the name, where the form was filled in so."""
    if not export.has("customers", "customer_id", "name", "name_kana"):
        return
    readings = export.settled("customers", "name_kana")
    rows = export.hit("customers", "name.kana_in_name", np.where(readings.is_valid(), share, 0.0))
    export.change("customers", "name", "kana_in_name", rows, readings.take(pa.array(rows)))


def _phones(export: Export, defects: Defects) -> None:
    write = partial(writing.other_phone, japanese=export.japanese)
    _rewrite(export, "customers", "phone", "phone_format", defects.phone_format_share, write)


def _channels(export: Export, defects: Defects) -> None:
    write = partial(writing.other_channel, japanese=export.japanese)
    for table in ("orders", "tickets"):
        _rewrite(export, table, "channel", "channel_spelling", defects.channel_spelling_share, write)


def _rewrite(
    export: Export, table: str, column: str, kind: str, share: float, write: Callable[[str, float], str]
) -> None:
    """The same text written otherwise, in a share of the rows."""
    if not export.has(table, *schema.TABLES[table].key, column):
        return
    rows = export.hit(table, f"{column}.{kind}", share)
    which = export.chance(table, f"{column}.{kind}.which", rows)
    texts = export.cells(table, column, rows).to_pylist()
    ways = [None if text is None else write(text, u) for text, u in zip(texts, which.tolist(), strict=True)]
    export.change(table, column, kind, rows, pa.array(ways, pa.string()))


def _units(export: Export, defects: Defects) -> None:
    if not export.has("orders", "order_id", "net_amount"):
        return
    rows = export.hit("orders", "net_amount.unit", defects.unit_share)
    amounts = export.numbers("orders", "net_amount")[rows]
    in_thousands = export.chance("orders", "net_amount.unit.which", rows) < 0.5
    spoilt = np.where(in_thousands, amounts * 0.001, np.floor(amounts * 1.1))
    export.change("orders", "net_amount", "unit", rows, pa.array(spoilt, from_pandas=True))  # NaN = empty


def _impossible_dates(export: Export, defects: Defects) -> None:
    share = defects.impossible_date_share
    if export.has("orders", "order_id", "ordered_at"):
        _impossible_orders(export, export.hit("orders", "ordered_at.impossible_date", share))
    if export.has("customers", "customer_id", "birth_date", "registered_at"):
        registered, born = (export.instants("customers", name) for name in ("registered_at", "birth_date"))
        known = ~(np.isnat(registered) | np.isnat(born))
        rows = export.hit("customers", "birth_date.impossible_date", np.where(known, share, 0.0))
        after = _DAY * (1 + (export.chance("customers", "birth_date.impossible_date.which", rows) * 365).astype(int))
        days = (registered[rows] + after).astype("datetime64[D]")
        export.change("customers", "birth_date", "impossible_date", rows, pa.array(days))


def _impossible_orders(export: Export, rows: Ints) -> None:
    refunded = np.zeros(len(rows), dtype=bool)
    if export.has("orders", "refunded_at"):
        refunded = ~np.isnat(export.instants("orders", "refunded_at")[rows])
    which = (export.chance("orders", "ordered_at.impossible_date.which", rows) * (2 + refunded)).astype(int)
    for number, instant in enumerate((_NO_DAY, _NO_END)):
        there = rows[which == number]
        export.change("orders", "ordered_at", "impossible_date", there, pa.array(np.full(len(there), instant)))
    there = rows[which == 2]
    before = _DAY * (1 + (export.chance("orders", "refunded_at.impossible_date.which", there) * 30).astype(int))
    too_early = export.instants("orders", "ordered_at")[there] - before
    if len(there):
        export.change("orders", "refunded_at", "impossible_date", there, pa.array(too_early))


def _orphans(export: Export, defects: Defects) -> None:
    if not export.has("orders", "order_id", "customer_id"):
        return
    rows = export.hit("orders", "customer_id.orphan", defects.orphan_share)
    nobody = pc.binary_join_element_wise(export.cells("orders", "customer_id", rows), "X", "")
    if export.has("customers", "customer_id"):
        lost = ~np.asarray(pc.is_in(nobody, export.settled("customers", "customer_id")))
        rows, nobody = rows[lost], nobody.filter(pa.array(lost))
    export.change("orders", "customer_id", "orphan", rows, nobody)


def _missing(export: Export, defects: Defects) -> None:
    for column in _EMPTIED:
        if export.has("customers", "customer_id", column):
            _empty(export, "customers", column, "missing", defects.missing_share)
    if export.has("customers", "customer_id", "birth_date", "registered_at"):
        registered, born = (export.instants("customers", name) for name in ("registered_at", "birth_date"))
        years = (registered - born) / _DAY / 365.25
        weight = np.nan_to_num(np.clip((years - 20) / 60, 0.0, 1.0))
        _empty(export, "customers", "birth_date", "missing_old", defects.missing_old_share * weight)
    if export.has("survey_responses", "survey_id", "score", "scale_min", "scale_max"):
        score, low, high = (export.numbers("survey_responses", name) for name in ("score", "scale_min", "scale_max"))
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.nan_to_num(np.clip((high - score) / (high - low), 0.0, 1.0))
        _empty(export, "survey_responses", "score", "missing_unhappy", defects.missing_unhappy_share * weight)


def _empty(export: Export, table: str, column: str, kind: str, share: float | np.ndarray[Any, Any]) -> None:
    rows = export.hit(table, f"{column}.{kind}", share)
    export.change(table, column, kind, rows, pa.nulls(len(rows), export.type(table, column)))


def _late_and_repeated(export: Export, defects: Defects) -> None:
    """Last of all, since from here on a row no longer stands where it stood in the clean table."""
    if not export.has("orders", "order_id"):
        return
    late = export.hit("orders", "late", defects.late_share)
    if len(late):
        size = export.tables["orders"].num_rows
        place = np.arange(size - len(late), size)
        export.note("orders", "order_id", "late", late, _as_text(late), _as_text(place))
        export.arrange("orders", np.concatenate([np.delete(np.arange(size), late), late]))
    again = export.hit("orders", "repeated_row", defects.repeated_row_share)
    if len(again):
        ids = export.cells("orders", "order_id", again)
        export.note("orders", "order_id", "repeated_row", again, ids, ids)
        export.arrange("orders", np.concatenate([np.arange(export.tables["orders"].num_rows), again]))


def _as_text(numbers: Ints) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


_STEPS = (_names, _phones, _channels, _units, _impossible_dates, _orphans, _missing, _late_and_repeated)
