"""How a wrong value is named: Kubernetes' words, so that people and tools recognize them, and the rules of names.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import msgspec

from edge.api import labels, meta
from edge.api.errors import Cause

Causes = Iterator[Cause]
MAX_INT32 = 2**31 - 1
AT_LEAST_0 = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
_LONGEST_SHOWN = 4096
"""Characters of a wrong value; a thousand wrong values of a megabyte each are no message."""
CONFIG_KEY = ("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
              "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_WORDS = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
_LABEL_1035_WORDS = ("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                     "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
                     "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")
_SUBDOMAIN_WORDS = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
                    r"validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")

_WILDCARD = re.compile(r"\*\." + _SUBDOMAIN.pattern)
_WILDCARD_WORDS = ("a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                   "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
                   f"(e.g. '*.example.com', regex used for validation is '{_WILDCARD.pattern}')")


def required(field: str, detail: str = "") -> Cause:
    """Return the cause for a missing field."""
    return Cause(reason="FieldValueRequired", field=field, message=f"Required value{': ' + detail if detail else ''}")


def invalid(field: str, value: Any, detail: str) -> Cause:
    """Return the cause for a field whose value breaks a rule."""
    return Cause(reason="FieldValueInvalid", field=field, message=f"Invalid value: {_shown(value)}: {detail}")


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """Return the cause for a value that is not one of a closed set, listed in the order given."""
    listed = ", ".join(f'"{one}"' for one in supported)
    return Cause(reason="FieldValueNotSupported", field=field,
                 message=f"Unsupported value: {_shown(value)}: supported values: {listed}")


def duplicate(field: str, value: Any) -> Cause:
    """Return the cause for a value that may be there only once."""
    return Cause(reason="FieldValueDuplicate", field=field, message=f"Duplicate value: {_shown(value)}")


def repeated(values: Iterable[Hashable]) -> frozenset[int]:
    """Return the places of values that came before; each is looked at once, as a list may have many thousands."""
    seen: set[Hashable] = set()
    found = []
    for index, value in enumerate(values):
        if value in seen:
            found.append(index)
        seen.add(value)
    return frozenset(found)


def forbidden(field: str, detail: str) -> Cause:
    """Return the cause for a field that may not be set or changed."""
    return Cause(reason="FieldValueForbidden", field=field, message=f"Forbidden: {detail}")


def not_found(field: str, value: Any) -> Cause:
    """Return the cause for a name that refers to nothing."""
    return Cause(reason="FieldValueNotFound", field=field, message=f"Not found: {_shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    """Return the cause for a field with more bytes than the limit."""
    return Cause(reason="FieldValueTooLong", field=field, message=f"Too long: may not be more than {limit} bytes")


def too_many(field: str, number: int, limit: int) -> Cause:
    """Return the cause for a list with more elements than the limit."""
    return Cause(reason="FieldValueTooMany", field=field,
                 message=f"Too many: {number}: must have at most {limit} items")


def dns_label(value: str) -> str:
    """Return what is wrong with an RFC 1123 label; empty when nothing is."""
    return "must be no more than 63 characters" if len(value) > 63 else _matched(_LABEL, value, _LABEL_WORDS)


def dns_label_1035(value: str) -> str:
    """Return what is wrong with an RFC 1035 label, which starts with a letter; empty when nothing is."""
    if len(value) > 63:
        return "must be no more than 63 characters"
    return _matched(_LABEL_1035, value, _LABEL_1035_WORDS)


def dns_subdomain(value: str) -> str:
    """Return what is wrong with an RFC 1123 subdomain; empty when nothing is."""
    if len(value) > 253:
        return "must be no more than 253 characters"
    return _matched(_SUBDOMAIN, value, _SUBDOMAIN_WORDS)


def wildcard_subdomain(value: str) -> str:
    """Return what is wrong with a subdomain whose first label is `*`; empty when nothing is."""
    if len(value) > 253:
        return "must be no more than 253 characters"
    return _matched(_WILDCARD, value, _WILDCARD_WORDS)


def path_segment(value: str) -> str:
    """Return what is wrong with a name that only has to fit into a path, as RBAC's; empty when nothing is."""
    if value in (".", ".."):
        return f"may not be '{value}'"
    return next((f"may not contain '{sign}'" for sign in "/%" if sign in value), "")


def port_name(value: str) -> str:
    """Return what is wrong with the name of a port (an IANA service name); empty when nothing is."""
    if len(value) > 15:
        return "must be no more than 15 characters"
    if not re.fullmatch(r"[-a-z0-9]+", value):
        return "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", value):
        return "must contain at least one letter (a-z)"
    if "--" in value:
        return "must not contain consecutive hyphens"
    return "must not begin or end with a hyphen" if value[0] == "-" or value[-1] == "-" else ""


def config_key(value: str) -> str:
    """Return what is wrong with a key of a ConfigMap or Secret; empty when nothing is."""
    if len(value) > 253:
        return "must be no more than 253 characters"
    if value == "." or value.startswith(".."):
        return f"must not be '{value}'" if value in (".", "..") else "must not start with '..'"
    return "" if re.fullmatch(r"[-._a-zA-Z0-9]+", value) else CONFIG_KEY


def port_number(value: int) -> str:
    """Return what is wrong with a port number; empty when nothing is."""
    return "" if 1 <= value <= 65535 else "must be between 1 and 65535, inclusive"


def ip_address(value: str) -> str:
    """Return what is wrong with an IPv4 or IPv6 address; empty when nothing is."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return ""


def network(value: str) -> str:
    """Return what is wrong with a range of addresses; empty when nothing is."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    return "" if "/" in value else "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def check(field: str, value: Any, rule: Callable[[Any], str]) -> Causes:
    """Yield a cause when the rule finds something wrong with the value."""
    if problem := rule(value):
        yield invalid(field, value, problem)


def name_of(field: str, value: str, rule: Callable[[str], str] = dns_subdomain) -> Causes:
    """Yield what is wrong with a name that must be there."""
    if not value:
        yield required(field)
    else:
        yield from check(field, value, rule)


def one_of(field: str, value: str, supported: tuple[str, ...], *, optional: bool = False) -> Causes:
    """Yield a cause when the value is missing (unless optional) or not one of those supported."""
    if not value:
        if not optional:
            yield required(field)
    elif value not in supported:
        yield unsupported(field, value, supported)


def at_least(field: str, value: int | None, least: int = 0, most: int = MAX_INT32) -> Causes:
    """Yield a cause when a number is out of range; None is fine."""
    if value is None:
        return
    if value < least:
        yield invalid(field, value, f"must be greater than or equal to {least}")
    elif value > most:
        yield invalid(field, value, f"must be less than or equal to {most}")


def int_or_string(field: str, value: int | str) -> Causes:
    """Yield what is wrong with a port given by number or name."""
    if isinstance(value, int):
        yield from check(field, value, port_number)
    else:
        yield from check(field, value, port_name)


def count_or_percent(field: str, value: int | str | None) -> Causes:
    """Yield what is wrong with a number of pods or a share of them."""
    if isinstance(value, int):
        yield from at_least(field, value)
    elif isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
        yield invalid(field, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
                                    "'1%',  or '93%', regex used for validation is '[0-9]+%')")


def label_map(field: str, values: dict[str, str]) -> Causes:
    """Yield what is wrong with the names and values of labels."""
    for key, value in values.items():
        yield from check(field, key, labels.key_problem)
        yield from check(field, value, labels.value_problem)


def label_selector(field: str, selector: meta.LabelSelector | None) -> Causes:
    """Yield what is wrong with a label selector."""
    if selector is None:
        return
    yield from label_map(f"{field}.matchLabels", selector.match_labels)
    for index, term in enumerate(selector.match_expressions):
        here = f"{field}.matchExpressions[{index}]"
        yield from check(f"{here}.key", term.key, labels.key_problem)
        if term.operator in ("In", "NotIn"):
            if not term.values:
                yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            for number, value in enumerate(term.values):
                yield from check(f"{here}.values[{number}]", value, labels.value_problem)
        elif term.operator in ("Exists", "DoesNotExist"):
            if term.values:
                yield forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        else:
            yield invalid(f"{here}.operator", term.operator, "not a valid selector operator")


def same(field: str, new: Any, old: Any) -> Causes:
    """Yield a cause when a field changed that may not."""
    if new != old:
        yield invalid(field, new, IMMUTABLE)


def _matched(form: re.Pattern[str], value: str, words: str) -> str:
    return "" if form.fullmatch(value) else words


def _shown(value: Any) -> str:
    """Return the value as Go prints it: texts quoted, numbers plain, structs as JSON; the beginning of a long one."""
    if value is None:
        return "null"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
