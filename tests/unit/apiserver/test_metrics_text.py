"""Numbers in the text format of Prometheus."""

from __future__ import annotations

from edge.apiserver.metrics_text import Gauge, single, written


def test_the_text() -> None:
    assert written((single("a_bytes", "Some bytes.", 2**40, "counter"),
                    Gauge("b", "Several.", (({"x": 'say "hi"\n\\'}, 1), ({"x": "y", "z": "w"}, 0.25))))) == (
        "# HELP a_bytes Some bytes.\n# TYPE a_bytes counter\na_bytes 1099511627776\n"
        "# HELP b Several.\n# TYPE b gauge\n"
        'b{x="say \\"hi\\"\\n\\\\"} 1\nb{x="y",z="w"} 0.25\n')
    assert written(()) == ""
