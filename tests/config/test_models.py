"""The table of miner models: names however written, figures that can be true."""

from typing import Any

import pytest

from agent.config.models import ModelTable
from agent.config.schema_devices import ModelSection
from agent.model.topology import Family


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("S19 Pro", "S19 Pro"),
        ("Antminer S19 Pro", "S19 Pro"),
        ("Bitmain Antminer S19k Pro", "S19k Pro"),
        ("s19kpro", "S19k Pro"),
        ("S19K Pro No PIC", "S19k Pro"),
        ("S19 XP (LuxOS)", "S19 XP"),
        ("S19j Pro+", "S19j Pro+"),
        ("M50 VH30", "M50"),
        ("WhatsMiner M50S_VK20", "M50S"),
        ("M30S++ VH60", "M30S++"),
        ("M30S+ V20", "M30S+"),
    ],
)
def test_a_model_is_found_however_it_is_written(written: str, name: str) -> None:
    figures = ModelTable().get(written)

    assert figures is not None
    assert figures.name == name


@pytest.mark.parametrize("written", ["", "S19 Prro", "M99", "Avalon 1566", "VH30", "(LuxOS)"])
def test_an_unknown_model_is_unknown(written: str) -> None:
    assert ModelTable().get(written) is None


def test_only_a_model_with_one_control_software_implies_it() -> None:
    table = ModelTable()

    for name in table.names:
        figures = table.get(name)
        assert figures is not None
        whatsminer = name.startswith("M")
        assert figures.families == ((Family.WHATSMINER,) if whatsminer else (Family.ANTMINER_STOCK, Family.LUXOS))
        assert 13 < figures.power_w / figures.hashrate_th < 45, f"{name}: no such efficiency in J/TH"


def test_the_number_of_boards_is_what_another_project_s_table_has(pyasic: Any) -> None:
    """Agent and simulators share this figure, so neither can contradict it: pyasic's table of models is a witness."""
    table, factory, seen = ModelTable(), pyasic.miners.factory, 0
    for maker, brand in ((factory.MinerTypes.ANTMINER, "ANTMINER "), (factory.MinerTypes.WHATSMINER, "")):
        for told, kind in factory.MINER_CLASSES[maker].items():
            named = None if told is None else table.get(told.removeprefix(brand))
            if told is None or named is None or named.boards is None:
                continue
            assert kind.expected_hashboards == named.boards, told
            seen += 1
    assert seen > 40


def test_an_own_entry_replaces_figures_and_keeps_the_families() -> None:
    table = ModelTable({"S19 PRO": ModelSection(hashrate_th=96, power_w=2832)})

    figures = table.get("S19 Pro")

    assert figures is not None
    assert (figures.hashrate_th, figures.families) == (96, (Family.ANTMINER_STOCK, Family.LUXOS))
