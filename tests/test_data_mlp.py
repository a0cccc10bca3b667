"""The file of chapter 06, `d2lrec.data.path("mlp.mpk")`: what Burn wrote."""

from pathlib import Path

from d2lrec import data

GOLDEN = Path(__file__).parent / "golden" / "0.21.0"


def test_mlp_is_burns_own_file():
    written = (GOLDEN / "mlp" / "full.mpk").read_bytes()
    assert data.path("mlp.mpk").read_bytes() == written
