"""Headers that can be asked for: a number behind those that come more than once, the place of those without a name."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from crmkit.datasets.source import Offer, Source, SourceNote
from crmkit.texts import LANGUAGES, messages, text

_UNNAMED = "headers.unnamed"


def tidy(header: str) -> str:
    """A header without what people do not see: width, case, spaces and hyphens."""
    return "_".join(unicodedata.normalize("NFKC", header).casefold().replace("-", " ").split())


def told_apart(offer: Offer) -> Offer:
    """The same with a name of its own for each column; `stood` says what was there instead.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.datasets.natives import offer_of_frame
        >>> twice = pd.DataFrame([["2024-04-01", "2024-04-03", "x"]], columns=["日付", "日付", "店"])
        >>> told_apart(offer_of_frame(twice, "shop")).headers
        ('日付 (1)', '日付 (2)', '店')
    """
    names = _names(offer.headers)
    stood = {at: header for at, header in enumerate(offer.headers) if header != names[at]}
    if not stood:
        return offer
    # a column without a name and without values is only what a spreadsheet leaves at its edge
    told = [names[at] for at in stood if stood[at].strip() or _holds_anything(offer, at)]
    return replace(offer, headers=names, stood=stood, read=partial(_read_so, offer, names, tuple(told)))


def as_they_stand(offer: Offer) -> list[str]:
    """The headers of the source itself."""
    return [offer.stood.get(at, header) for at, header in enumerate(offer.headers)]


def places(offer: Offer, wanted: str) -> list[int]:
    """Where the column is that somebody calls so: several places where that name does not tell it from another."""
    same = [at for at, header in enumerate(offer.headers) if header == wanted]
    same = same or [at for at, header in enumerate(offer.headers) if header in _in_every_language(wanted)]
    stands = as_they_stand(offer)
    same = same or [at for at, header in enumerate(stands) if header == wanted and wanted.strip()]
    return same or [at for at, header in enumerate(stands) if tidy(header) == tidy(wanted) != ""]


def twins(offer: Offer, at: int) -> list[int]:
    """The places of a header that comes more than once; nothing of another."""
    stood = tidy(offer.stood.get(at, ""))
    return [place for place, header in offer.stood.items() if tidy(header) == stood] if stood else []


def _names(headers: Sequence[str]) -> tuple[str, ...]:
    plain = [tidy(header) for header in headers]
    times, ranks = Counter(plain), Counter[str]()
    taken = {header for header, one in zip(headers, plain, strict=True) if times[one] == 1}
    made: list[str] = []
    for at, (header, one) in enumerate(zip(headers, plain, strict=True)):
        ranks[one] += 1
        if not _is_seen(header):
            made.append(_free(text(_UNNAMED, place=at + 1), taken, ""))
        elif times[one] > 1:
            made.append(_free(" ".join(header.split()), taken, f" ({ranks[one]})"))
        else:
            made.append(header)
        taken.add(made[-1])
    return tuple(made)


def _free(name: str, taken: set[str], end: str) -> str:
    """The name with its ending; with another one where a column of the source is called so."""
    while name + end in taken:
        end += "'"
    return name + end


def _is_seen(header: str) -> bool:
    return any(sign.isprintable() and not sign.isspace() for sign in header)


def _holds_anything(offer: Offer, at: int) -> bool:
    return any(value is not None and str(value).strip() for value in offer.head[at].to_pylist())


def _read_so(offer: Offer, names: tuple[str, ...], told: tuple[str, ...]) -> Source:
    source = offer.read()
    said = (SourceNote("headers_told_apart", file=source.name, names=", ".join(told)),) if told else ()
    return replace(source, headers=names, notes=(*source.notes, *said))


def _in_every_language(name: str) -> list[str]:
    """What a column without a name is called by its place, whichever language it was written down in."""
    number = re.search(r"\d{1,5}", name)
    said = [messages(code)[_UNNAMED].format(place=int(number[0])) for code in LANGUAGES] if number else []
    return said if name in said else []
