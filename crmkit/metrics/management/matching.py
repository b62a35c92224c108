"""Which customer records are one person, how many are too many, and how well the matching did. Metric 29.

A pair of records is the same person when their names agree (or one has none) and, counted together, enough of name,
e-mail, telephone and birth date agree; two different birth dates always speak against it. Every pair can be asked which
of the four agreed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Estimate, Window, shares
from crmkit.frames import Columns, Frame
from crmkit.reduction import Rows, Units, one_of, open_rows, summarise

MOST_SHARED = 20  # an address or number of more records is a dummy or the shop's own: it tells nobody apart
EVIDENCE = ("name", "email", "phone", "birth_date")
_KATAKANA = str.maketrans({chr(code): chr(code + 0x60) for code in range(0x3041, 0x3097)})
_MARKS = re.compile(r"[\s・.,'’\-]+")
FIRST, SECOND = nw.col("customer_id"), nw.col("other_customer_id")


def match_customers(
    customers: Any,
    *,
    agree: int = 2,
    result: Literal["persons", "pairs"] = "persons",
    columns: Columns = None,
) -> Any:
    """Find the records that are one person: names, e-mail, telephone and birth date in one writing, then compared.

    Full and half width, katakana and hiragana, capitals, blanks and the country code +81 make no difference. Pairs are
    looked for among records that share an e-mail address, a telephone number, or a name and a birth date. An address or
    number in more than 20 records (000-0000-0000, the shop's own) is no evidence. Records that are linked by others are
    one person too.

    The engine does the comparing; only the distinct texts, and the pairs that were found, come to the client.

    Args:
        customers: One row per record: `customer_id` and at least two of `name` (or `name_kana`), `email`, `phone`,
            `birth_date`.
        agree: How many of the four have to agree; 3 or 4 finds fewer pairs and errs less.
        result: "persons" = `customer_id`, `person_id` (the least id of those that are one person) and `records` (how
            many these are), one row per record; "pairs" = `customer_id`, `other_customer_id` and, for `name`, `email`,
            `phone` and `birth_date`, whether it agreed, one row per pair that was found.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, sorted by id.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: fewer than two kinds of evidence in the table, or `agree` is not 2, 3 or 4.

    Examples:
        >>> import pandas as pd
        >>> people = pd.DataFrame({
        ...     "customer_id": ["1", "2", "3"],
        ...     "name_kana": ["タカハシ ハルカ", "たかはしはるか", "タカハシ ハルカ"],
        ...     "email": ["haruka@example.com", "ＨＡＲＵＫＡ＠example.com", None],
        ... })
        >>> match_customers(people)["person_id"].to_list()
        ['1', '1', '3']
    """
    one_of("result", result, ("persons", "pairs"))
    if agree not in (2, 3, 4):
        raise ParameterError("match_agree", value=agree)
    needs = ("customer_id", "name", "name_kana", "email", "phone", "birth_date")
    rules = {"no_customer": FIRST.is_null()}
    opened = open_rows(customers, "customers", needs=needs, rules=rules, key="customer_id", columns=columns)
    opened.units().sums(rows=nw.lit(1.0)).whole()  # says what is left out
    keyed = _comparable(opened.rows())
    pairs = _matched(keyed, agree)
    if result == "pairs":
        return frames.give_back(pairs.sort("customer_id", "other_customer_id"))
    return frames.give_back(_persons(keyed, pairs).sort("customer_id"))


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


def plain(said: str) -> str:
    """The one writing that the writings of a name share: normal width, katakana, small letters, no blanks or marks.

    Examples:
        >>> plain("ﾀｶﾊｼ　はるか"), plain("O'Brien, Mary")
        ('タカハシハルカ', 'obrienmary')
    """
    return _MARKS.sub("", unicodedata.normalize("NFKC", said).translate(_KATAKANA).casefold())


def plain_email(address: str) -> str:
    """An e-mail address in normal width and small letters; "" for what is none.

    Examples:
        >>> plain_email(" Haruka＠example.com"), plain_email("none")
        ('haruka@example.com', '')
    """
    address = "".join(unicodedata.normalize("NFKC", address).casefold().split())
    return address if "@" in address.strip("@") else ""


def plain_phone(number: str) -> str:
    """The digits of a telephone number, +81 as the leading 0; "" for fewer than seven or all the same.

    Examples:
        >>> plain_phone("+81-90-0000-1234"), plain_phone("０９０（００００）１２３４"), plain_phone("000-0000")
        ('09000001234', '09000001234', '')
    """
    digits = "".join(re.findall(r"\d", re.sub(r"^\s*\+81(\s*\(0\))?", "0", unicodedata.normalize("NFKC", number))))
    return digits if len(digits) >= 7 and len(set(digits)) > 1 else ""


def _comparable(records: Frame) -> Frame:
    """`customer_id`, and by kind of evidence the one writing of what the record says; null where it says nothing."""
    found = records.collect_schema()
    there = {"name": {"name", "name_kana"} & set(found)} | {one: {one} & set(found) for one in EVIDENCE[1:]}
    if sum(bool(names) for names in there.values()) < 2:
        raise ParameterError("match_fields", options=", ".join(EVIDENCE), found=", ".join(found))
    ways = {"name": plain, "name_kana": plain, "email": plain_email, "phone": plain_phone}
    for column, way in ways.items():
        records = _rewritten(records, column, way) if column in found else _with_none(records, column, nw.String())
    if "birth_date" in found:
        records = records.with_columns(birth_date=nw.col("birth_date").dt.truncate("1d"))
    else:
        records = _with_none(records, "birth_date", nw.Datetime("us"))
    for column in ("email", "phone"):
        records = _told_apart(records, column)
    return records.select("customer_id", *ways, "birth_date")


def _with_none(records: Frame, column: str, dtype: Any) -> Frame:
    return records.with_columns(nw.lit(None, dtype).alias(column))


def _rewritten(records: Frame, column: str, way: Callable[[str], str]) -> Frame:
    """The column in one writing: worked out once for each distinct text, and joined back."""
    texts = records.select(_text=nw.col(column).cast(nw.String)).drop_nulls().unique(subset=["_text"])
    said = frames.fetch(texts)["_text"].to_list()
    plainly = [(one, way(one)) for one in said]
    plainly = [(one, short) for one, short in plainly if short]
    if not plainly:
        return _with_none(records, column, nw.String())
    lookup = frames.table(records, {"_text": [one for one, _ in plainly], "_plain": [short for _, short in plainly]})
    joined = records.with_columns(_text=nw.col(column).cast(nw.String)).join(
        frames.same_kind(records, lookup), on="_text", how="left"
    )
    return joined.drop(column, "_text").rename({"_plain": column})


def _told_apart(records: Frame, column: str) -> Frame:
    """The column without the values that too many records share."""
    shared = records.select(column).drop_nulls().group_by(column).agg(n=nw.len())
    shared = shared.filter(nw.col("n") > MOST_SHARED).select(column, _common=nw.lit(True))
    joined = records.join(shared, on=column, how="left")
    return joined.with_columns(nw.when(nw.col("_common").is_null()).then(nw.col(column)).alias(column)).drop("_common")


# --- pairs and persons


def _matched(keyed: Frame, agree: int) -> Frame:
    """The pairs that are one person, and which kinds of evidence agreed."""
    blocks = (("email",), ("phone",), ("name", "birth_date"), ("name_kana", "birth_date"))
    pairs = nw.concat([_pairs_by(keyed, on) for on in blocks], how="vertical").unique(
        subset=["customer_id", "other_customer_id"]
    )
    names = [name for name in keyed.collect_schema() if name != "customer_id"]
    pairs = pairs.join(keyed, on="customer_id", how="inner")
    other = keyed.rename({"customer_id": "other_customer_id", **{name: f"{name}_2" for name in names}})
    pairs = pairs.join(other, on="other_customer_id", how="inner")
    agreed = {one: _same(one, one) for one in EVIDENCE[1:]}
    agreed["name"] = nw.any_horizontal(
        *(_same(one, other) for one in ("name", "name_kana") for other in ("name", "name_kana")), ignore_nulls=False
    )
    nameless = nw.any_horizontal(
        *(nw.col(f"name{end}").is_null() & nw.col(f"name_kana{end}").is_null() for end in ("", "_2")),
        ignore_nulls=False,
    )
    known = ~nw.col("birth_date").is_null() & ~nw.col("birth_date_2").is_null()
    against = known & ~_same("birth_date", "birth_date")
    told = pairs.with_columns(
        against=against, nameless=nameless, **{f"{one}_agrees": agreed[one] for one in EVIDENCE}
    ).select(
        "customer_id",
        "other_customer_id",
        "against",
        "nameless",
        *(nw.col(f"{one}_agrees").alias(one) for one in EVIDENCE),
    )
    enough = nw.sum_horizontal(*(nw.col(one).cast(nw.Int64) for one in EVIDENCE)) >= agree
    kept = told.filter(enough & ~nw.col("against") & (nw.col("name") | nw.col("nameless")))
    return kept.select("customer_id", "other_customer_id", *EVIDENCE)


def _same(one: str, other: str) -> nw.Expr:
    return (nw.col(one) == nw.col(f"{other}_2")).fill_null(False)


def _pairs_by(keyed: Frame, on: tuple[str, ...]) -> Frame:
    """The pairs of records that share these values."""
    known = keyed.select("customer_id", *on).drop_nulls()
    other = known.rename({"customer_id": "other_customer_id"})
    return known.join(other, on=list(on), how="inner").filter(FIRST < SECOND).select("customer_id", "other_customer_id")


def _persons(keyed: Frame, pairs: Frame) -> Frame:
    """Each record with the least id of those it is linked with, and how many these are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = frames.fetch(pairs.select("customer_id", "other_customer_id"))
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
