r"""Sets of characters in regular expressions: `[a-z0-9]`, `\d`, `\p{Lu}`, `[[:alpha:]]`, as RE2 has them.

Perl's classes are ASCII only, Unicode's categories come from Python's tables.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

_HIGHEST = 0x10FFFF
_PERL: dict[str, tuple[tuple[int, int], ...]] = {
    "d": ((48, 57),), "s": ((9, 10), (12, 13), (32, 32)), "w": ((48, 57), (65, 90), (95, 95), (97, 122))}
_POSIX: dict[str, tuple[tuple[int, int], ...]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)), "alpha": ((65, 90), (97, 122)), "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)), "cntrl": ((0, 31), (127, 127)), "digit": ((48, 57),), "graph": ((33, 126),),
    "lower": ((97, 122),), "print": ((32, 126),), "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)), "upper": ((65, 90),), "word": _PERL["w"], "xdigit": ((48, 57), (65, 70), (97, 102))}
_CATEGORIES = {"C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
               "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs"}
# Scripts are told by the beginning of a character's name: near enough, without a table of our own.
_SCRIPTS = {"Latin": "LATIN ", "Greek": "GREEK ", "Cyrillic": "CYRILLIC ", "Hebrew": "HEBREW ", "Arabic": "ARABIC ",
            "Han": "CJK ", "Hiragana": "HIRAGANA ", "Katakana": "KATAKANA ", "Hangul": "HANGUL ", "Thai": "THAI ",
            "Armenian": "ARMENIAN ", "Georgian": "GEORGIAN ", "Devanagari": "DEVANAGARI "}
_SIMPLE = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}

Failure = Callable[[str], Exception]


@dataclass(frozen=True, slots=True)
class Chars:
    """A set of characters."""

    ranges: tuple[tuple[int, int], ...] = ()
    unicode: tuple[tuple[str, bool], ...] = ()
    r"""Categories and scripts, each with whether it is turned round (`\P`)."""
    without: tuple[tuple[tuple[int, int], ...], ...] = ()
    r"""Ranges of which everything else is in the set: a `\D` among other things."""
    negated: bool = False
    fold: bool = False
    """Whether upper and lower case are the same."""

    def has(self, char: str) -> bool:
        """Return whether a character is in the set."""
        found = self._has(char)
        if not found and self.fold:
            found = any(len(other) == 1 and self._has(other) for other in (char.lower(), char.upper()))
        return found != self.negated

    def _has(self, char: str) -> bool:
        code = ord(char)
        if any(low <= code <= high for low, high in self.ranges):
            return True
        if any(_named(name, char) != turned for name, turned in self.unicode):
            return True
        return any(not any(low <= code <= high for low, high in ranges) for ranges in self.without)


ANY = Chars(ranges=((0, _HIGHEST),))
NOT_NEWLINE = Chars(ranges=((10, 10),), negated=True)


def _named(name: str, char: str) -> bool:
    if name == "Any":
        return True
    if name in _SCRIPTS:
        return unicodedata.name(char, "").startswith(_SCRIPTS[name])
    return unicodedata.category(char).startswith(name)


def bracket(text: str, at: int, fold: bool, failure: Failure) -> tuple[Chars, int]:
    """Return the set that `[...]` at a place stands for, and where the text goes on."""
    start, at = at, at + 1
    negated = text.startswith("^", at)
    at += negated
    chars, first = Chars(negated=negated, fold=fold), True
    while first or not text.startswith("]", at):
        if at >= len(text):
            raise failure(f"error parsing regexp: missing closing ]: `{text[start:]}`")
        first = False
        part, at, single = _member(text, at, failure)
        if single >= 0 and text.startswith("-", at) and not text.startswith("-]", at) and at + 1 < len(text):
            low, begin = single, at
            _, at, high = _member(text, at + 1, failure)
            if high < low:
                raise failure(f"error parsing regexp: invalid character class range: `{text[begin - 1:at]}`")
            part = Chars(ranges=((low, high),))
        chars = replace(chars, ranges=chars.ranges + part.ranges, unicode=chars.unicode + part.unicode,
                        without=chars.without + part.without)
    return chars, at + 1


def _member(text: str, at: int, failure: Failure) -> tuple[Chars, int, int]:
    """Return one member of a class, where the text goes on, and its code when it is a single character, else -1."""
    if text.startswith("[:", at):
        end = text.find(":]", at + 2)
        if end >= 0:
            name = text[at + 2:end]
            ranges = _POSIX.get(name.removeprefix("^"))
            if ranges is None:
                raise failure(f"error parsing regexp: invalid character class range: `{text[at:end + 2]}`")
            return Chars(without=(ranges,)) if name[:1] == "^" else Chars(ranges=ranges), end + 2, -1
    if text.startswith("\\", at):
        chars, end = escape(text, at, failure)
        single = len(chars.ranges) == 1 and chars.ranges[0][0] == chars.ranges[0][1] and not chars.without
        return chars, end, chars.ranges[0][0] if single else -1
    if at >= len(text):
        raise failure(f"error parsing regexp: missing closing ]: `{text}`")
    code = ord(text[at])
    return Chars(ranges=((code, code),)), at + 1, code


def escape(text: str, at: int, failure: Failure) -> tuple[Chars, int]:
    """Return the set that a backslash at a place begins, and where the text goes on."""
    char = text[at + 1:at + 2]
    if not char:
        raise failure("error parsing regexp: trailing backslash at end of expression: ``")
    if char in "pP":
        return _category(text, at, failure)
    if char.lower() in _PERL:
        ranges = _PERL[char.lower()]
        return (Chars(ranges=ranges) if char.islower() else Chars(without=(ranges,))), at + 2
    code, end = _code(text, at + 1, char)
    if code < 0 or code > _HIGHEST:
        raise failure(f"error parsing regexp: invalid escape sequence: `{text[at:at + 2]}`")
    return Chars(ranges=((code, code),)), end


def _code(text: str, at: int, char: str) -> tuple[int, int]:
    """Return the character an escape stands for, and where the text goes on; -1 for none."""
    if char in _SIMPLE:
        return _SIMPLE[char], at + 1
    if char == "x":
        return _hexadecimal(text, at + 1)
    octal = text[at:at + 3]
    if char in "01234567":
        digits = octal[:next((n for n, digit in enumerate(octal) if digit not in "01234567"), len(octal))]
        return (int(digits, 8), at + len(digits)) if char == "0" or len(digits) > 1 else (-1, at)
    if char.isascii() and not char.isalnum():
        return ord(char), at + 1
    return -1, at


def _hexadecimal(text: str, at: int) -> tuple[int, int]:
    end = text.find("}", at) if text.startswith("{", at) else at + 2
    digits = text[at + 1:end] if text.startswith("{", at) else text[at:end]
    if not digits or len(digits) > 8 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return -1, at
    if end == at + 2 and text[at] != "{" and len(digits) != 2:
        return -1, at
    return int(digits, 16), end + text.startswith("{", at)


def _category(text: str, at: int, failure: Failure) -> tuple[Chars, int]:
    turned = text[at + 1] == "P"
    if text.startswith("{", at + 2):
        end = text.find("}", at)
        name, after = text[at + 3:end], end + 1
    else:
        end = at + 2
        name, after = text[at + 2:at + 3], at + 3
    if name.startswith("^"):
        name, turned = name[1:], not turned
    if end < 0 or (name not in _CATEGORIES and name not in _SCRIPTS and name != "Any"):
        raise failure(f"error parsing regexp: invalid character class range: `{text[at:max(after, at + 2)]}`")
    return Chars(unicode=((name, turned),)), after
