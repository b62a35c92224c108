"""Which customer records are one person, how many are too many, and how well the matching did. Metric 29.

Records are brought into one writing (`writing`), those that share something are held against each other (`likeness`),
and what weighs enough is one person. Every pair can be asked what it weighed, and why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Estimate, Window, shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.management import likeness
from crmkit.metrics.management.likeness import AGREE, DIFFER, EVIDENCE, NEAR, UNKNOWN, WEIGHTS
from crmkit.metrics.management.writing import (
    is_reading,
    name_parts,
    plain,
    plain_email,
    plain_phone,
    plain_place,
    sound,
)
from crmkit.reduction import Rows, Units, one_of, open_rows, summarise

MOST_SHARED = 20  # an address or number of more records is a dummy or the shop's own: it tells nobody apart
COUNTED = EVIDENCE[:4]  # what `agree` counts
NEEDS = ("customer_id", "name", "name_kana", "email", "phone", "birth_date", "postal_code", "prefecture", "city")
HIDDEN = "***"
FIRST, SECOND = nw.col("customer_id"), nw.col("other_customer_id")
Record = Mapping[str, Any]


def match_customers(
    customers: Any,
    *,
    threshold: float = likeness.THRESHOLD,
    agree: int | None = None,
    result: Literal["persons", "pairs"] = "persons",
    columns: Columns = None,
) -> Any:
    """Find the records that are one person: brought into one writing, compared piece by piece, weighed.

    Width, kana, old forms of kanji, long vowels, company forms, capitals, e-mail tags, the country code +81, 丁目 and
    〒 make no difference. Records that share an e-mail address, a telephone number, name and birth date, name and
    postal code or city, or birth date and postal code are held against each other. Each kind of evidence agrees, is
    near (one slip, changed order), differs or is unknown, which weighs for or against one person; the weights add up.
    Names or birth dates that differ outweigh all else: twins, and members of a household, stay apart. What more than
    20 records share (000-0000-0000, the shop's own address) is no evidence. Records that are linked by others are one
    person too; a record that fits two people who cannot be the same goes with the one that weighs more, or neither.

    The engine looks for the pairs; only the distinct texts, and the pairs that may weigh enough, come to the client.

    Args:
        customers: One row per record: `customer_id` and at least two of `name` (or `name_kana`), `email`, `phone`,
            `birth_date`; `postal_code`, `prefecture` and `city` help where they are there.
        threshold: From which sum of weights on a pair is one person. A weight is a logarithm to base 2: 10 more is a
            thousand times as sure. 26 takes equal names with an equal e-mail address, telephone number, birth date or
            postal code, if nothing speaks against it.
        agree: Instead of weighing, how many of name, e-mail, telephone and birth date have to agree: 2, 3 or 4.
        result: "persons" = `customer_id`, `person_id` (the least id of those that are one person) and `records` (how
            many these are), one row per record; "pairs" = `customer_id`, `other_customer_id`, for `name`, `email`,
            `phone`, `birth_date` and `address` the grade and, as `name_weight` and so on, its weight, and `weight`,
            their sum, one row per pair that was found. With `agree`, whether each of the four agreed, and no weights.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, sorted by id.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: fewer than two kinds of evidence in the table, `agree` is not 2, 3 or 4, or `threshold` is no
            number above 0.

    Examples:
        >>> import pandas as pd
        >>> people = pd.DataFrame({
        ...     "customer_id": ["1", "2", "3"],
        ...     "name_kana": ["タカハシ ハルカ", "たかはしはるか", "タカハシ ハルカ"],
        ...     "email": ["haruka@example.com", "ＨＡＲＵＫＡ＠example.com", None],
        ... })
        >>> match_customers(people)["person_id"].to_list()
        ['1', '1', '3']
        >>> match_customers(people, result="pairs")[["name_weight", "email_weight", "weight"]].values.tolist()
        [[15.0, 19.0, 34.0]]

    References:
        Fellegi and Sunter (1969), A theory for record linkage, JASA 64; Christen (2012), Data Matching, chapters 4–6.
    """
    one_of("result", result, ("persons", "pairs"))
    if agree not in (None, 2, 3, 4):
        raise ParameterError("match_agree", value=agree)
    keyed = _opened(customers, columns)
    found = _found(keyed, _threshold(threshold), agree)
    if result == "pairs":
        return frames.give_back(frames.same_kind(keyed, found).sort("customer_id", "other_customer_id"))
    return frames.give_back(_persons(keyed, found).sort("customer_id"))


def explain_match(
    customers: Any,
    customer_id: Any,
    other_customer_id: Any,
    *,
    threshold: float = likeness.THRESHOLD,
    personal: bool = False,
    columns: Columns = None,
) -> Any:
    """Why two records are one person, or are not: each piece of evidence, and what it weighs.

    Args:
        customers: The table that `match_customers` takes.
        customer_id, other_customer_id: The two records.
        threshold: As for `match_customers`.
        personal: Show what is compared, in its one writing; otherwise "***" stands where there is something.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, one row per kind of evidence and one for the sum: `evidence`, `grade`
        ("agree", "near", "part": the given name alone, "differ", "unknown"; of the sum "match" or "no match"),
        `weight`, `value`, `other_value`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: there is no such record, or what `match_customers` would raise.

    Examples:
        >>> import pandas as pd
        >>> people = pd.DataFrame({
        ...     "customer_id": ["1", "2"], "name": ["高橋 遥", "髙橋　遥"], "phone": ["090-0000-1234", "+81 90 0000 1243"],
        ... })
        >>> explain_match(people, "1", "2").head(3)[["evidence", "grade", "weight", "value"]].values.tolist()
        [['name', 'agree', 15.0, '***'], ['email', 'unknown', 0.0, None], ['phone', 'near', 6.0, '***']]
        >>> explain_match(people, "1", "2", personal=True)["other_value"].to_list()
        ['高橋 遥', None, '09000001243', None, None, None]
    """
    threshold = _threshold(threshold)
    keyed = _opened(customers, columns)
    told = _addressed(_both(keyed, _two(keyed, customer_id, other_customer_id)))
    first = frames.rows(told)[0]
    grades = _grades(first)
    weights = {one: likeness.weight(one, grades[one], grades["name"]) for one in EVIDENCE}
    weight = sum(weights.values())
    shown = [[_shown(first, one, end, personal) for one in EVIDENCE] + [None] for end in ("", "_2")]
    made = {
        "evidence": [*EVIDENCE, "sum"],
        "grade": [*grades.values(), "match" if weight >= threshold else "no match"],
        "weight": [*weights.values(), weight],
        "value": shown[0],
        "other_value": shown[1],
    }
    backend = frames.table(keyed, {"any": [1]}).implementation
    kinds = {name: nw.Float64() if name == "weight" else nw.String() for name in made}
    table: Any = nw.from_dict(made, schema=kinds, backend=backend)
    return frames.give_back(frames.same_kind(keyed, table))


def duplicate_rate(persons: Any, *, person: str = "person_id", columns: Columns = None) -> Estimate:
    """How many of the customer records are one too many: 1 − persons ÷ records.

    Args:
        persons: One row per record: `customer_id`, and who it is, as `match_customers` gives it.
        person: Name of the column that says who.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1): records beyond the first of their person ÷ records, with Wilson's interval, which takes
        each record beyond the first as a chance of its own. `besides["persons"]` counts the persons.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.

    Examples:
        >>> import pandas as pd
        >>> found = pd.DataFrame({"customer_id": ["1", "2", "3", "4"], "person_id": ["1", "1", "3", "4"]})
        >>> float(duplicate_rate(found))
        0.25
    """
    opened = _mapping(persons, person, columns)
    people = opened.rows().group_by("group").agg(records=nw.len())
    records = nw.col("records").cast(nw.Float64)
    part = Units(opened, people).sums(extra=records - 1.0, records=records, persons=nw.lit(1.0))
    definition = Definition("duplicate_rate")
    made: Estimate = summarise(
        part, lambda sums: shares(sums["extra"], sums["records"]), Window(), definition, besides=("persons",)
    )
    return made


def match_precision_recall(
    persons: Any, truth: Any, *, person: str = "person_id", true_person: str = "person_id", columns: Columns = None
) -> dict[str, Estimate]:
    """Hold a matching against who the records really are, by pairs of records.

    Args:
        persons: One row per record: `customer_id`, and who it was found to be.
        truth: One row per record: `customer_id`, and who it is, such as `crm.truth.customers`.
        person, true_person: Names of the columns that say who.
        columns: Your own column names by the model's, for both tables.

    Returns:
        "precision" (pairs found that are right ÷ pairs found) and "recall" (pairs found that are right ÷ pairs there
        are), each an `Estimate` (0–1) with Wilson's interval over pairs; NaN where there is no pair. Only records that
        are in both tables are looked at, the others are counted in `excluded["no_truth"]`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.

    Examples:
        >>> import pandas as pd
        >>> found = pd.DataFrame({"customer_id": ["1", "2", "3", "4"], "person_id": ["1", "1", "1", "4"]})
        >>> known = pd.DataFrame({"customer_id": ["1", "2", "3", "4"], "person_id": ["A", "A", "B", "B"]})
        >>> quality = match_precision_recall(found, known)
        >>> round(float(quality["precision"]), 3), float(quality["recall"])
        (0.333, 0.5)

    References:
        Christen (2012), Data Matching, section 7.2.
    """
    found, known = _mapping(persons, person, columns), _mapping(truth, true_person, columns)
    tallies = [one.units().tally(rows=~FIRST.is_null()) for one in (found, known)]
    both = found.rows().select("customer_id", person="group")
    both = both.join(known.rows().select("customer_id", true="group"), on="customer_id", how="inner")
    sizes = [_pairs(both, *per) for per in (("person", "true"), ("person",), ("true",))]
    got = frames.row(
        *(one.rename({"pairs": f"pairs_{at}"}) for at, one in enumerate(sizes)), both.select(rows=nw.len())
    )
    right, claimed, there = (np.array([float(got[f"pairs_{at}"] or 0)]) for at in range(3))
    excluded: dict[str, int] = {}
    for tally in tallies:
        excluded |= {why: excluded.get(why, 0) + n for why, n in tally.excluded.items()}
    excluded |= {"no_truth": tallies[0]["rows"] - int(got["rows"])} if tallies[0]["rows"] > int(got["rows"]) else {}
    about = {"excluded": excluded, "notes": tallies[0].notes + tallies[1].notes}
    return {
        name: shares(right, base).estimate(Window(), Definition(f"match_precision_recall.{name}"), **about)
        for name, base in (("precision", claimed), ("recall", there))
    }


def _pairs(frame: Frame, *per: str) -> Frame:
    """How many pairs of records lie in the same group, from the groups' sizes alone."""
    sizes = frame.group_by(*per).agg(n=nw.len()).with_columns(_n=nw.col("n").cast(nw.Float64))
    return sizes.with_columns(pairs=nw.col("_n") * (nw.col("_n") - 1.0) / 2.0).select(nw.col("pairs").sum())


def _mapping(native: Any, person: str, columns: Columns) -> Rows:
    """A table of `customer_id` and, as `group`, who it is."""
    rules = {"no_customer": FIRST.is_null(), "no_person": nw.col("group").is_null()}
    needs = ("customer_id",)
    return open_rows(native, "customers", needs=needs, rules=rules, key="customer_id", by=person, columns=columns)


# --- one writing


def _threshold(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise ParameterError("match_threshold", value=value)
    return float(value)


def _opened(customers: Any, columns: Columns) -> Frame:
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


def _reading(said: str) -> tuple[str, str]:
    parts = name_parts(said)
    return " ".join(parts), "".join(sorted(sound("".join(parts))))


def _city(said: str) -> tuple[str, str]:
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
    shared = records.select(column).drop_nulls().group_by(column).agg(n=nw.len())
    shared = shared.filter(nw.col("n") > MOST_SHARED).select(column, _common=nw.lit(True))
    joined = records.join(shared, on=column, how="left")
    return joined.with_columns(nw.when(nw.col("_common").is_null()).then(nw.col(column)).alias(column)).drop("_common")


# --- pairs and persons


def _found(keyed: Frame, threshold: float, agree: int | None) -> nw.DataFrame[Any]:
    """The pairs that are one person, on the client, and what speaks for it."""
    small = frames.fetch(_candidates(keyed, threshold, agree))
    told = [dict(zip(small.columns, row, strict=True)) for row in small.iter_rows()]
    ids = ("customer_id", "other_customer_id")
    if agree is not None:
        kept = [
            (at, {one: found == AGREE for one, found in grades.items() if one in COUNTED})
            for at, grades in enumerate(map(_grades, told))
            if _counts(told[at], grades, agree)
        ]
        return _table(small.select(*ids), kept, dict.fromkeys(COUNTED, nw.Boolean()))
    kinds: dict[str, Any] = {}
    for one in EVIDENCE:
        kinds |= {one: nw.String(), f"{one}_weight": nw.Float64()}
    kept = [(at, weighed) for at, weighed in enumerate(map(_weighed, told)) if weighed["weight"] >= threshold]
    kept = _unambiguous(kept, told)
    return _table(small.select(*ids), kept, kinds | {"weight": nw.Float64()})


def _table(ids: nw.DataFrame[Any], kept: list[tuple[int, Record]], kinds: Mapping[str, Any]) -> nw.DataFrame[Any]:
    """The kept pairs with what was found of them beside."""
    picked = ids[[at for at, _ in kept]] if kept else ids.head(0)
    beside = [
        nw.new_series(name, [found[name] for _, found in kept], kind, backend=ids.implementation)
        for name, kind in kinds.items()
    ]
    return nw.maybe_reset_index(picked).with_columns(*beside)


def _candidates(keyed: Frame, threshold: float, agree: int | None) -> Frame:
    """Pairs that share something and, at best, weigh enough: what the near ones are worth is seen on the client."""
    blocks = (
        ("email",), ("phone",), ("name_key", "day"), ("kana_key", "day"), ("name_key", "postal"), ("kana_key", "postal"),
        ("name_key", "city"), ("kana_key", "city"), ("postal", "day"),
    )  # fmt: skip
    if agree is not None:
        blocks = blocks[:4]
    pairs = nw.concat([_pairs_by(keyed, on) for on in blocks], how="vertical")
    told = _addressed(_both(keyed, pairs.unique(subset=["customer_id", "other_customer_id"])))
    if agree is None:
        told = told.filter(_at_best() >= threshold)
    return told.select(
        "customer_id",
        "other_customer_id",
        "who",
        "who_2",
        "email",
        "email_2",
        "phone",
        "phone_2",
        "day",
        "day_2",
        "address",
    )


def _pairs_by(keyed: Frame, on: tuple[str, ...]) -> Frame:
    """The pairs of records that share these values, if not too many do."""
    known = keyed.filter(nw.col("day") > 0) if "day" in on else keyed
    known = known.select("customer_id", *on).drop_nulls()
    sizes = known.group_by(*on).agg(_n=nw.len()).filter((nw.col("_n") > 1) & (nw.col("_n") <= MOST_SHARED))
    known = known.join(sizes.select(*on), on=list(on), how="inner")
    other = known.rename({"customer_id": "other_customer_id"})
    return known.join(other, on=list(on), how="inner").filter(FIRST < SECOND).select("customer_id", "other_customer_id")


def _both(keyed: Frame, pairs: Frame) -> Frame:
    """Pairs with what both records say, the second's under names that end in "_2"."""
    names = [name for name in keyed.collect_schema() if name != "customer_id"]
    other = keyed.rename({"customer_id": "other_customer_id", **{name: f"{name}_2" for name in names}})
    return pairs.join(keyed, on="customer_id", how="inner").join(other, on="other_customer_id", how="inner")


def _two(keyed: Frame, one: Any, other: Any) -> Frame:
    """The pair of two given records."""
    kind = keyed.collect_schema()["customer_id"]
    ids = [str(each) if kind == nw.String else each for each in (one, other)]
    ends = [keyed.filter(FIRST == nw.lit(each)).select("customer_id") for each in ids]
    pair = ends[0].join(ends[1].rename({"customer_id": "other_customer_id"}), how="cross")
    got = frames.row(*(end.select(nw.len().alias(f"n{at}")) for at, end in enumerate(ends)))
    for at, each in enumerate(ids):
        if not got[f"n{at}"]:
            raise ParameterError("match_no_record", value=each)
    return pair


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


def _grades(pair: Record) -> dict[str, str]:
    """The grade of each kind of evidence."""
    found = {"name": likeness.names(*sorted((pair["who"], pair["who_2"])))}
    compared: Mapping[str, tuple[str, Callable[..., str]]] = {
        "email": ("email", likeness.emails), "phone": ("phone", likeness.phones), "birth_date": ("day", likeness.days)
    }  # fmt: skip
    for one, (column, grade) in compared.items():
        said, other = pair[column], pair[f"{column}_2"]
        found[one] = grade(said, other) if said and other else UNKNOWN
    return {**found, "address": pair["address"]}


def _weighed(pair: Record) -> dict[str, Any]:
    """The grades, their weights and the sum."""
    grades = _grades(pair)
    weights = {one: likeness.weight(one, grade, grades["name"]) for one, grade in grades.items()}
    beside = {f"{one}_weight": weight for one, weight in weights.items()}
    return {**grades, **beside, "weight": round(sum(weights.values()), 6)}


def _counts(pair: Record, grades: dict[str, str], agree: int) -> bool:
    """Whether enough agrees, the names (unless one has none) among it, and the birth dates do not speak against it."""
    if "/" not in (pair["who"], pair["who_2"]):
        texts = [{plain(one) for one in pair[end].split("/") if one} for end in ("who", "who_2")]
        if not texts[0] & texts[1]:
            return False
        grades["name"] = AGREE
    return sum(grades[one] == AGREE for one in COUNTED) >= agree and grades["birth_date"] in (AGREE, UNKNOWN)


def _unambiguous(kept: list[tuple[int, Record]], told: list[dict[str, Any]]) -> list[tuple[int, Record]]:
    """Without the weaker link of a record that fits two people who cannot be the same; without both if equally weak."""
    links: dict[Any, dict[Any, float]] = defaultdict(dict)
    says: dict[Any, tuple[str, int]] = {}
    for at, weighed in kept:
        pair = told[at]
        one, other = pair["customer_id"], pair["other_customer_id"]
        links[one][other] = links[other][one] = weighed["weight"]
        says[one], says[other] = (pair["who"], pair["day"]), (pair["who_2"], pair["day_2"])
    weak = set()
    for middle, ends in links.items():
        for one, other in combinations(ends, 2):
            if other not in links[one] and _cannot_be(says[one], says[other]):
                weak |= {(middle, end) for end in (one, other) if ends[end] <= min(ends[one], ends[other])}
    weak |= {(end, middle) for middle, end in weak}
    return [one for one in kept if (told[one[0]]["customer_id"], told[one[0]]["other_customer_id"]) not in weak]


def _cannot_be(one: tuple[str, int], other: tuple[str, int]) -> bool:
    dated = one[1] and other[1] and likeness.days(one[1], other[1]) == DIFFER
    return bool(dated) or likeness.names(*sorted((one[0], other[0]))) == DIFFER


def _shown(pair: Record, evidence: str, end: str, personal: bool) -> str | None:
    """What a record says, in the one writing that is compared."""
    if evidence == "name":
        said = pair[f"who{end}"].strip("/").replace("/", " / ")
    elif evidence == "birth_date":
        day = str(pair[f"day{end}"])
        said = f"{day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 else ""
    elif evidence == "address":
        place = pair[f"place{end}"] or pair[f"city{end}"]
        said = " ".join(one for one in (pair[f"postal{end}"], pair[f"region{end}"], place) if one)
    else:
        said = pair[f"{evidence}{end}"]
    return None if not said else said if personal else HIDDEN


def _persons(keyed: Frame, found: nw.DataFrame[Any]) -> Frame:
    """Each record with the least id of those it is linked with, and how many these are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = [found[name].to_list() for name in ("customer_id", "other_customer_id")]
    ids = sorted({one for end in ends for one in end})
    if not ids:
        return keyed.select("customer_id", person_id=FIRST, records=nw.lit(1))
    place: Mapping[Any, int] = {one: at for at, one in enumerate(ids)}
    rows, others = ([place[one] for one in end] for end in ends)
    links = coo_array((np.ones(len(rows)), (rows, others)), shape=(len(ids), len(ids)))
    groups = connected_components(links, directed=False)[1]
    _, first, size = np.unique(groups, return_index=True, return_counts=True)  # ids rise: the first is the least
    linked = {"customer_id": ids, "_person": [ids[first[one]] for one in groups], "_records": size[groups]}
    kind = keyed.collect_schema()["customer_id"]
    lookup = frames.same_kind(keyed, frames.table(keyed, linked))
    # PyArrow joins only columns of one and the same kind of text
    joined = keyed.select(nw.col("customer_id").cast(kind)).join(
        lookup.with_columns(nw.col("customer_id", "_person").cast(kind)), on="customer_id", how="left"
    )
    person = nw.when(nw.col("_person").is_null()).then(FIRST).otherwise(nw.col("_person"))
    return joined.select("customer_id", person_id=person, records=nw.col("_records").fill_null(1))
