"""Written by tools/face.py: what the face of the package offers, and from which room."""

from crmkit import models as models
from crmkit import plots as plots
from crmkit.compared import compare_groups as compare_groups
from crmkit.compared import definitions as definitions
from crmkit.compared import metric_by as metric_by
from crmkit.compared import proportion_ci as proportion_ci
from crmkit.compared import same_data_many_numbers as same_data_many_numbers
from crmkit.datasets import load as load
from crmkit.datasets import sample as sample
from crmkit.datasets.crm import Crm as Crm
from crmkit.estimate import Estimate as Estimate
from crmkit.metrics.counting import rate as rate
from crmkit.metrics.relationship.satisfaction import survey_response_rate as survey_response_rate
from crmkit.metrics.retention.cohorts import cohort_retention as cohort_retention
from crmkit.metrics.retention.repeat import churn_rate as churn_rate
from crmkit.metrics.retention.repeat import lapse_rate as lapse_rate
from crmkit.metrics.retention.repeat import reactivation_rate as reactivation_rate
from crmkit.metrics.retention.repeat import repeat_customers as repeat_customers
from crmkit.metrics.retention.repeat import repeat_rate as repeat_rate
from crmkit.metrics.retention.repeat import repeater_share as repeater_share
from crmkit.metrics.retention.repeat import repurchase_rate as repurchase_rate
from crmkit.metrics.retention.repeat import retention_rate as retention_rate
from crmkit.simulator.compare import compare as compare
from crmkit.simulator.defects import spoil as spoil
from crmkit.simulator.score import score as score
from crmkit.simulator.world import levers as levers
from crmkit.simulator.world import simulate as simulate
from crmkit.texts import term as term
from crmkit.texts import use_language as use_language

__version__: str
__all__: list[str]
