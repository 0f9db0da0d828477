"""Health in Kubernetes' words: short while all is well, named but not described when it is not."""

from __future__ import annotations

from edge.apiserver import health

CHECKS: dict[str, health.Check] = {"ping": lambda: "", "store": lambda: "disk full at /secret/place"}


def test_what_is_wrong_is_named_and_not_described() -> None:
    assert health.all_checks("livez", CHECKS, (), verbose=False) == (
        500, "[+]ping ok\n[-]store failed: reason withheld\nlivez check failed\n")
    assert health.one_check(CHECKS["store"]) == (500, "internal server error: reason withheld\n")


def test_what_is_excluded_is_not_asked() -> None:
    assert health.all_checks("readyz", CHECKS, ("store",), verbose=False) == (200, "ok")
    assert health.all_checks("readyz", CHECKS, ("store",), verbose=True) == (
        200, "[+]ping ok\n[+]store excluded: ok\nreadyz check passed\n")
    assert health.one_check(CHECKS["ping"]) == (200, "ok")
