"""Third parties on either end of stratum: our probe before a pool of another make, another make's client before ours.

Both are npm packages, expected in the folder `peers` of the Python environment. Nothing is installed here; where they
are missing the tests are skipped and say so.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.model.probe import ProbeResult, Stage, Verdict
from simulators.plant.pools import Trouble
from tests.drivers.pool_bench import look_at, pool_bench

NODE = shutil.which("node")
PACKAGES = Path(sys.prefix) / "peers" / "node_modules"


def needs(package: str) -> pytest.MarkDecorator:
    missing = NODE is None or not (PACKAGES / package).is_dir()
    return pytest.mark.skipif(missing, reason=f"peer missing: node and the npm package {package}, in {PACKAGES}")


needs_pool = needs("stratum-pool-sha256")
needs_client = needs("stratum-client")

POOL = """
const net = require("net");
const { Server } = require("stratum-pool-sha256/lib/stratum.js");
const [port, mode] = process.argv.slice(1);
const job = ["1f", "ab".repeat(32), "0100", "ffff", ["cd".repeat(32)], "20000000", "17034219", "66f0a1b2", true];
const say = (what) => process.stdout.write(JSON.stringify(what) + "\\n");
const authorize = (ip, localPort, worker, password, done) => {
  say({ login: worker, password: password });
  if (mode === "false") done({ error: null, authorized: false, disconnect: false });
  else if (mode === "error") done({ error: [24, "no worker called " + worker, null], authorized: false });
  else if (mode === "leave") done({ error: [24, "banned", null], authorized: false, disconnect: true });
  else done({ error: null, authorized: true, disconnect: false });
};
const server = new Server({ ports: {}, connectionTimeout: 600, banning: { enabled: false } }, authorize);
server.on("client.connected", (client) => {
  client.on("subscription", (_, answer) => {
    if (mode === "no subscription") { answer([20, "full", null]); return; }
    answer(null, "f000000a", 4);
    client.sendDifficulty(512);
    if (mode !== "no work") client.sendMiningJob(job);
  });
  client.on("submit", () => say({ submitted: true }));
  client.on("malformedMessage", (message) => say({ malformed: message }));
  client.on("unknownStratumMethod", (message) => say({ unknown: message.method }));
  client.on("socketDisconnect", () => say({ left: true }));
});
net.createServer((socket) => server.handleNewClient(socket))
  .listen(Number(port), "127.0.0.1", () => say({ ready: true }));
"""

CLIENT = """
const connect = require("stratum-client");
const [server, port] = process.argv.slice(1);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\\n");
let client, sent = false;
client = connect({
  server, port: Number(port), worker: "site.m1", password: "x", autoReconnectOnError: false,
  onConnect: () => say({ connected: true }),
  onClose: () => { say({ closed: true }); process.exit(0); },
  onError: (error) => say({ error: error.code }),
  onSubscribe: (given) => say({ subscribed: given }),
  onNewDifficulty: (difficulty) => say({ difficulty }),
  onAuthorizeSuccess: () => say({ authorized: true }),
  onAuthorizeFail: (error) => say({ authorized: false, error }),
  onSubmitWorkSuccess: (error, result) => say({ submitted: result }),
  onSubmitWorkFail: (error) => say({ submitted: false, error }),
  onNewMiningWork: (work) => {
    say({ work });
    if (sent) return;
    sent = true;
    for (const nonce of ["00000001", "00000001"]) {
      client.submit({ worker_name: "site.m1", job_id: work.jobId, extranonce2: "00000000", ntime: work.ntime, nonce });
    }
  },
});
"""


@dataclass
class Peer:
    """A program of the other make, and what it said so far."""

    process: asyncio.subprocess.Process
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def until(self, key: str) -> Any:
        """Return what it says next under a key; EOFError if it ends before."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20.0):
            while True:
                line = await self.process.stdout.readline()
                if not line:
                    raise EOFError(f"no {key!r} in {self.heard}")
                if not line.startswith(b"{"):
                    continue
                self.heard.append(json.loads(line))
                if key in self.heard[-1]:
                    return self.heard[-1][key]


@asynccontextmanager
async def node(script: str, *arguments: str) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), "-e", script, *arguments),
        env={"NODE_PATH": str(PACKAGES), "PATH": os.environ.get("PATH", "")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Peer(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def look_at_pool(mode: str, password: str = "x") -> tuple[ProbeResult, Peer]:
    port = free_port()
    async with node(POOL, str(port), mode) as pool:
        await pool.until("ready")
        result = await look_at(("127.0.0.1", port), password=password, work_wait_s=0.2)
        await pool.until("left")
        return result, pool


@needs_pool
@pytest.mark.parametrize(
    ("mode", "verdict", "last", "words"),
    [
        ("good", Verdict.GOOD, Stage.WORK, ""),
        ("no work", Verdict.GOOD, Stage.WORK, ""),
        ("false", Verdict.LOGIN_REFUSED, Stage.AUTHORIZE, "no reason given"),
        ("error", Verdict.LOGIN_REFUSED, Stage.AUTHORIZE, "no worker called site.m1 (code 24)"),
        ("leave", Verdict.LOGIN_REFUSED, Stage.AUTHORIZE, "banned (code 24)"),
        ("no subscription", Verdict.PROTOCOL, Stage.SUBSCRIBE, "full (code 20)"),
    ],
)
async def test_our_probe_judges_a_pool_of_another_make(mode: str, verdict: Verdict, last: Stage, words: str) -> None:
    has_work = mode not in ("no work", "no subscription")  # this pool hands out work before the login
    result, pool = await look_at_pool(mode, password="hunter2")
    assert (result.verdict, result.steps[-1].stage, result.has_work) == (verdict, last, has_work)
    assert words in result.detail
    logins = [said for said in pool.heard if "login" in said]
    assert logins == ([] if mode == "no subscription" else [{"login": "site.m1", "password": "hunter2"}])
    assert not [said for said in pool.heard if {"submitted", "malformed", "unknown"} & said.keys()]


@needs_client
async def test_another_makes_client_works_with_a_simulated_pool() -> None:
    async with pool_bench() as b:
        b.host.latency_s = 0.0
        async with node(CLIENT, b.pools_address(), str(b.pool.port)) as client:
            given = await client.until("subscribed")
            assert given == {"extraNonce1": "00000001", "extraNonce2Size": 4}
            assert await client.until("authorized") is True
            assert await client.until("difficulty") == 65_536
            work = await client.until("work")
            assert (work["jobId"], len(work["prevhash"]), len(work["merkle_branch"])) == ("1", 64, 12)
            assert work["clean_jobs"] is True
            assert await client.until("submitted") is True
            assert await client.until("submitted") is False
            assert client.heard[-1]["error"][0] == 22
            assert (b.host.accepted, b.host.rejected) == (1, 1)
            b.plant.begin(Trouble.DOWN, asyncio.get_running_loop().time())
            assert await client.until("closed") is True


@needs_client
async def test_another_makes_client_is_refused_and_sees_nobody_there() -> None:
    async with pool_bench() as b:
        b.host.latency_s = 0.0
        b.plant.begin(Trouble.LOGIN_REFUSED, asyncio.get_running_loop().time())
        async with node(CLIENT, b.pools_address(), str(b.pool.port)) as client:
            assert await client.until("authorized") is False
            assert client.heard[-1]["error"] == [24, "Unauthorized worker", None]
        b.plant.begin(Trouble.DOWN, asyncio.get_running_loop().time())
        async with node(CLIENT, b.pools_address(), str(b.pool.port)) as client:
            assert await client.until("error") == "ECONNREFUSED"
