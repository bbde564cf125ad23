"""Delivers what is due, a task for each channel: gathers, composes, sends in a thread, tries again, puts on record.

The queue is the memory's: what is due there and was not settled. So nothing is lost with the process; what was sent and
not recorded when it died is sent once more, under the same id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from agent.model.errors import AgentError, TransportError
from agent.model.events import Actor, AnyEvent, NoticeDue, NoticeSettled
from agent.model.ids import ChannelId
from agent.model.memory import Memory
from agent.model.notice import Notice
from agent.notify.channels import Credentials, send
from agent.notify.due import due
from agent.notify.message import Message, Scrub, compose
from agent.notify.settings import Channel

NO_CHANNEL = "the configuration has no such channel any more"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is due waits for company, and how often it is tried.

    Attributes:
        gather_s: those that come within so long go together.
        first_s, most_s: time between two tries at first, doubled each time up to the other.
        tries: after so many it is given up: about nine hours with the defaults.
        deadline_s: of one try. answer_s: how long a webhook may take for its answer.
    """

    gather_s: float = 5.0
    first_s: float = 5.0
    most_s: float = 1800.0
    tries: int = 26
    deadline_s: float = 60.0
    answer_s: float = 10.0


class Ledgered(Protocol):
    """The agent, as far as notices need it."""

    @property
    def memory(self) -> Memory:
        """Return the fold over its ledger."""
        ...

    def now(self) -> float:
        """Return steady UTC in s."""
        ...

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        """Commit what `wanted` returns."""
        ...


class Notifier:
    """Tells people.

    Args:
        site: its name.
        channels: the ways out.
        credentials: the secrets that they name.
        scrub: frees a text of secrets.
        patience: when and how often it tries.
    """

    def __init__(
        self,
        site: str,
        channels: Sequence[Channel],
        credentials: Credentials,
        scrub: Scrub,
        patience: Patience | None = None,
    ) -> None:
        self._site = site
        self._channels = tuple(channels)
        self._credentials = credentials
        self._scrub = scrub
        self._patience = patience or Patience()
        self._news = {channel.id: asyncio.Event() for channel in channels}
        self._tasks: list[asyncio.Task[None]] = []
        self._threads: list[ThreadPoolExecutor] = []

    def due(self, events: Sequence[AnyEvent], memory: Memory, now: float) -> list[NoticeDue]:
        """Return the notices that go with events which are about to be committed; `now` is UTC s."""
        return due(events, memory, self._channels, now)

    def wake(self) -> None:
        """Look for what has become due."""
        for news in self._news.values():
            news.set()

    async def start(self, agent: Ledgered) -> None:
        """Take up what was due when the agent went down, and go on from there."""
        await self._give_up_strangers(agent)
        for channel in self._channels:
            thread = ThreadPoolExecutor(1, thread_name_prefix=f"notify {channel.id}")
            self._threads.append(thread)
            self._tasks.append(asyncio.create_task(self._serve(agent, channel, thread), name=f"notify {channel.id}"))

    async def stop(self) -> None:
        """End; what is still due waits for the next start. A try under way is not waited for."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)
        self._threads.clear()

    async def _serve(self, agent: Ledgered, channel: Channel, thread: ThreadPoolExecutor) -> None:
        news = self._news[channel.id]
        while True:
            news.clear()
            if not _waiting(agent.memory, channel.id):
                await news.wait()
            await asyncio.sleep(self._patience.gather_s)
            notices = _waiting(agent.memory, channel.id)
            if notices:
                await self._deliver(agent, channel, notices, thread)

    async def _deliver(
        self, agent: Ledgered, channel: Channel, notices: Sequence[Notice], thread: ThreadPoolExecutor
    ) -> None:
        """Send one message for all of them, and put on record what became of it."""
        loop = asyncio.get_running_loop()
        message = compose(self._site, notices, agent.memory, agent.now(), self._scrub)

        async def once() -> None:
            now, answer_s = agent.now(), self._patience.answer_s
            work = loop.run_in_executor(thread, send, channel, message, self._credentials, now, answer_s)
            try:
                async with asyncio.timeout(self._patience.deadline_s):
                    await work
            except TimeoutError:
                raise TransportError(f"no end within {self._patience.deadline_s:g} s") from None

        tries, why = await self._try(channel, message, once)
        settled = NoticeSettled(
            notices=tuple(notice.id for notice in notices),
            channel=channel.id,
            delivered=not why,
            tries=tries,
            detail=self._scrub(why),
        )
        await agent.change(lambda _memory, _now: [settled], Actor.AGENT)

    async def _try(self, channel: Channel, message: Message, once: Callable[[], Awaitable[None]]) -> tuple[int, str]:
        """Return how often it was tried, and why it was given up; empty where it was delivered."""
        tries = 0
        retrying = AsyncRetrying(
            wait=wait_exponential(self._patience.first_s, self._patience.most_s) + wait_random(0.0, 1.0),
            stop=stop_after_attempt(self._patience.tries),
            retry=retry_if_exception_type(TransportError),
            sleep=asyncio.sleep,
        )
        try:
            async for attempt in retrying:
                tries = attempt.retry_state.attempt_number
                with attempt:
                    await once()
        except RetryError as error:
            why = str(error.last_attempt.exception())
        except AgentError as error:
            why = str(error)
        except Exception as error:  # a bug of a library's must not end the channel
            _log.error("notice_bug", channel=channel.id, message=message.id, error=type(error).__name__)
            why = f"{type(error).__name__} in the channel's own code"
        else:
            _log.info("notice_delivered", channel=channel.id, message=message.id, tries=tries)
            return tries, ""
        _log.error("notice_not_delivered", channel=channel.id, message=message.id, tries=tries, why=self._scrub(why))
        return tries, why

    async def _give_up_strangers(self, agent: Ledgered) -> None:
        """Settle what is due to channels that are gone."""
        known = {channel.id for channel in self._channels}
        gone = dict.fromkeys(c for notice in agent.memory.notices.values() for c in notice.waiting if c not in known)
        for channel in gone:
            numbers = tuple(notice.id for notice in _waiting(agent.memory, channel))
            settled = NoticeSettled(notices=numbers, channel=channel, delivered=False, tries=0, detail=NO_CHANNEL)
            await agent.change(lambda _memory, _now, settled=settled: [settled], Actor.AGENT)  # type: ignore[misc]


def _waiting(memory: Memory, channel: ChannelId) -> list[Notice]:
    return [notice for notice in memory.notices.values() if channel in notice.waiting]
