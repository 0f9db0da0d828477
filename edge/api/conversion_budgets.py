"""PodDisruptionBudgets of `policy/v1beta1`, where an empty selector matched nothing; today it matches everything.

What the one version says with an empty selector, the other says with a condition on a label nobody has.
https://kubernetes.io/docs/reference/using-api/deprecation-guide/#poddisruptionbudget-v125
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_LABEL = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"


def budget_in(_api_version: str, obj: Json) -> None:
    """Say the selector in today's words."""
    _translate(obj, {"key": _LABEL, "operator": "DoesNotExist"}, {"key": _LABEL, "operator": "Exists"})


def budget_out(_api_version: str, obj: Json) -> None:
    """Say the selector in the words of `policy/v1beta1`."""
    _translate(obj, {"key": _LABEL, "operator": "Exists"}, {"key": _LABEL, "operator": "DoesNotExist"})


def _translate(obj: Json, to_empty: Json, from_empty: Json) -> None:
    spec = obj.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(selector, dict):
        return  # no selector at all matches nothing in every version
    labels, conditions = selector.get("matchLabels"), selector.get("matchExpressions")
    if labels:
        return
    if not conditions:
        spec["selector"] = {"matchExpressions": [from_empty]}
    elif conditions == [to_empty]:
        spec["selector"] = {}
