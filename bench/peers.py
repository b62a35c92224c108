"""The nearest counterparts of other packages, each in a throw-away environment of its own beside crmkit's.

`ask` makes the environment (once, under `.build/`) and runs this same file inside it, where only the peer is there.
lifetimes and openretailscience want pandas before 3, clvkit wants 3: hence two environments.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

TIMES = 3
ENOUGH_SECONDS = 60.0  # what is slow is measured once
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Peer:
    """A package, the questions it can answer, and the environment it lives in."""

    package: str
    environment: str
    questions: tuple[str, ...]


ENVIRONMENTS = {
    "bench-peers": ("lifetimes==0.11.3", "openretailscience==0.48.1", "pandas==2.3.3", "pyarrow==25.0.1"),
    "bench-peers-pandas3": ("clvkit==0.2.1", "pandas==3.1.1", "pyarrow==26.0.0"),
    "bench-survival": ("lifelines==0.30.3", "mlxtend==0.25.0", "pandas==2.3.3", "pyarrow==25.0.1"),
    "bench-pymc": ("pymc-marketing==0.19.2", "pandas==3.1.1", "pyarrow==26.0.0"),
    "bench-generators": ("jafgen==0.4.14", "leadforge==1.0.0", "faker==40.54.0"),
}
PEERS = (
    Peer("lifetimes", "bench-peers", ("repeat_rate", "summary", "bg_nbd")),
    Peer("clvkit", "bench-peers-pandas3", ("repeat_rate", "cohorts", "summary", "bg_nbd")),
    Peer("pymc-marketing", "bench-pymc", ("summary",)),
    Peer("lifelines", "bench-survival", ("kaplan_meier",)),
    Peer("mlxtend", "bench-survival", ("association_lift",)),
    Peer("openretailscience", "bench-peers", ("cohorts",)),
)


def ask(peer: Peer, question: str, orders: Path, root: Path) -> dict[str, Any]:
    """`peer_ms` (median) and `value` of a peer's answer, or `missing`: why there is none."""
    return inside(peer.environment, root, __file__, peer.package, question, str(orders))


def inside(environment: str, root: Path, *command: str) -> dict[str, Any]:
    """What a program tells that runs in an environment: its last line as JSON, or `missing`: why there is none."""
    try:
        python = str(_environment(environment, root))
        ran = subprocess.run([python, *command], check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        return dict(json.loads(ran.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, OSError) as error:
        output = str(getattr(error, "stderr", None) or error).strip()
        reason = output.splitlines()[-1] if output.startswith("Traceback") else " ".join(output.split())
        return {"missing": reason[:200]}


def _environment(name: str, root: Path) -> Path:
    """The environment's Python, made if it is missing or holds other packages."""
    folder = root / ".build" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp, wanted = folder / "ready", "\n".join(ENVIRONMENTS[name])
    if not (stamp.exists() and stamp.read_text() == wanted):
        beside = Path(sys.executable).with_name("uv")
        uv = str(beside) if beside.exists() else shutil.which("uv")
        if uv is None:
            raise OSError("uv is missing: make dev")
        make = [uv, "venv", "--clear", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--compile-bytecode", "--python", str(python), *ENVIRONMENTS[name]]
        for command in (make, install):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        stamp.write_text(wanted)
    return python


def _repeat_rate_lifetimes(orders: Any) -> float:
    from lifetimes.utils import summary_data_from_transaction_data

    summary = summary_data_from_transaction_data(_valid(orders), "customer_id", "ordered_at")
    return float((summary["frequency"] > 0).mean())


def _repeat_rate_clvkit(orders: Any) -> float:
    from clvkit.customer_base import CustomerBase

    base = CustomerBase.from_transactions(_valid(orders), datetime_col="ordered_at", amount_col=None)
    return float((base.to_pandas()["frequency"] > 0).mean())


def _cohorts_clvkit(orders: Any) -> float:
    from clvkit.cohort.matrix import CohortMatrix

    matrix = CohortMatrix.from_transactions(_valid(orders), datetime_col="ordered_at", amount_col=None)
    return float(matrix.to_pandas().sum().sum())


def _cohorts_openretailscience(orders: Any) -> float:
    from openretailscience.analysis.cohort import CohortAnalysis

    valid = _valid(orders).rename(columns={"ordered_at": "transaction_date"})
    return float(CohortAnalysis(valid, aggregation_column="customer_id", period="month").df.sum().sum())


def _summary_lifetimes(orders: Any) -> float:
    from lifetimes.utils import summary_data_from_transaction_data

    valid = _valid(orders, "net_amount")
    made = summary_data_from_transaction_data(valid, "customer_id", "ordered_at", monetary_value_col="net_amount")
    return _total(made)


def _summary_clvkit(orders: Any) -> float:
    from clvkit.customer_base import CustomerBase

    valid = _valid(orders, "net_amount")
    return _total(CustomerBase.from_transactions(valid, datetime_col="ordered_at", amount_col="net_amount").to_pandas())


def _summary_pymc_marketing(orders: Any) -> float:
    from pymc_marketing.clv.utils import rfm_summary

    valid = _valid(orders, "net_amount")
    made = rfm_summary(valid, "customer_id", "ordered_at", monetary_value_col="net_amount", time_unit="D")
    return _total(made)


def _total(summary: Any) -> float:
    """One number that tells two summaries apart: repeat orders, days and mean amounts, summed over all customers."""
    names = ["frequency", "recency", "T", "monetary" if "monetary" in summary else "monetary_value"]
    return float(summary[names].sum().sum())


def _bg_nbd_lifetimes(summary: Any) -> float:
    from lifetimes import BetaGeoFitter

    return float(BetaGeoFitter().fit(summary["frequency"], summary["recency"], summary["T"]).params_["r"])


def _bg_nbd_clvkit(summary: Any) -> float:
    import pandas as pd
    from clvkit.clv import BGNBD
    from clvkit.customer_base import CustomerBase

    end = pd.Timestamp("2025-12-31")  # no fit looks at it
    base = CustomerBase(
        summary, time_unit="W", collapse="D", observation_period_end=end, has_monetary=False, on_negative="net"
    )
    return float(BGNBD().fit(base).params_["r"])


def _kaplan_meier_lifelines(lives: Any) -> float:
    from lifelines import KaplanMeierFitter

    return float(KaplanMeierFitter().fit(lives["days"], lives["ended"]).predict(180))


def _association_lift_mlxtend(items: Any) -> float:
    """Sum of the lifts of all pairs, each once (the rules tell both directions); its apriori takes far longer."""
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth
    from mlxtend.preprocessing import TransactionEncoder

    baskets = items.groupby("order_id")["product_id"].agg(list)
    encoder = TransactionEncoder()
    table = pd.DataFrame(encoder.fit_transform(baskets), columns=encoder.columns_)
    found = fpgrowth(table, min_support=0.001, max_len=2)
    return float(association_rules(found, metric="lift", min_threshold=0)["lift"].sum() / 2)


def _valid(orders: Any, *more: str) -> Any:
    """None of the peers knows about cancelled orders: their users leave them out first."""
    counts = (orders["status"] == "completed") & (orders["net_amount"] >= 0)
    return orders.loc[counts, ["customer_id", "ordered_at", *more]]


def _inside(package: str, question: str, path: str) -> None:
    """In the peer's environment: time one question and print the answer."""
    import warnings

    import pandas as pd

    warnings.simplefilter("ignore")
    orders = pd.read_parquet(path)
    answer = globals()[f"_{question}_{package}".replace("-", "_")]
    begun = time.perf_counter()
    value, times = answer(orders), []
    while len(times) < TIMES and (not times or time.perf_counter() - begun < ENOUGH_SECONDS):
        at = time.perf_counter()
        answer(orders)
        times.append(time.perf_counter() - at)
    print(json.dumps({"peer_ms": median(times) * 1e3, "value": value}))


if __name__ == "__main__":
    _inside(*sys.argv[1:])
