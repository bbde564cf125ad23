"""Firmware images and SSH entries: what they become, and every way to get them wrong."""

import hashlib
import os
from pathlib import Path

import pytest

from agent.config import ConfigError, load
from agent.drivers.hosts.access import LegacyAlgorithm
from agent.model.ids import ImageId, MinerId
from agent.model.topology import Family
from tests.config.sites import SITE, written

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGH6gCB/LBvqxRjyk8m6vBJO5X1mQvX8dk1TjRJgpGnB"
BYTES = b"an image"
SHA = hashlib.sha256(BYTES).hexdigest()
IMAGES = f"""\
images:
  - {{file: lux.img, sha256: {SHA}, family: luxos, models: [S19k Pro], control_boards: [cvitek], version: 2025.4.8}}
"""
SSH = f"""\
ssh:
  - {{family: luxos, user: root, password: {{credential: lux}}, host_keys: ["{KEY} root@miner"], legacy: [ssh-rsa]}}
  - {{miner: c, user: admin, password: {{credential: own}}, host_keys: ["{KEY}"], port: 2222}}
"""


def test_images_and_entries_arrive_where_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    settings = load(written(tmp_path, SITE + IMAGES + SSH))
    site = settings.site
    image = site.image[ImageId(SHA)]
    assert settings.warnings == ()
    assert (image.file, image.version) == (str(tmp_path / "lux.img"), "2025.4.8")
    luxos = site.miner(MinerId("c"))
    own = settings.ssh.of(luxos)
    assert own is not None
    assert (own.user, own.port, own.legacy) == ("admin", 2222, frozenset())
    family = settings.ssh.families[Family.LUXOS]
    assert (family.host_keys, family.legacy) == ((KEY,), {LegacyAlgorithm.SSH_RSA})
    assert settings.ssh.of(site.miner(MinerId("a"))) is None


@pytest.mark.parametrize(
    ("model", "board", "fits"),
    [
        ("Antminer S19k Pro", "cvitek", True),
        ("S19k Pro", "amlogic", False),
        ("S19 Pro", "cvitek", False),
        ("S19kPro NoPic", "cvitek", True),
        ("", "", False),
    ],
)
def test_an_image_is_for_a_model_and_a_control_board(tmp_path: Path, model: str, board: str, fits: bool) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    (image,) = load(written(tmp_path, SITE + IMAGES + SSH)).site.images
    assert image.is_for(Family.LUXOS, model, board) is fits
    assert not image.is_for(Family.WHATSMINER, model, board)


def test_the_inventory_alone_may_rule_an_image_out(tmp_path: Path) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    other = SITE.replace("port: sw-1/3}", "port: sw-1/3, control_board: amlogic}")
    for text, may in ((SITE, True), (other, False), (other.replace("amlogic", "cvitek"), True)):
        site = load(written(tmp_path, text + IMAGES + SSH)).site
        assert [site.images[0].may_be_for(miner) for miner in site.miners] == [False, False, may]


def _problems(folder: Path, text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return [(p.path, p.expected, p.got) for p in caught.value.problems]


def test_a_file_with_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lux.img").write_bytes(b"another image")
    ((path, want, got),) = _problems(tmp_path, SITE + IMAGES)
    assert (path, want) == ("images[0].sha256", "the SHA-256 of its file")
    assert hashlib.sha256(b"another image").hexdigest()[:12] in got


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert _problems(tmp_path, SITE + IMAGES) == [
        ("images[0].file", "a file that can be read", "no such file or directory")
    ]
    os.mkfifo(tmp_path / "lux.img")
    assert _problems(tmp_path, SITE + IMAGES)[0][2] == "not a regular file"


@pytest.mark.parametrize(
    ("old", "new", "path", "want"),
    [
        (f"sha256: {SHA}", "sha256: abc", "images[0].sha256", "a file's SHA-256"),
        ("control_boards: [cvitek]", "control_boards: []", "images[0].control_boards", "a list with at least one item"),
        ("version: 2025.4.8", "version: 2025.4.8, transport: http", "images[0].transport", "ssh, the way into luxos"),
        (f'["{KEY} root@miner"]', "[]", "ssh[0].host_keys", "a list with at least one item"),
        (f'["{KEY} root@miner"]', '["ssh-ed25519 AAAA"]', "ssh[0].host_keys[0]", "a public host key"),
        (f'["{KEY} root@miner"]', f'["{KEY[12:]}"]', "ssh[0].host_keys[0]", "a public host key"),
        ("[ssh-rsa]", "[rot13]", "ssh[0].legacy[0]", "diffie-hellman-group1-sha1"),
        ("miner: c,", "miner: z,", "ssh[1].miner", "a miner of the inventory"),
        ("miner: c,", "miner: c, family: luxos,", "ssh[1]", "miner or family"),
        ("miner: c,", "", "ssh[1]", "miner or family"),
        ("miner: c,", "family: luxos,", "ssh[1]", "one entry for each"),
    ],
)
def test_every_slip_is_refused_where_it_stands(tmp_path: Path, old: str, new: str, path: str, want: str) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    text = SITE + IMAGES + SSH
    assert text.count(old) == 1
    ((where, expected, _),) = _problems(tmp_path, text.replace(old, new))
    assert where == path
    assert expected.startswith(want)


def test_the_same_image_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    ((path, _, _),) = _problems(tmp_path, SITE + IMAGES + IMAGES.partition("\n")[2])
    assert path == "images[1].sha256"


def test_what_no_miner_can_use_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "lux.img").write_bytes(BYTES)
    (unreachable,) = load(written(tmp_path, SITE + IMAGES)).warnings
    assert (unreachable.path, unreachable.got) == ("images[0]", "none for c")
    (unknown,) = load(written(tmp_path, SITE + IMAGES.replace("[S19k Pro]", "[S99]") + SSH)).warnings
    assert unknown.path == "images[0].models[0]"
