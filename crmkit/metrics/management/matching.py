"""Which customer records are one person, how many are too many, and how well the matching did. Metric 29.

Records are brought into one writing (`writing`), those that share something are held against each other (`likeness`),
and what weighs enough is one person. Every pair can be asked what it weighed, and why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Estimate, Window, shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.management import likeness
from crmkit.metrics.management.likeness import AGREE, DIFFER, EVIDENCE, UNKNOWN, Record
from crmkit.metrics.management.pairing import COUNTED, FIRST, candidates, opened, two
from crmkit.metrics.management.writing import plain
from crmkit.reduction import one_of, summarise
from crmkit.rows import Rows, Units, open_rows

HIDDEN = "***"


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
    keyed = opened(customers, columns)
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
        ...     "customer_id": ["1", "2"],
        ...     "name": ["高橋 遥", "髙橋　遥"],
        ...     "phone": ["090-0000-1234", "+81 90 0000 1243"],
        ... })
        >>> explain_match(people, "1", "2").loc[[0, 2, 5], ["evidence", "grade", "weight"]].values.tolist()
        [['name', 'agree', 15.0], ['phone', 'near', 6.0], ['sum', 'no match', 21.0]]
        >>> explain_match(people, "1", "2")["value"].dropna().to_list()
        ['***', '***']
        >>> explain_match(people, "1", "2", personal=True)["value"].dropna().to_list()
        ['高橋 遥', '09000001234']
    """
    threshold = _threshold(threshold)
    keyed = opened(customers, columns)
    told = two(keyed, customer_id, other_customer_id)
    first = frames.rows(told)[0]
    weighed = likeness.weighed(first)
    shown = [[_shown(first, one, end, personal) for one in EVIDENCE] + [None] for end in ("", "_2")]
    made = {
        "evidence": [*EVIDENCE, "sum"],
        "grade": [*(weighed[one] for one in EVIDENCE), "match" if weighed["weight"] >= threshold else "no match"],
        "weight": [*(weighed[f"{one}_weight"] for one in EVIDENCE), weighed["weight"]],
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


def _threshold(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise ParameterError("match_threshold", value=value)
    return float(value)


def _found(keyed: Frame, threshold: float, agree: int | None) -> nw.DataFrame[Any]:
    """The pairs that are one person, on the client, and what speaks for it."""
    small = frames.fetch(candidates(keyed, threshold, agree))
    told = [dict(zip(small.columns, row, strict=True)) for row in small.iter_rows()]
    ids = ("customer_id", "other_customer_id")
    if agree is not None:
        counted = ((at, likeness.grades(pair)) for at, pair in enumerate(told))
        agreed = [
            (at, {one: grades[one] == AGREE for one in COUNTED})
            for at, grades in counted
            if _counts(told[at], grades, agree)
        ]
        return _table(small.select(*ids), agreed, dict.fromkeys(COUNTED, nw.Boolean()))
    kinds: dict[str, Any] = {}
    for one in EVIDENCE:
        kinds |= {one: nw.String(), f"{one}_weight": nw.Float64()}
    weights = [(at, one) for at, one in enumerate(map(likeness.weighed, told)) if one["weight"] >= threshold]
    kept = _unambiguous(weights, told)
    return _table(small.select(*ids), kept, kinds | {"weight": nw.Float64()})


def _table(ids: nw.DataFrame[Any], kept: Sequence[tuple[int, Record]], kinds: Mapping[str, Any]) -> nw.DataFrame[Any]:
    """The kept pairs with what was found of them beside."""
    picked = ids[[at for at, _ in kept]] if kept else ids.head(0)
    beside = [
        nw.new_series(name, [found[name] for _, found in kept], kind, backend=ids.implementation)
        for name, kind in kinds.items()
    ]
    return nw.maybe_reset_index(picked).with_columns(*beside)


def _counts(pair: Record, grades: dict[str, str], agree: int) -> bool:
    """Whether enough agrees, the names (unless one has none) among it, and the birth dates do not speak against it."""
    if "/" not in (pair["who"], pair["who_2"]):
        texts = [{plain(one) for one in pair[end].split("/") if one} for end in ("who", "who_2")]
        if not texts[0] & texts[1]:
            return False
        grades["name"] = AGREE
    return sum(grades[one] == AGREE for one in COUNTED) >= agree and grades["birth_date"] in (AGREE, UNKNOWN)


def _unambiguous(kept: Sequence[tuple[int, Record]], told: Sequence[Record]) -> Sequence[tuple[int, Record]]:
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
    return joined.select("customer_id", person_id=person, records=nw.col("_records").fill_null(1).cast(nw.Int64))
