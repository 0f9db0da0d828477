"""Patterns mean what they mean in RE2, and no text makes one slow."""

from __future__ import annotations

import pytest

from edge.api import regex
from edge.api.regex_machine import Pattern, TooMuchWork, Work

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CRON = r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"


def matches(pattern: str, text: str) -> bool:
    return Pattern(pattern).search(text, Work())


@pytest.mark.parametrize(("pattern", "text"), [
    (NAME, "a.b-c.d"), (CRON, "*/5 1 * * 3"), ("b", "abc"), ("", ""), ("x*", "q"), ("^(a|b{2,3})$", "bbb"),
    (r"\bfoo\b", "a foo b"), (r"^\p{Lu}\pL+$", "Émile"), (r"^\p{Greek}+$", "αβγ"), (r"(?i)^straße$", "STRAßE"),
    ("(?m)^b$", "a\nb\nc"), ("(?s)^.$", "\n"), (r"\Qa.b\E", "a.b"), ("^a{,3}$", "a{,3}"), ("^[[:alpha:]_-]+$", "a-_"),
    (r"^\x{1F600}$", "\U0001f600"), (r"^[^a-c]$", "d"), (r"^[\d\-x]+$", "1-x"), ("^(?:ab)+?$", "abab"),
    ("^(?P<name>a)(?<other>b)$", "ab"), (r"^\A\x41\101\t$", "AA\t"), ("^[]a]$", "]"), ("(?i:a)b", "Ab"),
    (r"^\D$", "x"), (r"^[^\D]$", "5"), ("a|", ""), ("^a{0}$", ""), ("^(a{2}){3}$", "aaaaaa"), (r"\B", "ab"),
])
def test_what_a_pattern_matches(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(("pattern", "text"), [
    (NAME, "a..b"), (CRON, "* * * *"), ("^a+$", "aaa\n"), ("^(a|b{2,3})$", "bbbb"), (r"\bfoo\b", "afoo b"),
    (r"^\d$", "٣"), (r"^[^\s\d]+$", "ab c"), ("^.$", "\n"), (r"\Qa.b\E", "axb"), ("(?i:a)b", "AB"), (r"^\PL$", "x"),
    ("^b$", "a\nb"), (r"^[^\D]$", "x"), ("^((?i)a)b$", "AB"),
])
def test_what_a_pattern_does_not_match(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


@pytest.mark.parametrize(("pattern", "problem"), [
    ("(a", "missing closing ): `(a`"), ("a)", "unexpected ): `a)`"), ("[a", "missing closing ]: `[a`"),
    ("*a", "missing argument to repetition operator: `*`"), ("{2}", "missing argument to repetition operator: `{2}`"),
    ("a**", "invalid nested repetition operator: `**`"), ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("a{1001}", "invalid repeat count: `{1001}`"), ("a{3,2}", "invalid repeat count: `{3,2}`"),
    ("(a{100}){100}", "invalid repeat count: `{100}`"), ("[z-a]", "invalid character class range: `z-a`"),
    (r"(?=a)", "invalid or unsupported Perl syntax: `(?=`"), (r"(?<!a)", "invalid or unsupported Perl syntax: `(?<`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"), (r"\Z", r"invalid escape sequence: `\Z`"),
    ("\\", "trailing backslash at end of expression: ``"), ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    (r"\p{Klingon}", r"invalid character class range: `\p{Klingon}`"), ("(?P<1>a)", "invalid named capture: `(?P<1>`"),
])
def test_what_is_no_pattern_is_told_in_go_s_words(pattern: str, problem: str) -> None:
    with pytest.raises(regex.RegexError) as caught:
        Pattern(pattern)
    assert str(caught.value) == f"error parsing regexp: {problem}"


@pytest.mark.parametrize("pattern", ["(" * 500 + ")" * 500, "[" * 3000, "a" * 20_000,
                                     "((a|b)" + "(c|d)" * 1000 + "){5}", "([a-z]{100}[0-9]{100}){9}" * 20,
                                     "(?" + "i" * 5000, "\\p{" * 2000])
def test_a_huge_pattern_is_refused_and_not_worked_on(pattern: str) -> None:
    with pytest.raises(regex.RegexError):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(a*)*b", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$",
                                     "(.*)*$x", "(a?){200}a{200}"])
def test_a_pattern_that_takes_others_for_ever_is_done_at_once(pattern: str) -> None:
    work = Work()

    Pattern(pattern).search("a" * 20_000 + "!", work)

    work.spend(500_000)  # there is plenty left


def test_a_text_that_takes_too_long_is_given_up() -> None:
    text = "".join(f"{number:b}" for number in range(9_000)).replace("0", "a").replace("1", "b")

    with pytest.raises(TooMuchWork):
        matches("(a|b)*a(a|b){60}c", text)


def test_many_different_characters_do_not_pile_up() -> None:
    pattern = Pattern("^[^x]*$")

    assert pattern.search("".join(chr(code) for code in range(0x4E00, 0x9FFF)), Work())
    assert pattern._kept <= 5_000
