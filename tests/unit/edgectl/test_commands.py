import base64

import pytest

from edge.edgectl.commands import token
from edge.edgectl.failures import CtlError
from tests.fakes.clock import START


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86400), ("7d", 604800), ("0", 0), ("5s", 5),
                                               ("1h30m", 5400), ("3650d", 315360000)])
def test_ttls_are_numbers_with_a_unit(text: str, seconds: int) -> None:
    assert token.parse_ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1w", "1 h", "9999999999d", "\u0661h"])
def test_other_ttls_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(CtlError, match="such as 30m"):
        token.parse_ttl(text)




@pytest.mark.parametrize("text", ["0s", "0h0m", "3651d", "999999999d"])
def test_ttls_have_bounds(text: str) -> None:
    with pytest.raises(CtlError, match="ten years at most"):
        token.parse_ttl(text)


def secret(**values: str) -> dict[str, object]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": "bootstrap-token-abcdef"}, "data": data}


@pytest.mark.parametrize(("expiration", "state"), [
    ("", "valid"), ("2030-01-01T00:00:01Z", "valid"), ("2030-01-01T00:00:00Z", "expired"), ("soon", "expired")])
def test_a_token_is_shown_with_its_state_and_without_its_secret(expiration: str, state: str) -> None:
    found = token.shown(secret(expiration=expiration, description="for two", **{"token-secret": "hidden"}), START)
    assert found == {"id": "abcdef", "state": state, "expires": expiration, "description": "for two"}
    assert token.shown({"metadata": {"name": "bootstrap-token-x"}, "data": {"expiration": "%"}}, START)["state"] \
        == "expired"
