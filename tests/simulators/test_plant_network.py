"""The plant's network: what each fault does to a miner, what its port shows, and what the miner does about it."""

from dataclasses import replace

import pytest

from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Family, Miner, Port, Site
from simulators.devices.host import MinerHost, Presence, Service, Timing
from simulators.faults import FAULT_KINDS, On
from simulators.faults.network import NETWORK_FAULTS
from simulators.memory_net import run_memory
from simulators.plant.miner import MinerPlant
from simulators.plant.network import AGEING_S, LINK_S, USUAL_VLAN
from simulators.plant.pools import Trouble
from simulators.plant.site import SitePlant
from simulators.plant.state import Board
from simulators.truth import Truth
from tests.factory import SWITCH, miner, site

STOCK, LUXOS, WHATSMINER = Family.ANTMINER_STOCK, Family.LUXOS, Family.WHATSMINER
ON_PORT = [kind.name for kind in NETWORK_FAULTS if On.PORT in kind.on]
CUTTING = [name for name in ON_PORT if not name.startswith("network.address_")]
TARGET = f"port:{SWITCH}/1"


def mac_of(number: int) -> str:
    return f"02:54:48:00:00:{number:02x}"


class Farm:
    """Three miners of one family behind one switch; the first is the one."""

    def __init__(self, family: Family = LUXOS) -> None:
        members = tuple(replace(miner(k, family=family), mac=mac_of(k)) for k in (1, 2, 3))
        self.site: Site = site(members)
        self.plant = SitePlant(self.site, seed=3)
        self.truth = Truth(self.plant)
        self.spec: Miner = members[0]
        self.miner: MinerPlant = self.plant.miners[members[0].id]
        assert members[0].port is not None
        self.port = members[0].port

    @property
    def now(self) -> float:
        return self.plant.now

    def pass_(self, for_s: float) -> None:
        self.plant.advance(self.now + for_s)

    @property
    def draw(self) -> float:
        return self.miner.power_w() / self.miner.full_w

    def reaches(self) -> bool:
        return self.miner.lan.reachable

    def accepted(self) -> int:
        return self.miner.readings(self.now).accepted

    def received(self, for_s: float) -> int:
        before = self.plant.network.in_octets(self.port)
        self.pass_(for_s)
        return self.plant.network.in_octets(self.port) - before


def test_a_miner_on_a_sound_network_is_reachable_and_sound() -> None:
    farm = Farm()
    network = farm.plant.network
    assert farm.miner.lan.is_sound
    assert farm.reaches()
    assert (network.port_up(farm.port), network.admin_up(farm.port), network.pvid(farm.port)) == (
        True,
        True,
        USUAL_VLAN,
    )
    assert network.in_errors(farm.port) == 0
    assert network.heard(farm.port)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("kind", CUTTING)
def test_who_is_cut_off_works_on_until_its_work_runs_out(kind: str, family: Family) -> None:
    farm = Farm(family)
    farm.truth.inject(kind, TARGET, farm.now)
    before = farm.accepted()
    farm.pass_(60.0)
    assert farm.draw > 0.95
    assert not farm.miner.healthy
    assert farm.accepted() == before
    farm.pass_(100.0)
    assert 0.4 < farm.draw < 0.7
    assert farm.miner.hashing_ratio() == 0.0
    others = [m for m in farm.plant.miners.values() if m is not farm.miner]
    assert all(m.healthy and m.lan.is_sound for m in others)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("kind", CUTTING)
@pytest.mark.parametrize("for_s", [20.0, 100.0, 250.0])
def test_it_works_again_when_the_network_is_back(kind: str, family: Family, for_s: float) -> None:
    farm = Farm(family)
    farm.truth.inject(kind, TARGET, farm.now, for_s=for_s)
    farm.pass_(for_s + 60.0)
    before = farm.accepted()
    farm.pass_(60.0)
    assert farm.miner.healthy
    assert farm.accepted() > before
    assert farm.miner.lan.is_sound
    (fault,) = farm.truth.faults()
    assert (fault.category, fault.causes) == (Category.NETWORK, frozenset({Reason.CUT_OFF}))
    assert fault.over_at is not None
    assert fault.over_at == pytest.approx(fault.started_at + for_s, abs=20.0)


def test_a_stock_antminer_gives_up_and_starts_afresh() -> None:
    farm = Farm(STOCK)
    farm.truth.inject("network.cable_cut", TARGET, farm.now)
    farm.pass_(299.0)
    assert farm.draw > 0.4
    farm.pass_(302.0)
    assert farm.draw < 0.02
    farm.plant.network.plug(farm.port, True, farm.now)
    assert farm.miner.board is Board.BOOTING
    farm.pass_(300.0)
    assert farm.miner.healthy
    assert not farm.miner.suspended
    assert farm.miner.readings(farm.now).elapsed_s < 300.0
    actions = [e.what for e in farm.plant.journal.entries if e.what.value in {"restart", "reboot", "relay_off"}]
    assert actions == [], "what a miner does by itself is nobody's action"


@pytest.mark.parametrize("family", [LUXOS, WHATSMINER])
def test_the_other_families_do_not_give_up(family: Family) -> None:
    farm = Farm(family)
    farm.truth.inject("network.cable_cut", TARGET, farm.now)
    farm.pass_(3600.0)
    assert 0.4 < farm.draw < 0.7
    farm.plant.network.plug(farm.port, True, farm.now)
    farm.pass_(30.0)
    assert farm.miner.healthy
    assert farm.miner.readings(farm.now).elapsed_s > 3600.0


def test_a_miner_that_boots_without_a_network_has_no_work_until_it_is_back() -> None:
    farm = Farm()
    farm.truth.inject("network.cable_cut", TARGET, farm.now)
    farm.miner.reboot(farm.now)
    farm.pass_(1000.0)
    assert farm.miner.board is Board.UP
    assert farm.miner.hashing_ratio() == 0.0
    farm.plant.network.plug(farm.port, True, farm.now)
    farm.pass_(200.0)
    assert farm.miner.healthy


def test_a_pool_that_goes_while_the_network_is_away_is_not_there_afterwards() -> None:
    farm = Farm()
    farm.truth.inject("network.cable_cut", TARGET, farm.now)
    farm.pass_(400.0)
    (pool,) = farm.plant.pools.pools.values()
    pool.begin(Trouble.DOWN, farm.now)
    farm.plant.network.plug(farm.port, True, farm.now)
    farm.pass_(60.0)
    assert not farm.miner.healthy
    pool.end(Trouble.DOWN, farm.now)
    farm.pass_(60.0)
    assert farm.miner.healthy


# -- what the switch shows ---------------------------------------------------------------------------------------------


def test_a_hung_port_keeps_link_and_counts_until_it_is_taken_down_and_up() -> None:
    farm = Farm()
    network = farm.plant.network
    farm.truth.inject("network.port_hung", TARGET, farm.now)
    assert network.port_up(farm.port)
    assert farm.received(60.0) > 0
    assert not farm.reaches()
    network.set_admin(farm.port, False)
    assert not network.port_up(farm.port)
    farm.pass_(5.0)
    network.set_admin(farm.port, True)
    farm.pass_(LINK_S - 0.1)
    assert not network.port_up(farm.port)
    farm.pass_(0.2)
    assert network.port_up(farm.port)
    assert farm.reaches()
    farm.pass_(30.0)
    assert farm.miner.healthy


def test_a_cut_cable_has_no_link_whatever_the_port_is_set_to() -> None:
    farm = Farm()
    network = farm.plant.network
    farm.truth.inject("network.cable_cut", TARGET, farm.now)
    assert not network.port_up(farm.port)
    assert network.admin_up(farm.port)
    network.set_admin(farm.port, False)
    network.set_admin(farm.port, True)
    farm.pass_(60.0)
    assert not network.port_up(farm.port)


def test_damaged_frames_are_counted_while_they_come() -> None:
    farm = Farm()
    network = farm.plant.network
    farm.truth.inject("network.cable_errors", TARGET, farm.now, for_s=100.0)
    farm.pass_(50.0)
    half = network.in_errors(farm.port)
    assert half > 10
    farm.pass_(50.0)
    assert network.in_errors(farm.port) == pytest.approx(2 * half, abs=2)
    total = network.in_errors(farm.port)
    farm.pass_(500.0)
    assert network.in_errors(farm.port) == total


def test_a_wrong_vlan_shows_in_the_pvid_alone() -> None:
    farm = Farm()
    network = farm.plant.network
    farm.truth.inject("network.wrong_vlan", TARGET, farm.now, vlan=404)
    assert network.pvid(farm.port) == 404
    assert network.port_up(farm.port)
    assert farm.received(60.0) > 0
    assert not farm.reaches()


def test_who_moved_works_on_and_is_not_where_it_was() -> None:
    farm = Farm()
    network = farm.plant.network
    farm.truth.inject("network.address_moved", TARGET, farm.now, for_s=4000.0)
    farm.pass_(3600.0)
    assert not farm.miner.lan.reaches(farm.miner.spec.host)
    assert not farm.miner.healthy, "nobody knows where it is"
    assert farm.draw > 0.95
    assert network.heard(farm.port), "the same MAC on the same port"
    farm.pass_(500.0)
    assert farm.reaches()
    (fault,) = farm.truth.faults()
    assert fault.over_at == fault.started_at + 4000.0


@pytest.mark.parametrize("kind", ["network.address_moved", "network.address_lost"])
def test_it_is_well_again_once_somebody_asks_it_at_its_new_address_as_a_matter_of_course(kind: str) -> None:
    farm = Farm()
    farm.truth.inject(kind, TARGET, farm.now, for_s=4000.0)
    lan, home = farm.miner.lan, farm.miner.spec.host
    near = lan.host.rpartition(".")[0] == home.rpartition(".")[0]
    assert near is (kind == "network.address_moved")
    assert lan.host not in farm.site.hosts
    lan.answered(farm.now, lan.host)  # a scan
    assert not farm.miner.healthy
    for _ in range(3):
        lan.answered(farm.now, lan.host)
    assert farm.miner.healthy
    assert farm.reaches()
    farm.pass_(4100.0)
    assert lan.host != home, "who was found is not moved back by a repair"


def test_a_dead_switch_takes_all_its_miners_along() -> None:
    farm = Farm()
    kind = FAULT_KINDS["network.switch_down"]
    assert set(kind.victims(farm.site, f"switch:{SWITCH}", {})) == {m.id for m in farm.site.miners}
    farm.truth.inject("network.switch_down", f"switch:{SWITCH}", farm.now, for_s=100.0)
    assert not farm.plant.network.lives(SWITCH)
    assert not any(m.lan.reachable for m in farm.plant.miners.values())
    farm.pass_(160.0)
    assert all(m.lan.reachable and m.healthy for m in farm.plant.miners.values())


def test_a_bridge_forgets_who_it_does_not_hear() -> None:
    farm = Farm()
    farm.truth.inject("network.port_hung", TARGET, farm.now)
    farm.pass_(AGEING_S - 1.0)
    assert farm.plant.network.heard(farm.port)
    farm.pass_(2.0)
    assert not farm.plant.network.heard(farm.port)


def test_two_faults_of_one_port_both_have_to_end() -> None:
    farm = Farm()
    farm.truth.inject("network.cable_cut", TARGET, farm.now, for_s=100.0)
    FAULT_KINDS["network.wrong_vlan"].inject(farm.plant, TARGET, farm.now)
    farm.pass_(200.0)
    assert not farm.reaches()
    FAULT_KINDS["network.wrong_vlan"].end(farm.plant, TARGET, farm.now)
    assert farm.reaches()


# -- what is declared --------------------------------------------------------------------------------------------------


def test_only_a_hung_port_and_another_address_can_be_mended_from_afar() -> None:
    assert {kind.name: kind.remedy for kind in NETWORK_FAULTS if kind.remedy} == {
        "network.port_hung": Verb.BOUNCE_PORT,
        "network.address_moved": Verb.REBIND,
    }
    assert all(kind.category is Category.NETWORK and kind.counts for kind in NETWORK_FAULTS)


@pytest.mark.parametrize("kind", CUTTING)
def test_a_fault_can_be_aimed_at_the_miner_behind_the_port(kind: str) -> None:
    farm = Farm()
    farm.truth.inject(kind, f"miner:{farm.spec.id}", farm.now, for_s=100.0)
    assert farm.miner.lan.poll_loss > 0.9
    farm.pass_(200.0)
    assert farm.miner.healthy
    (fault,) = farm.truth.faults()
    assert fault.over_at is not None


@pytest.mark.parametrize("kind", ON_PORT)
def test_a_port_without_a_miner_is_nobodys_fault(kind: str) -> None:
    farm = Farm()
    with pytest.raises(PolicyError, match="a miner behind it"):
        farm.truth.inject(kind, f"port:{SWITCH}/48", farm.now)


# -- what the gateway finds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in ON_PORT if k != "network.cable_errors"])
def test_nothing_answers_at_the_address_of_who_cannot_be_reached(kind: str) -> None:
    async def main() -> None:
        farm = Farm(STOCK)
        host = _host(farm)
        assert host.presence(Service.API) is Presence.ANSWERS
        farm.truth.inject(kind, TARGET, farm.now)
        assert host.presence(Service.API) is Presence.SILENT
        assert host.presence(Service.WEB) is Presence.SILENT

    run_memory(main(), timeout_wall_s=20.0)


def test_a_bad_cable_loses_most_polls_but_not_all() -> None:
    async def main() -> None:
        farm = Farm()
        host = _host(farm)
        farm.truth.inject("network.cable_errors", TARGET, farm.now, share=0.5)
        lost = sum(host.strike() is not None for _ in range(2000))
        assert 0.93 < lost / 2000 < 0.99
        assert host.presence(Service.API) is Presence.ANSWERS

    run_memory(main(), timeout_wall_s=20.0)


def _host(farm: Farm) -> MinerHost:
    return MinerHost(farm.miner, farm.miner.spec.host, Timing(), farm.plant.advance, farm.plant.rng("host"))


def test_where_a_network_is_full_an_address_moves_to_another_of_the_sites() -> None:
    full = [replace(miner(1), host=f"10.9.0.{k}", id=MinerId(f"f{k}"), port=Port(SWITCH, k)) for k in range(1, 255)]
    apart = replace(miner(2), host="10.9.1.1", id=MinerId("apart"), port=Port(SWITCH, 255))
    plant = SitePlant(site((*full, apart)), seed=3)
    truth = Truth(plant)
    truth.inject("network.address_moved", "miner:f1", plant.now)
    assert plant.miners[MinerId("f1")].lan.host == "10.9.1.254"
