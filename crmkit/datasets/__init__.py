"""Tables in and out: a shop's own data with every row accounted for, saved folders, and the sets that come along."""

from __future__ import annotations

from crmkit.datasets.crm import Crm
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.hashes import fingerprint
from crmkit.datasets.loading import load, recognize, sample
from crmkit.datasets.mapping import ColumnMapping

__all__ = ["ColumnMapping", "Crm", "Dataset", "fingerprint", "load", "recognize", "sample"]
