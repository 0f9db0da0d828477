"""The text of `iptables-save -t filter` -> a table of rules, as far as they can be understood.

That is how Docker and ufw make theirs. nft shows them too, but not what iptables' own extensions say.
"""

from __future__ import annotations

import shlex

from edge.rack.foreign import Chain, Match, Rule, Table

_HOOKS = {"FORWARD": "forward", "INPUT": "input"}
_OPTIONS = {"-i": "iif", "-o": "oif", "-s": "source", "-d": "target", "-p": "protocol", "--dport": "port",
            "--dports": "port", "--ctstate": "state", "--state": "state", "--dst-type": "type"}
_SAYS_NOTHING = ("-m", "--comment", "--reject-with", "--log-prefix", "--log-level")
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return", "LOG": ""}


def tables(text: str, name: str) -> tuple[Table, ...]:
    """Return the filter table under a name, such as `iptables`; none when there is nothing of iptables in it."""
    if "incompatible" in text.partition("*filter")[0]:
        return ()
    policies: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    for line in text.splitlines():
        words = _words(line)
        if words and words[0].startswith(":") and len(words) > 1:
            policies[words[0][1:]] = words[1]
        elif len(words) > 1 and words[0] == "-A":
            rules.setdefault(words[1], []).append(_rule(words[2:]))
    chains = {chain: Chain(rules=tuple(rules.get(chain, ())), hook=_HOOKS.get(chain, ""),
                           policy="drop" if policy == "DROP" else "accept") for chain, policy in policies.items()}
    return (Table(name=name, chains=chains),) if chains else ()


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def _rule(words: list[str]) -> Rule:
    matches: list[Match] = []
    verdict, goto, negated = "", False, False
    options = iter(words)
    for option in options:
        if option == "!":
            negated = True
            continue
        value = next(options, "")
        if option in ("-j", "-g"):
            verdict, goto = _VERDICTS.get(value, value), option == "-g"
        elif name := _OPTIONS.get(option):
            several = name in ("state", "port", "type")
            values = tuple(part.lower().replace(":", "-") if several else part.replace("+", "*")
                           for part in (value.split(",") if several else (value,)))
            matches.append(Match(name, values, negated))
        elif option not in _SAYS_NOTHING:
            matches.append(Match(""))
        negated = False
    return Rule(tuple(matches), verdict, goto)
