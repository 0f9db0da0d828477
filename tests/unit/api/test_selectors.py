"""Label and field selectors, and times: what is read, what matches, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edge.api import errors, fields, labels, meta, times


@pytest.mark.parametrize(("text", "selected", "left"), [
    ("", [{}, {"a": "b"}], []),
    ("a=b", [{"a": "b"}], [{}, {"a": "c"}]),
    ("a==b", [{"a": "b"}], [{"a": ""}]),
    ("a!=b", [{}, {"a": "c"}], [{"a": "b"}]),
    ("a", [{"a": ""}], [{}]),
    ("!a", [{}], [{"a": "b"}]),
    ("a in (b, c)", [{"a": "b"}, {"a": "c"}], [{}, {"a": "d"}]),
    ("a notin (b,c)", [{}, {"a": "d"}], [{"a": "b"}]),
    ("a=", [{"a": ""}], [{}, {"a": "b"}]),
    ("a>3,a<10", [{"a": "4"}], [{"a": "3"}, {"a": "10"}, {"a": "x"}, {}]),
    ("ver=2, app = alpaca", [{"ver": "2", "app": "alpaca"}], [{"ver": "2"}]),
    ("edge.io/key in (a)", [{"edge.io/key": "a"}], [{}]),
    ("in=notin", [{"in": "notin"}], [{}]),
])
def test_label_selectors(text: str, selected: list[dict[str, str]], left: list[dict[str, str]]) -> None:
    selector = labels.parse(text)
    again = labels.parse(str(selector))

    assert all(selector.matches(one) and again.matches(one) for one in selected)
    assert not any(selector.matches(one) or again.matches(one) for one in left)


@pytest.mark.parametrize(("text", "words"), [
    ("a,", "found '', expected: identifier after ','"),
    (",a", "found ',', expected: !, identifier, or 'end of string'"),
    ("a=b=c", "found '=', expected: ',' or 'end of string'"),
    ("a=b c", "found 'c', expected: ',' or 'end of string'"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("a!b", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"),
    ("!", "unable to parse requirement: found '', expected: identifier"),
    ("!a=b", "unable to parse requirement: found '=', expected: in, notin, =, ==, !=, gt, lt"),
    ("a in", "unable to parse requirement: found '' expected: '('"),
    ("a in b", "unable to parse requirement: found 'b' expected: '('"),
    ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
    ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier"),
    ("a==(b)", "unable to parse requirement: found '(', expected: identifier"),
    ("a in ()x", "found 'x', expected: ',' or 'end of string'"),
    ("(a)", "found '(', expected: !, identifier, or 'end of string'"),
    ("=b", "found '=', expected: !, identifier, or 'end of string'"),
    ("a=_", "unable to parse requirement: values[0][a]: Invalid value: \"_\": a valid label must be an empty string"),
    ("-a", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric"),
    ("a/b/c", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": '),
    ("a>b", "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be "
            "an integer"),
    ("a=" + "x" * 64, "must be no more than 63 characters"),
])
def test_label_selectors_that_are_none(text: str, words: str) -> None:
    with pytest.raises(errors.BadRequest) as refused:
        labels.parse(text)
    assert words in refused.value.message


@pytest.mark.parametrize(("text", "values"), [("a in ()", {""}), ("a in (,b)", {"", "b"}), ("a in (b,)", {"", "b"}),
                                              ("a in (in,notin)", {"in", "notin"}), ("a in (b,,c)", {"", "b", "c"})])
def test_sets_of_values(text: str, values: set[str]) -> None:
    assert labels.parse(text).requirements[0].values == values


def test_selectors_of_the_api() -> None:
    both = meta.LabelSelector(match_labels={"app": "web"}, match_expressions=(
        meta.LabelSelectorRequirement(key="tier", operator="NotIn", values=("db",)),))

    assert labels.from_label_selector(both).matches({"app": "web", "tier": "front"})
    assert not labels.from_label_selector(both).matches({"app": "web", "tier": "db"})
    assert labels.from_label_selector(meta.LabelSelector()).matches({"any": "thing"})
    assert not labels.from_label_selector(None).matches({})
    assert str(labels.from_label_selector(both)) == "app=web,tier!=db"


def test_field_selectors() -> None:
    selector = fields.parse(r"spec.nodeName=node-1,status.phase!=Running,metadata.name==a\,b")

    assert selector.matches({"spec.nodeName": "node-1", "status.phase": "Pending", "metadata.name": "a,b"})
    assert not selector.matches({"spec.nodeName": "node-1", "status.phase": "Running", "metadata.name": "a,b"})
    assert selector.exact("spec.nodeName") == "node-1"
    assert selector.exact("status.phase") is None
    assert fields.parse(str(selector)) == selector
    assert fields.parse("").matches({})
    assert fields.parse("spec.nodeName=").matches({})


@pytest.mark.parametrize("text", ["a", "=b", "a=b=c", "a!b"])
def test_field_selectors_that_are_none(text: str) -> None:
    with pytest.raises(errors.BadRequest):
        fields.parse(text)


@pytest.mark.parametrize(("text", "moment"), [
    ("2017-09-20T12:00:00Z", datetime(2017, 9, 20, 12, tzinfo=UTC)),
    ("2017-09-20T14:00:00+02:00", datetime(2017, 9, 20, 12, tzinfo=UTC)),
    ("2017-09-20T12:00:00.123456789Z", datetime(2017, 9, 20, 12, 0, 0, 123456, tzinfo=UTC)),
])
def test_times(text: str, moment: datetime) -> None:
    assert times.parse(text) == moment
    assert times.render(moment) == "2017-09-20T12:00:00Z"
    assert times.parse(times.render_micro(moment)) == moment


@pytest.mark.parametrize("text", ["", "now", "2017-09-20", "2017-09-20 12:00:00Z", "2017-09-20T12:00:00",
                                  "2017-13-20T12:00:00Z", "20170920T120000Z"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        times.parse(text)
