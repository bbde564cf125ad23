"""The pool probe: every verdict, before simulated pools and before peers that lie, stall, flood or leave."""

import asyncio
import json
import os

import pytest
import uvloop

from agent.model.probe import NameFault, ProbeResult, Stage, Verdict
from simulators.devices.dns import DnsFault
from simulators.plant.pools import Trouble
from tests.drivers.pool_bench import (
    DIFFICULTY,
    EPOCH_S,
    HASH,
    JOB,
    NAMESERVER,
    SUBSCRIBED,
    WAY,
    WELCOME,
    Script,
    Tier,
    in_memory,
    look_at_script,
    on_sockets,
    pool_bench,
    saying,
    stages,
)


@pytest.fixture(params=[in_memory, on_sockets], ids=["memory", "sockets"])
def tier(request: pytest.FixtureRequest) -> Tier[ProbeResult]:
    chosen: Tier[ProbeResult] = request.param
    return chosen


# -- simulated pools ---------------------------------------------------------------------------------------------------


def test_a_good_pool_is_good_and_every_stage_is_timed(tier: Tier[ProbeResult]) -> None:
    async def main() -> ProbeResult:
        async with pool_bench() as b:
            result = await b.look()
            assert (b.host.accepted, b.host.rejected) == (0, 0)
            return result

    result = tier(main())
    assert (result.verdict, result.has_work, result.detail, result.at) == (Verdict.GOOD, True, "", EPOCH_S)
    assert stages(result) == WAY
    assert [round(step.took_s, 3) for step in result.steps] == [0.0, 0.0, 0.03, 0.03, 0.0]
    assert result.took_s == pytest.approx(0.06)


def test_a_pool_given_by_address_needs_no_nameserver(tier: Tier[ProbeResult]) -> None:
    async def main() -> ProbeResult:
        async with pool_bench(host=f"10.77.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}") as b:
            b.dns.fault = DnsFault.SILENT
            return await b.look()

    result = tier(main())
    assert (result.verdict, stages(result)) == (Verdict.GOOD, WAY[1:])


@pytest.mark.parametrize(
    ("trouble", "verdict", "last", "words"),
    [
        (Trouble.DOWN, Verdict.REFUSED, Stage.TCP, "nothing listens there"),
        (Trouble.HUNG, Verdict.SILENT, Stage.SUBSCRIBE, "mining.subscribe within 10 s, nothing came"),
        (Trouble.LOGIN_REFUSED, Verdict.LOGIN_REFUSED, Stage.AUTHORIZE, "Unauthorized worker (code 24)"),
        (Trouble.DNS_BROKEN, Verdict.DNS, Stage.DNS, "NXDOMAIN"),
        (Trouble.REJECTS, Verdict.GOOD, Stage.WORK, ""),
        (Trouble.TIMES_OUT, Verdict.GOOD, Stage.WORK, ""),
    ],
)
def test_what_befalls_a_pool_is_told_and_its_end_too(
    tier: Tier[ProbeResult], trouble: Trouble, verdict: Verdict, last: Stage, words: str
) -> None:
    figure = {Trouble.REJECTS: 0.5, Trouble.TIMES_OUT: 60.0}.get(trouble, 0.0)

    async def main() -> ProbeResult:
        async with pool_bench() as b:
            await b.begin(trouble, figure)
            result = await b.look("hunter2")
            await b.end(trouble)
            assert (await b.look()).verdict is Verdict.GOOD
            return result

    result = tier(main())
    assert (result.verdict, stages(result)[-1]) == (verdict, last)
    assert words in result.detail
    assert "hunter2" not in result.detail


def test_a_pool_that_dies_under_the_probe_is_dropped(tier: Tier[ProbeResult]) -> None:
    async def main() -> ProbeResult:
        async with pool_bench() as b:
            await b.begin(Trouble.HUNG)
            looking = asyncio.create_task(b.look())
            await asyncio.sleep(1.0)
            await b.begin(Trouble.DOWN)
            return await looking

    assert tier(main()).verdict is Verdict.DROPPED


def test_a_flapping_pool_is_seen_down_and_up(tier: Tier[list[Verdict]]) -> None:
    async def main() -> list[Verdict]:
        async with pool_bench() as b:
            await b.begin(Trouble.FLAPS, 120.0)
            seen = []
            for _ in range(4):
                seen.append((await b.look()).verdict)
                await asyncio.sleep(60.0)
            return seen

    assert tier(main()) == [Verdict.REFUSED, Verdict.GOOD] * 2


@pytest.mark.parametrize(
    ("fault", "name_fault", "words"),
    [
        (DnsFault.NXDOMAIN, NameFault.UNKNOWN, "NXDOMAIN"),
        (DnsFault.SERVFAIL, NameFault.SERVER_FAILED, "SERVFAIL"),
        (DnsFault.SILENT, NameFault.SILENT, "the site's DNS or the way to it is broken"),
    ],
)
def test_a_failing_nameserver_is_no_fault_of_the_pool(
    tier: Tier[ProbeResult], fault: DnsFault, name_fault: NameFault, words: str
) -> None:
    async def main() -> ProbeResult:
        async with pool_bench() as b:
            b.dns.fault = fault
            result = await b.look()
            b.dns.fault = None
            assert (await b.look()).verdict is Verdict.GOOD
            return result

    result = tier(main())
    assert (result.verdict, result.name_fault, stages(result)) == (Verdict.DNS, name_fault, [Stage.DNS])
    assert words in result.detail
    assert result.took_s == (3.0 if fault is DnsFault.SILENT else 0.0)


def test_no_nameserver_at_all_is_dns(tier: Tier[ProbeResult]) -> None:
    async def main() -> ProbeResult:
        async with pool_bench() as b:
            b.dns.stop()
            await asyncio.sleep(0)
            return await b.look()

    result = tier(main())
    assert (result.verdict, result.name_fault) == (Verdict.DNS, NameFault.SILENT)
    assert NAMESERVER in result.detail


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_probe_works_on_the_loop_that_production_uses(tls: bool) -> None:
    async def main() -> tuple[ProbeResult, ProbeResult]:
        async with pool_bench(tls=tls) as b:
            good = await b.look()
            b.plant.begin(Trouble.DOWN, asyncio.get_running_loop().time())
            return good, await b.look()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        good, down = runner.run(main())
    assert (good.verdict, good.has_work) == (Verdict.GOOD, True)
    assert down.verdict is Verdict.REFUSED


# -- what pools say ----------------------------------------------------------------------------------------------------


def test_notices_in_any_order_and_answers_to_others_do_not_confuse(tier: Tier[ProbeResult]) -> None:
    stranger = b'{"id":77,"result":false,"error":[24,"not you",null]}\n'
    version = b'{"id":5,"method":"client.get_version","params":[]}\n'
    said = saying(DIFFICULTY + JOB + stranger + version + SUBSCRIBED, JOB + DIFFICULTY + stranger + WELCOME)
    result = tier(look_at_script(said))
    assert (result.verdict, result.has_work, stages(result)) == (Verdict.GOOD, True, WAY[1:])


def test_a_pool_without_a_job_is_good_and_has_no_work(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at_script(saying(SUBSCRIBED, WELCOME + DIFFICULTY)))
    assert (result.verdict, result.has_work) == (Verdict.GOOD, False)
    assert result.steps[-1].took_s == 2.0


def test_a_job_no_miner_could_work_on_is_no_work(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at_script(saying(SUBSCRIBED, WELCOME + JOB.replace(HASH.encode(), b"ab"))))
    assert (result.verdict, result.has_work) == (Verdict.GOOD, False)


def test_a_deadline_within_the_wait_for_work_is_good_too(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at_script(saying(SUBSCRIBED, WELCOME), deadline_s=1.0))
    assert (result.verdict, result.has_work, result.took_s) == (Verdict.GOOD, False, 1.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"id":2,"result":false,"error":null}', "no reason given"),
        (b'{"id":2,"result":null,"error":[24,"Unauthorized worker",null]}', "Unauthorized worker (code 24)"),
        (b'{"id":2,"result":null,"error":{"code":-1,"message":"no such user"}}', "no such user (code -1)"),
        (b'{"id":2,"result":true,"error":"banned"}', "banned"),
        (b'{"id":"2","error":[24,null,null]}', "no words (code 24)"),
        (b'{"id":null,"result":null,"error":[20,"go away",null]}', "go away (code 20)"),
    ],
)
def test_every_shape_of_a_refused_login(tier: Tier[ProbeResult], answer: bytes, words: str) -> None:
    result = tier(look_at_script(saying(SUBSCRIBED, answer + b"\n")))
    assert (result.verdict, stages(result)[-1]) == (Verdict.LOGIN_REFUSED, Stage.AUTHORIZE)
    assert words in result.detail


def test_a_pool_that_repeats_the_password_does_not_get_it_into_the_words(tier: Tier[ProbeResult]) -> None:
    long = "hunter2" + "z" * 400

    def refusing(password: str) -> Script:
        no = {"id": 2, "result": None, "error": [24, f"bad \x1b[31mpassword\n{password} for you", None]}
        return saying(SUBSCRIBED, json.dumps(no).encode() + b"\n")

    result = tier(look_at_script(refusing("hunter2"), password="hunter2"))
    assert result.verdict is Verdict.LOGIN_REFUSED
    assert "bad  [31mpassword *** for you" in result.detail
    assert "hunter2" not in tier(look_at_script(refusing(long), password=long)).detail
    quoted = json.dumps(["site.m1", 'hun"ter\\2'])
    assert "ter" not in tier(look_at_script(refusing(quoted), password='hun"ter\\2')).detail.split("password", 1)[1]


def test_a_subscription_refused_is_a_matter_of_protocol(tier: Tier[ProbeResult]) -> None:
    result = tier(look_at_script(saying(b'{"id":1,"result":null,"error":[20,"unknown agent",null]}\n')))
    assert (result.verdict, stages(result)[-1]) == (Verdict.PROTOCOL, Stage.SUBSCRIBE)
    assert "refused mining.subscribe: unknown agent (code 20)" in result.detail


@pytest.mark.parametrize("after", [0, 1, 2], ids=["subscribe", "authorize", "work"])
def test_a_redirection_is_reported_and_never_followed(tier: Tier[ProbeResult], after: int) -> None:
    async def main() -> ProbeResult:
        lured: list[bytes] = []

        async def trap(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            lured.append(await reader.readline())

        trap_server = await asyncio.start_server(trap, "127.0.0.1", 0)
        port = trap_server.sockets[0].getsockname()[1]
        away = json.dumps({"id": None, "method": "client.reconnect", "params": ["127.0.0.1", port, 0]}).encode() + b"\n"
        said = [SUBSCRIBED, WELCOME]
        said[after:] = [away] if after < 2 else [WELCOME.replace(b"2", b"99") + away]
        if after == 2:
            said = [SUBSCRIBED, WELCOME + away]
        try:
            result = await look_at_script(saying(*said))
        finally:
            trap_server.close()
        await asyncio.sleep(1.0)
        assert lured == []
        assert f"127.0.0.1:{port}; not followed" in result.detail
        return result

    result = tier(main())
    assert (result.verdict, stages(result)[-1]) == (Verdict.DIFFERENT, WAY[2 + after])


def test_a_pool_that_wants_us_back_at_the_same_place_is_not_different(tier: Tier[ProbeResult]) -> None:
    back = b'{"id":null,"method":"client.reconnect","params":[]}\n'
    assert tier(look_at_script(saying(back + SUBSCRIBED, back + WELCOME + JOB))).verdict is Verdict.GOOD
