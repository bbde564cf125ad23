"""A Whatsminer's encrypted commands, with a client written from the vendor's document: logins, errors, expiry."""

import asyncio
import base64
import hashlib
import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from agent.model.topology import Family
from simulators.devices.whatsminer_token import MAX_TOKENS, TokenError, TokenVault, md5_crypt
from simulators.plant.state import Board, Process
from simulators.virtual_time import run
from tests.simulators.devices_site import Running, ask, running

WHATSMINER = Family.WHATSMINER


class Client:
    """Asks for a token, signs and encrypts commands, decrypts replies."""

    def __init__(self, site: Running, password: str | None = None) -> None:
        self._site = site
        self._password = site.password(WHATSMINER) if password is None else password
        self._key = b""
        self._sign = ""

    async def log_on(self) -> "Client":
        token = (await ask(self._site.host(), "get_token"))["Msg"]
        key = crypt(self._password, token["salt"])
        self._sign = crypt(key + token["time"], token["newsalt"])
        self._key = hashlib.sha256(key.encode()).digest()
        return self

    async def send(self, command: str, *, sign: str | None = None, **more: str) -> Any:
        plain = json.dumps({"token": sign or self._sign, "cmd": command, **more}).encode()
        plain += b"\0" * (-len(plain) % 16)
        encryptor = Cipher(algorithms.AES(self._key), modes.ECB()).encryptor()
        data = base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
        reply = await ask(self._site.host(), "", enc=1, data=data)
        if "enc" not in reply:
            return reply
        decryptor = Cipher(algorithms.AES(self._key), modes.ECB()).decryptor()
        return json.loads(decryptor.update(base64.b64decode(reply["enc"])).rstrip(b"\0"))


def crypt(word: str, salt: str) -> str:
    return str(md5_crypt.using(salt=salt).hash(word)).split("$")[3]


async def test_commands_under_a_token_act() -> None:
    async with running(WHATSMINER) as site:
        client = await Client(site).log_on()
        site.miner().kill_process(asyncio.get_running_loop().time(), watchdog=False)
        assert (await client.send("restart_btminer"))["Msg"] == "API command OK"
        assert site.miner().process is Process.STARTING
        assert (await client.send("reboot"))["Code"] == 131
        assert site.miner().board is Board.BOOTING


async def test_mining_stops_and_resumes() -> None:
    async with running(WHATSMINER) as site:
        client = await Client(site).log_on()
        await client.send("power_off", respbefore="true")
        assert site.miner().suspended
        assert (await ask(site.host(), "status"))["Msg"]["btmineroff"] == "true"
        await client.send("power_on")
        assert not site.miner().suspended


async def test_without_encryption_nothing_is_written() -> None:
    async with running(WHATSMINER) as site:
        for command in ("reboot", "restart_btminer", "power_off"):
            assert (await ask(site.host(), command))["Code"] == 45
        assert (site.miner().board, site.miner().process, site.miner().suspended) == (Board.UP, Process.RUNNING, False)


async def test_a_wrong_password_and_a_wrong_token_are_told_apart_from_a_broken_message() -> None:
    async with running(WHATSMINER) as site:
        stranger = await Client(site, password="admin").log_on()
        assert (await stranger.send("reboot"))["Code"] == 135
        client = await Client(site).log_on()
        assert (await client.send("reboot", sign="forged"))["Code"] == 135
        for data in ("not base64!", "QUJD", "", 5):
            assert (await ask(site.host(), "", enc=1, data=data))["Code"] == 137
        assert (await client.send("format_disk"))["Code"] == 14
        assert site.miner().board is Board.UP


async def test_a_client_gets_so_many_tokens_and_no_more() -> None:
    async with running(WHATSMINER) as site:
        for _ in range(MAX_TOKENS):
            assert (await ask(site.host(), "get_token"))["Code"] == 134
        assert (await ask(site.host(), "get_token"))["Code"] == 136


def test_a_token_lives_for_half_an_hour() -> None:
    async def main() -> None:
        async with running(WHATSMINER) as site:
            client = await Client(site).log_on()
            await asyncio.sleep(1790.0)
            assert (await client.send("set_led", param="auto"))["Code"] == 131
            await asyncio.sleep(20.0)
            assert (await client.send("reboot"))["Code"] == 135
            assert site.miner().board is Board.UP
            assert (await (await client.log_on()).send("reboot"))["Code"] == 131

    run(main(), timeout_wall_s=20)


def test_a_token_is_its_clients_own_and_ends_with_a_reboot() -> None:
    vault = TokenVault("secret", random.Random(1))
    token = vault.issue("10.0.0.1", 0.0, 1_767_225_600)
    assert token is not None
    key = crypt("secret", token["salt"])
    command = {"cmd": "reboot", "token": crypt(key + token["time"], token["newsalt"])}
    sealed = str(vault.seal(command)["enc"])
    assert vault.open(sealed, "10.0.0.1", 1.0)["cmd"] == "reboot"
    with pytest.raises(TokenError):
        vault.open(sealed, "10.0.0.2", 1.0)
    vault.forget()
    with pytest.raises(TokenError):
        vault.open(sealed, "10.0.0.1", 1.0)
