"""Walks through a document: types its commands, lets its time pass, follows its edits, and tells what was printed.

A document is Markdown. What is run:

- a block `yaml` is written to `config.yaml`; a later one replaces the top-level keys that it has;
- a block `csv` is written to `inventory.csv`;
- a block `sh` has commands that have to succeed, whatever they print; `terrahash run` (re)starts the agent there;
- a block `console` has commands after `$ ` and under each what it prints; `…` stands for anything on its line, and for
  any lines where it stands alone;
- a line such as `*10 min later.*` lets so much time pass.

The site is simulated and its time virtual. The commands reach the agent as a reader's do: over its socket.
"""

import asyncio
import io
import os
import queue
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from agent.api.groups import routes_of
from agent.api.routes import Reply, Routes
from agent.api.server import serving
from agent.api.socket import socket_beside
from agent.app import Agent
from agent.cli import logs
from agent.cli.drills import DrillMaster
from agent.cli.fast_forward import PlantTouch
from agent.cli.main import cli
from agent.cli.options import dry_run_ledger
from agent.cli.run import run_command
from agent.cli.simulated import with_logins
from agent.clock import Clock
from agent.config import load
from agent.ledger.store import Ledger
from simulators.fast_forward.site import FastForwardSite
from simulators.memory_net import run_memory
from simulators.plant.history import HistorySettings

EPOCH_S = 1_767_225_600.0
SEED = 7
_LATER = re.compile(r"^\*(\d+) min later\.\*$")
_LOOP = re.compile(r"^for (\w+) in ([^;]+); do (.+); done$")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: what sort it is, its text, and the line of the document that it begins in."""

    sort: str
    text: str
    line: int


def steps(document: str) -> Iterator[Step]:
    """Yield what a document has to be done, in order."""
    sort, begun, kept = "", 0, list[str]()
    for number, line in enumerate(document.splitlines(), start=1):
        if line.startswith("```"):
            if sort:
                yield Step(sort, "\n".join(kept), begun)
                sort = ""
            else:
                sort, begun, kept = line.removeprefix("```") or "text", number, []
        elif sort:
            kept.append(line)
        elif later := _LATER.match(line):
            yield Step("later", later[1], number)


class Wire(Routes):
    """What the socket's own thread asks, put through to the thread in which the site's time is virtual."""

    def __init__(self) -> None:
        super().__init__([])
        self.calls: queue.SimpleQueue[tuple[str, str, bytes, Future[Reply]]] = queue.SimpleQueue()

    async def answer(self, method: str, target: str, body: bytes, _headers: Mapping[str, str] | None = None) -> Reply:
        reply: Future[Reply] = Future()
        self.calls.put((method, target, body, reply))
        return await asyncio.wrap_future(reply)


@contextmanager
def listening(path: Path, wire: Wire) -> Iterator[None]:
    """Serve the socket from a thread of its own, on a loop whose time is real."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(path, wire):
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10.0)
        yield
    finally:
        over.set()
        thread.join(10.0)


@dataclass
class Walk:
    """One reader at one site, in one folder."""

    folder: Path
    said: list[tuple[Step, str]] = field(default_factory=list)
    _wire: Wire = field(default_factory=Wire)
    _tree: dict[str, Any] = field(default_factory=dict)
    _site: FastForwardSite | None = None
    _drills: DrillMaster | None = None
    _agent: Agent | None = None
    _ledger: Ledger | None = None
    _running: asyncio.Task[None] | None = None

    async def take(self, step: Step) -> None:
        """Do one step; what a console would show is kept in `said`."""
        match step.sort:
            case "yaml":
                self._tree |= yaml.safe_load(step.text)
                (self.folder / "config.yaml").write_text(yaml.safe_dump(self._tree, sort_keys=False))
            case "csv":
                (self.folder / "inventory.csv").write_text(f"{step.text}\n")
            case "later":
                await self._pass(60.0 * float(step.text))
            case "sh":
                for command in step.text.splitlines():
                    await self._type(command, must=True)
            case "console":
                self.said.append((step, await self._converse(step.text)))
            case _:
                pass

    async def stop(self) -> None:
        """Stop the agent, as Ctrl-C does."""
        if self._running is not None and self._agent is not None and self._ledger is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self._agent.stop("signal")
            await self._ledger.close()
        self._agent = self._ledger = self._running = None

    async def _converse(self, text: str) -> str:
        told = []
        for line in text.splitlines():
            if line.startswith("$ "):
                told += [line, *(await self._type(line.removeprefix("$ "))).rstrip("\n").splitlines()]
        return "\n".join(told)

    async def _type(self, command: str, *, must: bool = False) -> str:
        """Return what a command prints; one that `must` succeed does."""
        if loop := _LOOP.match(command):
            each = (loop[3].replace(f"${loop[1]}", value) for value in loop[2].split())
            return "".join([await self._type(one, must=must) for one in each])
        words = shlex.split(command, comments=True)
        if not words:
            return ""
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            os.environ[name] = value
            return ""
        assert words[0] == "terrahash", command
        if words[1] == "run":
            await self._start(words[2:])
            return ""
        done = await self._asking(lambda: CliRunner().invoke(cli, words[1:]))
        assert done.exit_code == 0 or not must, done.output
        return done.output

    async def _asking(self, ask: Callable[[], Result]) -> Result:
        """Let a command run in a thread; until it is over no time passes here, and what it asks is answered."""
        told: Future[Result] = Future()
        thread = threading.Thread(target=lambda: told.set_result(ask()), daemon=True)
        thread.start()
        while not told.done():
            try:
                method, target, body, reply = self._wire.calls.get(timeout=0.02)
            except queue.Empty:
                continue
            reply.set_result(await self._routes().answer(method, target, body))
        thread.join()
        return told.result()

    def _routes(self) -> Routes:
        assert self._agent is not None, "the document asks a running agent, and none runs"
        assert self._drills is not None
        return Routes([*routes_of(self._agent), *self._drills.routes])

    async def _start(self, options: list[str]) -> None:
        """Start the agent the way `terrahash run` does, on what is simulated already."""
        given = run_command.make_context("run", list(options)).params
        assert given["dry_run"]
        await self.stop()
        settings = with_logins(load(given["config_path"]))
        clock = Clock.virtual(asyncio.get_running_loop(), EPOCH_S + asyncio.get_running_loop().time())
        if self._site is None:
            self._site = FastForwardSite(settings.site, seed=SEED, history=HistorySettings())
            self._drills = DrillMaster(self._site.truth)
        touch = PlantTouch(settings, clock, self._site)
        self._ledger = Ledger.open(dry_run_ledger(settings.ledger), clock, threaded=False, synced=False)
        self._agent = Agent(settings, self._ledger, clock, touch=touch, simulated=True, on_auto=not given["keep_mode"])
        await self._agent.start()
        self._running = asyncio.create_task(self._agent.run())

    async def _pass(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        assert self._running is not None
        assert not self._running.done(), self._running.exception()


def walk(document: str, folder: Path, ledger: str) -> list[tuple[Step, str]]:
    """Walk through a document in a folder; return each console block with what was really printed.

    Args:
        document: its text.
        folder: an empty one, the working directory.
        ledger: the dry run's, beside which the socket is.
    """

    async def main() -> list[tuple[Step, str]]:
        logs.configure(stream=io.StringIO())  # the agent's terminal is another one
        walker = Walk(folder)
        with listening(socket_beside(folder / ledger), walker._wire):
            try:
                for step in steps(document):
                    await walker.take(step)
            finally:
                await walker.stop()
        return walker.said

    return run_memory(main(), timeout_wall_s=120.0)


def fits(written: str, printed: str) -> bool:
    """Whether what a document says a console shows is what it showed."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in written.splitlines()
    )
    return re.fullmatch(pattern, printed + "\n") is not None
