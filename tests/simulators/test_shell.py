"""The shell of a simulated control board: what it understands, what it refuses, and that nothing breaks it."""

import asyncio
import contextlib
import hashlib
import string
from collections.abc import Coroutine

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulators.devices.board_files import BoardFiles, FileError, absolute
from simulators.devices.shell import Held, Shell, Streams
from simulators.devices.shell_commands import COMMANDS
from simulators.devices.shell_parse import RESERVED, Simple, parse
from simulators.devices.shell_words import ShellSyntaxError


def board(room_kib: int = 1024) -> BoardFiles:
    return BoardFiles({"/tmp/sysinfo/model": lambda: "S19k Pro", "/proc/uptime": lambda: "17"}, room_kib=room_kib)


def said(line: str, stdin: bytes = b"", files: BoardFiles | None = None) -> tuple[int, str, str]:
    """Run a line in a fresh shell; return exit status, output, errors. What runs beside is run to its end."""
    beside: list[Coroutine[object, object, int]] = []

    async def main() -> tuple[int, str, str]:
        out, err = Held(), Held()
        shell = Shell(files or board(), COMMANDS, beside.append)
        status = await shell.run(line, Streams(Held(stdin), out, err))
        while beside:
            await beside.pop(0)
        return status, out.data.decode(), err.data.decode()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "status", "out"),
    [
        ("echo a  b", 0, "a b\n"),
        ("echo 'a  b' \"c  d\" e\\ f", 0, "a  b c  d e f\n"),
        ("echo a;echo b", 0, "a\nb\n"),
        ("false && echo a", 1, ""),
        ("false || echo a", 0, "a\n"),
        ("false && echo a || echo b", 0, "b\n"),
        ("true || echo a && echo b", 0, "b\n"),
        ("! true", 1, ""),
        ("false; echo $?", 0, "1\n"),
        ("x=4; echo ${x}2 $x", 0, "42 4\n"),
        ("x='a  b'; echo $x \"$x\" '$x'", 0, "a b a  b $x\n"),
        ("echo $nothing end", 0, "end\n"),
        ('echo "$nothing" end', 0, " end\n"),
        ("echo a # b", 0, "a\n"),
        ("echo a#b", 0, "a#b\n"),
        ("echo 1 2>/dev/null", 0, "1\n"),
        ("echo 1 >&2", 0, ""),
        ("(exit 3); echo $?", 0, "3\n"),
        ("{ echo a; echo b; } | tail -n 1", 0, "b\n"),
        ("(x=1; cd /); echo $x; pwd", 0, "\n/tmp\n"),
        ("cd /proc && cat uptime", 0, "17\n"),
        ("exit 7; echo no", 7, ""),
        ("exit 300", 44, ""),
        ("sh -c 'echo $HOME; exit 4'; echo $?", 0, "/tmp\n4\n"),
        ("echo a >f; echo b >>f; cat f", 0, "a\nb\n"),
        ("echo a >f && >f && cat f", 0, ""),
        ("echo hello | cat | cat", 0, "hello\n"),
        ("cat </tmp/sysinfo/model", 0, "S19k Pro\n"),
        ("cat nothing 2>/dev/null || echo none", 0, "none\n"),
        ("mkdir d && mkdir d 2>/dev/null; echo $?", 0, "1\n"),
        ("mkdir -p a/b/c && ls a && rm -r a && ls", 0, "b\nsysinfo\n"),
        ("mkdir d; rmdir d; rmdir d 2>/dev/null; echo $?", 0, "1\n"),
        ("echo x >a.log; echo y >b.log; cat *.log; echo *.txt '*.log'", 0, "x\ny\n*.txt *.log\n"),
        ("rm -f nothing; echo $?", 0, "0\n"),
        ("[ -e /tmp/sysinfo ] && test -f /tmp/sysinfo/model && echo yes", 0, "yes\n"),
        ("test a = b || [ a != b ] && echo differ", 0, "differ\n"),
        ("echo 1234567890 | tail -c 4", 0, "890\n"),
        ("echo a; echo b; echo c | head -n 1", 0, "a\nb\nc\n"),
        ("echo late & echo soon", 0, "soon\nlate\n"),
        ("mkdir /tmp/l && { (false; echo $? >/tmp/l/rc) </dev/null >/dev/null 2>&1 & echo started; }", 0, "started\n"),
    ],
)
def test_what_a_shell_says(line: str, status: int, out: str) -> None:
    assert said(line)[:2] == (status, out)


@pytest.mark.parametrize(
    ("line", "status", "complaint"),
    [
        ("wget http://example.com", 127, "sh: wget: not found"),
        ("/usr/bin/wget", 127, "/usr/bin/wget: not found"),
        ("echo $(date)", 2, "command substitution is not supported"),
        ("echo `date`", 2, "command substitution is not supported"),
        ("for x in 1 2; do echo $x; done", 2, 'unexpected "for"'),
        ("cat <<END", 2, "here-documents are not supported"),
        ("f() { echo; }", 2, 'unexpected "("'),
        ("echo 'a", 2, "unterminated quoted string"),
        ('echo "a', 2, "unterminated quoted string"),
        ("(echo a", 2, "unexpected end of file"),
        ("echo a)", 2, 'unexpected ")"'),
        ("&& echo a", 2, 'unexpected "&&"'),
        ("a | ", 2, "unexpected end of file"),
        ("echo ${x", 2, "bad substitution"),
        ("echo >", 2, "unexpected end of file"),
        ("((" * 60, 2, "nested too deeply"),
        ("echo a > /etc/passwd", 1, "can't create /etc/passwd: Read-only file system"),
        ("cat < /etc/passwd", 1, "can't open /etc/passwd: No such file or directory"),
        ("cat /tmp/../etc/shadow", 1, "No such file or directory"),
        ("echo a >/tmp/no/where", 1, "No such file or directory"),
        ("echo a >/tmp", 1, "Is a directory"),
        ("echo 1 >&9", 1, "9: Bad file descriptor"),
        ("rm /tmp/sysinfo/model", 1, "Read-only file system"),
        ("rmdir /tmp/sysinfo", 1, "Directory not empty"),
        ("rm -x f", 1, "invalid option -- 'x'"),
        ("cd nowhere", 1, "can't cd to nowhere"),
    ],
)
def test_what_it_refuses_it_says_and_with_which_status(line: str, status: int, complaint: str) -> None:
    came, out, err = said(line)
    assert came == status
    assert complaint in err
    assert not out


def test_a_stream_of_bytes_goes_into_a_file_unchanged() -> None:
    files = board()
    image = bytes(range(256)) * 100
    assert said("cat > /tmp/new.img", image, files) == (0, "", "")
    assert files.read("/tmp/new.img") == image
    digest = hashlib.sha256(image).hexdigest()
    assert said("sha256sum /tmp/new.img", files=files)[1] == f"{digest}  /tmp/new.img\n"


def test_memory_is_bounded_and_a_full_disk_is_told() -> None:
    files = board(room_kib=8)
    status, _, err = said("cat > big", bytes(20_000), files)
    assert status == 1
    assert "No space left on device" in err
    assert said("df -k /tmp", files=files)[1].splitlines()[-1].split()[1] == "8"
    assert said("rm big; cat > small; df -k .", bytes(5_000), files)[1].splitlines()[-1].split()[2:4] == ["8", "0"]


def test_a_second_lock_is_not_got() -> None:
    files = board()
    line = "mkdir /tmp/lock && echo started"
    assert said(line, files=files)[:2] == (0, "started\n")
    assert said(line, files=files)[:2] == (1, "")


def test_paths_stay_inside_the_board() -> None:
    assert absolute("../../../etc/passwd", "/tmp") == "/etc/passwd"
    assert absolute("//a/./b/..", "/") == "/a"
    with pytest.raises(FileError, match="too long"):
        absolute("x" * 2000, "/")


# -- properties --------------------------------------------------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [
        *"();&|<>{}!'\"\\$`#\n \t=",
        "&&",
        "||",
        ">>",
        "2>&1",
        "${",
        "$?",
        "echo",
        "cat",
        "a",
        "/tmp/f",
        "*",
        "sh -c",
        "\0",
    ]
)


@given(st.one_of(st.lists(SNIPPETS, max_size=30).map("".join), st.text(max_size=60)))
def test_no_line_whatever_breaks_the_parser(line: str) -> None:
    with contextlib.suppress(ShellSyntaxError):
        parse(line)


@given(st.lists(SNIPPETS, max_size=30).map("".join))
def test_no_line_whatever_breaks_the_shell(line: str) -> None:
    status, _, err = said(line, b"input")
    assert 0 <= status <= 255
    assert "Traceback" not in err


@given(st.lists(st.text(string.printable + "äß€", min_size=0, max_size=12), min_size=1, max_size=5))
def test_what_is_quoted_singly_arrives_as_it_is(words: list[str]) -> None:
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    assert said(f"echo '' {quoted}")[1] == " ".join(["", *words]) + "\n"


@given(st.lists(st.sampled_from(["true", "false"]), min_size=1, max_size=6), st.data())
def test_and_and_or_are_as_in_any_shell(commands: list[str], data: st.DataObject) -> None:
    operators = [data.draw(st.sampled_from(["&&", "||"])) for _ in commands[1:]]
    line, wanted = commands[0], commands[0] == "true"
    for operator, command in zip(operators, commands[1:], strict=True):
        line += f" {operator} {command}"
        if wanted is (operator == "&&"):
            wanted = command == "true"
    assert (said(line)[0] == 0) is wanted


@given(st.text(string.ascii_letters + string.digits + "/._-+:,@%", min_size=1, max_size=40))
def test_a_plain_word_is_one_command(word: str) -> None:
    assume(word not in RESERVED)
    ((and_or, background),) = parse(word).items
    (command,) = and_or.first.commands
    assert isinstance(command, Simple)
    assert ["".join(part.text for part in w) for w in command.words] == [word]
    assert not background
