"""Replies of real miners, decoded by meaning. The figures were computed by hand from the captured files."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.model.telemetry import BoardReading, Telemetry
from agent.model.topology import Family
from tests.contract.miner_replies import DRIVERS, encode

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captured replies are not beside the repository")

FOLDERS = {
    Family.ANTMINER_STOCK: ("antminer-v2020", ("summary", "pools", "stats")),
    Family.LUXOS: ("luxminer-v1", ("summary", "pools", "stats", "power", "config", "events")),
    Family.WHATSMINER: ("whatsminer-v1", ("summary", "pools", "devs")),
}


def near(value: float, rel: float = 1e-6) -> Any:
    return pytest.approx(value, rel=rel)


def captured(family: Family, command: str) -> Any:
    return json.loads((CAPTURES / FOLDERS[family][0] / f"{command}.json").read_text())


def joined(family: Family, **other_files: str) -> bytes:
    """The captured replies as the joined command would have brought them."""
    commands = FOLDERS[family][1]
    return encode({**{name: [captured(family, other_files.get(name, name))] for name in commands}, "id": 1})


def test_stock_s19_pro() -> None:
    t = DRIVERS[Family.ANTMINER_STOCK].decode(joined(Family.ANTMINER_STOCK))
    assert t == Telemetry(
        hashrate_th=near(110.56689),
        expected_th=near(110.0),
        work_gh=near(5_643_633_754.73),
        elapsed_s=50_474.0,
        accepted=4057.0,
        rejected=11.0,
        stale=1.0,
        accepted_diff=1_305_083_904.0,
        share_diff=near(524_288, rel=1e-3),
        hw_errors=562.0,
        chip_max_c=78.0,
        board_max_c=73.0,
        fans_rpm=(6000.0, 5880.0, 5040.0, 5040.0),
        power_w=None,
        pool_alive=True,
        pool_url="stratum+tcp://btc.global.luxor.tech:700",
        pool_user="satokierepair.H04YK",
        drops=1.0,
        pool_drops=1.0,
        suspended=None,
        tuned=None,
        boards=(
            BoardReading(1, 114, near(37.6033)),
            BoardReading(2, 114, near(35.53622)),
            BoardReading(3, 114, near(37.42738)),
            BoardReading(4, 0, None),
        ),
    )


def test_luxos_s19k_pro() -> None:
    t = DRIVERS[Family.LUXOS].decode(joined(Family.LUXOS))
    assert t == Telemetry(
        hashrate_th=near(59.75606),
        expected_th=near(61.9542),
        work_gh=near(56_917.91 * 3453),
        elapsed_s=3453.0,
        accepted=1483.0,
        rejected=1.0,
        stale=0.0,
        accepted_diff=42_323_968.0,
        share_diff=32_768.0,
        hw_errors=0.0,
        chip_max_c=47.0,
        fans_rpm=(1920.0, 1920.0, 2340.0, 2340.0),
        power_w=1051.0,
        pool_alive=True,
        pool_url="stratum+tcp://ca.stratum.braiins.com:3333",
        pool_user="asic-rs.user1",
        drops=0.0,
        pool_drops=0.0,
        suspended=False,
        tuned=None,
        boards=(
            BoardReading(1, 77, near(18.91028)),
            BoardReading(2, 77, near(18.93995)),
            BoardReading(3, 77, near(19.06767)),
            BoardReading(4, 0, 0.0),
        ),
    )


@pytest.mark.parametrize(("file", "codes"), [("summary", ()), ("summary_with_errors", ("110", "600"))])
def test_whatsminer_m20s(file: str, codes: tuple[str, ...]) -> None:
    t = DRIVERS[Family.WHATSMINER].decode(joined(Family.WHATSMINER, summary=file))
    assert t == Telemetry(
        hashrate_th=near(70.66811452),
        expected_th=near(65.3625),
        work_gh=near(687_977_549.397),
        elapsed_s=10_154.0,
        accepted=2338.0,
        rejected=0.0,
        stale=0.0,
        accepted_diff=158_334_976.0,
        share_diff=65_536.0,
        hw_errors=69.0,
        chip_max_c=92.5,
        fans_rpm=(6450.0, 6480.0),
        power_w=3417.0,
        pool_alive=True,
        pool_url="stratum+tcp://btc.example.pool:3333",
        pool_user="asic-rs.test",
        drops=0.0,
        pool_drops=0.0,
        suspended=None,
        tuned=True,
        boards=(
            BoardReading(0, 105, near(20.05343874), "H5M14S69129A17K10095"),
            BoardReading(1, 105, near(25.56731781), "H5M14S69129A17K10058"),
            BoardReading(2, 105, near(24.35129228), "H5M14S69129A17K10002"),
        ),
        codes=codes,
    )


@pytest.mark.parametrize("family", list(Family))
def test_work_agrees_with_average_and_age(family: Family) -> None:
    (summary,) = captured(family, "summary")["SUMMARY"]
    average_gh = summary["GHS av"] if "GHS av" in summary else summary["MHS av"] / 1e3
    t = DRIVERS[family].decode(joined(family))
    assert t.work_gh == near(average_gh * summary["Elapsed"], rel=1e-3)


@pytest.mark.parametrize("family", list(Family))
def test_a_lone_summary_is_enough(family: Family) -> None:
    t = DRIVERS[family].decode(encode(captured(family, "summary")))
    assert t.hashrate_th == DRIVERS[family].decode(joined(family)).hashrate_th
    assert t.pool_alive is None


@pytest.mark.parametrize("family", list(Family))
def test_a_missing_comma_between_rows_is_mended(family: Family) -> None:
    reply = joined(family)
    assert b"},{" in reply
    assert DRIVERS[family].decode(reply.replace(b"},{", b"}{")) == DRIVERS[family].decode(reply)
