"""What customers say when asked: hand-worked tables on every engine, and the traps around them."""

from __future__ import annotations

import pandas as pd
import pytest

from crmkit.errors import RowsLeftOut
from crmkit.metrics.relationship.satisfaction import survey_response_rate

ASKED = pd.DataFrame(
    {
        "survey_id": ["1", "2", "3", "4", "4", "6"],
        "kind": ["csat", "csat", "nps", "csat", "csat", "csat"],
        "sent_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03", "2026-04-01", "2026-04-01", "2026-03-09"]),
        "responded_at": pd.to_datetime(["2026-04-05", None, "2026-03-04", None, None, "2026-03-01"]),
        "channel": ["email", "email", "sns", None, None, "email"],
    }
)


def test_response_rate_is_about_the_invitations_of_the_window(engine):
    with pytest.warns(RowsLeftOut):
        rate = survey_response_rate(engine(ASKED), kind="csat", end="2026-04-01")
    assert (rate.numerator, rate.denominator) == (1, 2)
    assert rate.excluded == {"same_key": 1, "out_of_order": 1}


def test_response_rate_by_channel(engine):
    table = engine.back(survey_response_rate(engine(ASKED), by="channel")).sort_values("channel", na_position="last")
    assert table["numerator"].to_list() == [1, 1, 0]
    assert table["denominator"].to_list() == [2, 1, 1]
    assert table["rows_left_out"].to_list() == [1, 0, 0]
