"""Says how the server is: `/livez`, `/readyz`, `/healthz`, all checks together or one alone.

Everybody may ask, so that what is wrong is named and not described.
https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

PATHS = ("/healthz", "/livez", "/readyz")
Check = Callable[[], str]
"""Returns "" when a part is healthy, else what is wrong with it."""


def all_checks(name: str, checks: Mapping[str, Check], excluded: Iterable[str], *, verbose: bool) -> tuple[int, str]:
    """Return the status and the text of `/<name>`, which is short as long as everything is well."""
    unknown = dict.fromkeys(excluded)
    lines, broken = [], False
    for check, run in checks.items():
        if check in unknown:
            unknown.pop(check)
            lines.append(f"[+]{check} excluded: ok")
        elif run():
            broken = True
            lines.append(f"[-]{check} failed: reason withheld")
        else:
            lines.append(f"[+]{check} ok")
    if unknown:
        names = ", ".join(f'"{each}"' for each in sorted(unknown))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
    if not broken and not verbose:
        return 200, "ok"
    lines.append(f"{name} check {'failed' if broken else 'passed'}")
    return 500 if broken else 200, "\n".join([*lines, ""])


def one_check(run: Check) -> tuple[int, str]:
    """Return the status and the text of `/<name>/<check>`."""
    return (500, "internal server error: reason withheld\n") if run() else (200, "ok")
