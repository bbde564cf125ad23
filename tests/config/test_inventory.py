"""The CSV inventory: what spreadsheets write is read, and problems name file, line and column."""

from pathlib import Path

import pytest

from agent.config import ConfigError, load
from agent.model.ids import MinerId
from tests.config.sites import TEN_LINES, TEN_LINES_CSV, written

HEADINGS = "id,host,mac,model,family,rack,position,outlets,port,loop,pool_group,hashrate_th,power_w"


def problems_of(folder: Path, rows: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, TEN_LINES, rows))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_places_are_file_line_and_column_by_name(tmp_path: Path) -> None:
    rows = (
        f"{HEADINGS}\n"
        "a,10.20.1.1,,S19 Pro,antminer_stock,,,pdu-a/1,,,,110 TH,\n"
        "\n"
        'b,10.20.1.2,02:54:48,M50,,"a\nrack",,pdu-a/2,,,,,\n'
        "a,10.20.1.2,,M50,,,,pdu-a/2,,,,,3.3 kW\n"
        "d,,,M50,,,,,,,,,\n"
    )

    lines = problems_of(tmp_path, rows)

    assert [line.partition(": expected")[0] for line in lines] == [
        "inventory.csv:2:12(hashrate_th): inventory[a].hashrate_th",
        "inventory.csv:4:3(mac): inventory[b].mac",
        "inventory.csv:4:6(rack): inventory[b].rack",
        "inventory.csv:6:1(id): inventory[a].id",
        "inventory.csv:6:2(host): inventory[a].host",
        "inventory.csv:6:8(outlets): inventory[a].outlets",
        "inventory.csv:6:13(power_w): inventory[a].power_w",
        "inventory.csv:7:1: inventory[d].host",
    ]
    assert lines[0].endswith("write 110")
    assert lines[6].endswith("write 3300")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_whatever_separator_a_spreadsheet_writes_is_read(separator: str, tmp_path: Path) -> None:
    rows = TEN_LINES_CSV.replace(",", separator).replace("\n", "\r\n")

    assert [miner.id for miner in load(written(tmp_path, TEN_LINES, rows)).site.miners] == ["r1-01", "r1-02"]


def test_numbers_empty_cells_and_blank_rows(tmp_path: Path) -> None:
    rows = f"{HEADINGS.upper()}\na, 10.20.1.1 ,,S19 Pro,luxos,7,03,pdu-a/1,,,,104.5,3068\n,,,,,,,,,,,,\n"

    (miner,) = load(written(tmp_path, TEN_LINES, rows)).site.miners

    assert (miner.id, miner.host, miner.rack, miner.position) == (MinerId("a"), "10.20.1.1", "7", "03")
    assert (miner.hashrate_th, miner.power_w, miner.mac, miner.loop) == (104.5, 3068.0, None, None)


@pytest.mark.parametrize(
    ("rows", "start"),
    [
        ("", "inventory.csv:1:1: expected the headings id, host, model, got an empty first line; begin"),
        ("name,address\na,b\n", "inventory.csv:1:1: expected the headings id, host, model"),
        ("id,hosts,model\n", "inventory.csv:1:2(hosts): expected id, host"),
        ("id,host,model,outlet\n", "inventory.csv:1:4(outlet): "),
        ("id,host,model,id\n", "inventory.csv:1:4(id): expected each heading once"),
        (
            "id,host,model\n",
            "inventory.csv:1:1: inventory: expected a list with at least one item, got an empty list; add at least one",
        ),
        ("id,host,model,outlets\na,10.20.1.1,M50,pdu-a/1,pdu-a/2\n", "inventory.csv:2:5: expected 4 cells, got 5"),
        ('id,host,model\na,"10.20.1.1,M50\n', "inventory.csv:2:1: expected CSV, got unexpected end of data"),
        ("id,host,model\na,10.20.1.1,M50\n", "inventory.csv:2:1: inventory[a].outlets: expected at least one outlet"),
    ],
)
def test_a_sheet_that_is_no_inventory_is_refused(rows: str, start: str, tmp_path: Path) -> None:
    lines = problems_of(tmp_path, rows)

    assert any(line.startswith(start) for line in lines), lines


def test_a_sheet_that_cannot_be_read_does_not_hide_the_rest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, TEN_LINES.replace("voltage_v: 240", "voltage_v: high")))

    assert [problem.place.line for problem in caught.value.problems] == [7, 10]
