"""Records in one writing, and the pairs of them that may be one person; all but the writing is the engine's work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.frames import Columns, Frame
from crmkit.metrics.management.likeness import AGREE, DIFFER, EVIDENCE, NEAR, UNKNOWN, WEIGHTS
from crmkit.metrics.management.writing import is_reading, name_parts, plain_email, plain_phone, plain_place, sound
from crmkit.rows import open_rows

MOST_SHARED = 20  # an address or number of more records is a dummy or the shop's own: it tells nobody apart
COUNTED = EVIDENCE[:4]  # what is needed two kinds of, and what `agree` counts
NEEDS = ("customer_id", "name", "name_kana", "email", "phone", "birth_date", "postal_code", "prefecture", "city")
BLOCKS = (
    ("email",), ("phone",), ("name_key", "day"), ("kana_key", "day"), ("name_key", "postal"), ("kana_key", "postal"),
    ("name_key", "city"), ("kana_key", "city"), ("postal", "day"),
)  # fmt: skip
"""What two records have to share to be looked at; the first four serve `agree`."""
FIRST, SECOND = nw.col("customer_id"), nw.col("other_customer_id")


def opened(customers: Any, columns: Columns) -> Frame:
    """The records in one writing; says what is left out."""
    rules = {"no_customer": FIRST.is_null()}
    opened = open_rows(customers, "customers", needs=NEEDS, rules=rules, key="customer_id", columns=columns)
    found = set(opened.frame.collect_schema())
    if sum(bool({one, f"{one}_kana"} & found) for one in COUNTED) < 2:
        raise ParameterError("match_fields", options=", ".join(COUNTED), found=", ".join(found & set(NEEDS)))
    opened.units().sums(rows=nw.lit(1.0)).whole()
    return _comparable(opened.rows(), found)


def _comparable(records: Frame, found: set[str]) -> Frame:
    """What is compared, and what pairs are looked for by; null where the record says nothing, `who` and `day` never.

    `who` is the name in kanji or letters, "/" and the reading; `day` is 19840102 or 0; `name_key` and `kana_key` hold
    the signs of the name in alphabetical order, whatever comes first.
    """
    for column in (one for one in NEEDS if one not in found):
        records = records.with_columns(nw.lit(None, nw.String()).alias(column))
    records = _rewritten(records, "name", _name, ("name", "name_key", "_read", "_read_key"))
    records = _rewritten(records, "name_kana", _reading, ("name_kana", "kana_key"))
    records = _rewritten(records, "email", lambda said: (plain_email(said),), ("email",))
    records = _rewritten(records, "phone", lambda said: (plain_phone(said),), ("phone",))
    records = _rewritten(records, "city", _city, ("city", "place"))
    for column in ("email", "phone"):
        records = _told_apart(records, column)
    kana, kana_key = (_or_else(*pair) for pair in (("name_kana", "_read"), ("kana_key", "_read_key")))
    born = nw.col("birth_date")
    day = nw.lit(0)
    if "birth_date" in found:  # 1900-01-01 and before is what a spreadsheet makes of an empty day
        parts = [part.fill_null(0).cast(nw.Int64) for part in (born.dt.year(), born.dt.month(), born.dt.day())]
        whole = parts[0] * 10_000 + parts[1] * 100 + parts[2]
        day = nw.when(whole > 19_000_101).then(whole).otherwise(nw.lit(0))
    return records.select(
        "customer_id",
        "name_key",
        "email",
        "phone",
        "city",
        "place",
        who=nw.concat_str(nw.col("name").fill_null(""), nw.lit("/"), kana.fill_null("")),
        kana_key=kana_key,
        day=day.cast(nw.Int64),
        postal=_postal(nw.col("postal_code")),
        region=nw.col("prefecture").cast(nw.String).str.slice(0, 2),
    )


def _or_else(one: str, other: str) -> nw.Expr:
    return nw.when(nw.col(one).is_null()).then(nw.col(other)).otherwise(nw.col(one))


def _postal(code: nw.Expr) -> nw.Expr:
    """Seven digits; a leading 0 that a spreadsheet ate comes back."""
    text = code.cast(nw.String)
    for at, wide in enumerate("０１２３４５６７８９"):
        text = text.str.replace_all(wide, str(at), literal=True)
    text = text.str.replace_all(r"\.0$", "").str.replace_all("[^0-9]", "")
    text = nw.when(text.str.len_chars() == 6).then(nw.concat_str(nw.lit("0"), text)).otherwise(text)
    return nw.when(text.str.len_chars() == 7).then(text)


def _name(said: str) -> tuple[str, ...]:
    parts = name_parts(said)
    key = "".join(sorted(sound("".join(parts))))
    shown = " ".join(parts)
    return ("", "", shown, key) if is_reading("".join(parts)) else (shown, key, "", "")


def _reading(said: str) -> tuple[str, ...]:
    parts = name_parts(said)
    return " ".join(parts), "".join(sorted(sound("".join(parts))))


def _city(said: str) -> tuple[str, ...]:
    """The place up to the house number, and with it where there is one."""
    place = plain_place(said)
    city = "".join(sign if not sign.isdigit() else " " for sign in place).split(" ")[0]
    return city, place if city != place else ""


def _rewritten(records: Frame, column: str, way: Callable[[str], tuple[str, ...]], names: tuple[str, ...]) -> Frame:
    """Columns in one writing: worked out once for each distinct text, and joined back."""
    texts = records.select(_text=nw.col(column).cast(nw.String)).drop_nulls().unique(subset=["_text"])
    said = frames.fetch(texts)["_text"].to_list()
    plainly = [(one, way(one)) for one in said]
    plainly = [(one, short) for one, short in plainly if any(short)]
    if not plainly:
        return records.with_columns(nw.lit(None, nw.String()).alias(name) for name in names)
    made: dict[str, Any] = {
        f"_new_{name}": [short[at] or None for _, short in plainly] for at, name in enumerate(names)
    }
    backend = frames.table(records, {"any": [1]}).implementation
    small: Any = nw.from_dict(
        {"_text": [one for one, _ in plainly], **made},
        schema=dict.fromkeys(("_text", *made), nw.String()),
        backend=backend,
    )
    joined = records.with_columns(_text=nw.col(column).cast(nw.String)).join(
        frames.same_kind(records, small), on="_text", how="left"
    )
    left = [name for name in joined.collect_schema() if name not in (column, "_text", *names)]
    return joined.select(*left).rename({f"_new_{name}": name for name in names})


def _told_apart(records: Frame, column: str) -> Frame:
    """The column without the values that too many records share."""
    shared = records.select(column).drop_nulls().group_by(column).agg(n=nw.len()).filter(nw.col("n") > MOST_SHARED)
    common = frames.fetch(shared.select(column))[column].to_list()  # few: to take them out by a join is dearer
    alone = nw.when(~nw.col(column).is_in(common)).then(nw.col(column))
    return records.with_columns(alone.alias(column)) if common else records


def candidates(keyed: Frame, threshold: float, agree: int | None) -> Frame:
    """Pairs that share something and, at best, weigh enough: what the near ones are worth is seen on the client."""
    told = _addressed(_both(keyed, _pairs(keyed, BLOCKS[:4] if agree else BLOCKS)))
    if agree is None:
        told = told.filter(_at_best() >= threshold)
    sides = [f"{name}{end}" for name in ("who", "email", "phone", "day") for end in ("", "_2")]
    return told.select("customer_id", "other_customer_id", *sides, "address")


def _pairs(keyed: Frame, blocks: Sequence[tuple[str, ...]]) -> Frame:
    """The pairs of records that share the values of a block, if not too many do."""
    long = _by_block(keyed, blocks)
    sizes = long.group_by("key").agg(_n=nw.len()).filter((nw.col("_n") > 1) & (nw.col("_n") <= MOST_SHARED))
    known = long.join(sizes.select("key"), on="key", how="inner")
    other = known.rename({"customer_id": "other_customer_id"})
    pairs = known.join(other, on="key", how="inner").filter(FIRST < SECOND).select("customer_id", "other_customer_id")
    return pairs.unique(subset=["customer_id", "other_customer_id"])


def _by_block(keyed: Frame, blocks: Sequence[tuple[str, ...]]) -> Frame:
    """`customer_id` and `key`, a row for each block in which the record has a key."""
    keys = [_key(at, on) for at, on in enumerate(blocks)]
    if isinstance(keyed, nw.DataFrame):
        parts = [keyed.select("customer_id", key=key).drop_nulls() for key in keys]
        return nw.concat(parts, how="vertical")
    # a lazy engine would work out the records anew for each part, and narwhals cannot unpivot all of them
    chosen: Any = nw.lit(None, nw.String())
    for at, key in enumerate(keys):
        chosen = nw.when(nw.col("age") == at).then(key).otherwise(chosen)
    long = keyed.join(frames.numbers(keyed, len(keys)), how="cross")
    return long.select("customer_id", key=chosen).drop_nulls()


def _key(block: int, on: tuple[str, ...]) -> nw.Expr:
    """The values of a block in one text, null where one is missing."""
    there = [(nw.col(one) > 0) if one == "day" else ~nw.col(one).is_null() for one in on]
    values = [nw.col(one).cast(nw.String).fill_null("") for one in on]
    whole = nw.concat_str(nw.lit(f"{block}"), *values, separator="|")
    return nw.when(nw.all_horizontal(*there, ignore_nulls=False)).then(whole)


def _both(keyed: Frame, pairs: Frame) -> Frame:
    """Pairs with what both records say, the second's under names that end in "_2"."""
    names = [name for name in keyed.collect_schema() if name != "customer_id"]
    other = keyed.rename({"customer_id": "other_customer_id", **{name: f"{name}_2" for name in names}})
    return pairs.join(keyed, on="customer_id", how="inner").join(other, on="other_customer_id", how="inner")


def two(keyed: Frame, one: Any, other: Any) -> Frame:
    """The pair of two given records, as `candidates` gives it, with all that they say.

    Raises:
        ParameterError: there is no such record.
    """
    kind = keyed.collect_schema()["customer_id"]
    ids = [str(each) if kind == nw.String else each for each in (one, other)]
    ends = [keyed.filter(FIRST == nw.lit(each)).select("customer_id") for each in ids]
    pair = ends[0].join(ends[1].rename({"customer_id": "other_customer_id"}), how="cross")
    got = frames.row(*(end.select(nw.len().alias(f"n{at}")) for at, end in enumerate(ends)))
    for at, each in enumerate(ids):
        if not got[f"n{at}"]:
            raise ParameterError("match_no_record", value=each)
    return _addressed(_both(keyed, pair))


def _same(one: str) -> nw.Expr:
    return (nw.col(one) == nw.col(f"{one}_2")).fill_null(False)


def _known(one: str) -> nw.Expr:
    return ~nw.col(one).is_null() & ~nw.col(f"{one}_2").is_null()


def _addressed(pairs: Frame) -> Frame:
    """Pairs with the grade of the address."""
    elsewhere = _known("region") & ~_same("region")
    agrees, near = _same("postal") | _same("place"), _same("city") & ~elsewhere
    grade = nw.when(_known("postal") | _known("city") | elsewhere).then(nw.lit(DIFFER)).otherwise(nw.lit(UNKNOWN))
    return pairs.with_columns(
        nw.col("email", "email_2", "phone", "phone_2").fill_null(""),
        address=nw.when(agrees).then(nw.lit(AGREE)).otherwise(nw.when(near).then(nw.lit(NEAR)).otherwise(grade)),
    )


def _at_best() -> nw.Expr:
    """What a pair weighs if all that is not equal is near."""
    named = (nw.col("who") != "/") & (nw.col("who_2") != "/")
    alike = _same("who") | _same("name_key") | _same("kana_key")
    best = (
        nw.when(named & alike)
        .then(nw.lit(WEIGHTS["name"][AGREE]))
        .otherwise(nw.when(named).then(nw.lit(WEIGHTS["name"][NEAR])).otherwise(nw.lit(0.0)))
    )
    for one in ("email", "phone"):
        known = (nw.col(one) != "") & (nw.col(f"{one}_2") != "")
        unlike = nw.when(known).then(nw.lit(WEIGHTS[one][NEAR])).otherwise(nw.lit(0.0))
        best = best + nw.when(known & _same(one)).then(nw.lit(WEIGHTS[one][AGREE])).otherwise(unlike)
    dated = (nw.col("day") > 0) & (nw.col("day_2") > 0)
    (y, m, d), (y_2, m_2, d_2) = (_parts(nw.col(one)) for one in ("day", "day_2"))
    equal = [(one == other).cast(nw.Int64) for one, other in ((y, y_2), (m, m_2), (d, d_2))]
    close = (equal[0] + equal[1] + equal[2] >= 2) | ((y == y_2) & (m == d_2) & (d == m_2))
    date = WEIGHTS["birth_date"]
    unlike = (
        nw.when(dated & close)
        .then(nw.lit(date[NEAR]))
        .otherwise(nw.when(dated).then(nw.lit(date[DIFFER])).otherwise(nw.lit(0.0)))
    )
    best = best + nw.when(dated & _same("day")).then(nw.lit(date[AGREE])).otherwise(unlike)
    for grade in (AGREE, NEAR):
        best = best + nw.when(named & (nw.col("address") == grade)).then(nw.lit(WEIGHTS["address"][grade])).otherwise(
            nw.lit(0.0)
        )
    return best


def _parts(day: nw.Expr) -> tuple[nw.Expr, nw.Expr, nw.Expr]:
    year = day // 10_000
    rest = day - year * 10_000
    return year, rest // 100, rest - rest // 100 * 100
