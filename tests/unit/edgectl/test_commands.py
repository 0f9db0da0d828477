import pytest

from edge.edgectl.commands import token
from edge.edgectl.failures import CtlError


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86400), ("7d", 604800), ("0", 0), ("5s", 5)])
def test_ttls_are_numbers_with_a_unit(text: str, seconds: int) -> None:
    assert token.parse_ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1w"])
def test_other_ttls_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(CtlError, match="such as 30m"):
        token.parse_ttl(text)


