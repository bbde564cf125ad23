"""Less power, sleep and waking on the simulated devices' real protocols: what counts is the state of the plant."""

import pytest

from agent.model.errors import AgentError, PolicyError
from agent.model.topology import Family
from tests.contract.test_miner_control import EVERY_FAMILY, bench


@EVERY_FAMILY
async def test_a_miner_runs_at_a_share_of_its_power_and_in_full_again(family: Family) -> None:
    async with bench(family) as b:
        await b.driver.derate(b.spec, 0.8)
        b.now()
        assert 0.7 <= b.site.miner().derated <= 0.8
        await b.driver.derate(b.spec, 1.0)
        b.now()
        assert b.site.miner().derated == 1.0


@EVERY_FAMILY
async def test_a_miner_sleeps_until_it_is_woken(family: Family) -> None:
    async with bench(family) as b:
        await b.driver.sleep(b.spec)
        b.now()
        assert b.site.miner().suspended
        assert await b.driver.is_suspended(b.spec) in (True, None)
        await b.driver.wake(b.spec)
        b.now()
        assert not b.site.miner().suspended


@EVERY_FAMILY
async def test_what_is_so_already_is_not_written_again(family: Family) -> None:
    async with bench(family) as b:
        age_s = b.site.miner().readings(b.now()).elapsed_s
        await b.driver.derate(b.spec, 1.0)
        await b.driver.wake(b.spec)
        assert b.site.miner().readings(b.now()).elapsed_s >= age_s, "no mining process was started anew"


@pytest.mark.parametrize("family", [Family.ANTMINER_STOCK, Family.WHATSMINER])
async def test_without_a_login_nothing_is_told(family: Family) -> None:
    async with bench(family, logins=False) as b:
        for told in (b.driver.derate(b.spec, 0.8), b.driver.sleep(b.spec), b.driver.wake(b.spec)):
            with pytest.raises(PolicyError):
                await told
        assert not b.site.miner().suspended


@pytest.mark.parametrize("family", [Family.ANTMINER_STOCK, Family.WHATSMINER])
async def test_a_wrong_password_changes_nothing(family: Family) -> None:
    async with bench(family, wrong_secret=True) as b:
        with pytest.raises(AgentError):
            await b.driver.derate(b.spec, 0.8)
        assert b.site.miner().derated == 1.0
