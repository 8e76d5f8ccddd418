"""Console of the PADME-NIM: telnet stream, prompts, replies, commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.drivers import padme_nim_console as console
from iocs.drivers.padme_nim_console import Heard, Prompt, scan_prompts, scan_telnet
from sipmdcs.errors import DeviceRefused

IAC = 255


def test_options_are_refused_and_data_kept() -> None:
    scan = scan_telnet(bytes((IAC, 251, 1)) + b"User" + bytes((IAC, 253, 3)) + b"name" + bytes((IAC, IAC, IAC, 241)))
    assert scan.text == b"Username\xff"
    assert scan.answers == bytes((IAC, 254, 1, IAC, 252, 3))
    assert scan.rest == b""


def test_subnegotiation_is_skipped() -> None:
    assert scan_telnet(bytes((IAC, 250, 24, 1, IAC, 240)) + b"x").text == b"x"
    assert scan_telnet(bytes((IAC, 250, 24, 1))).rest == bytes((IAC, 250, 24, 1))


stream = st.lists(
    st.sampled_from([b"abc", b"\xff\xff", b"\xff\xfb\x01", b"\xff\xfd\x03", b"\xff\xfa\x18\x01\xff\xf0", b"\xff\xf1"])
)


@given(stream, st.lists(st.integers(0, 60), max_size=6))
def test_any_split_of_a_telnet_stream_is_the_same(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    text = answers = rest = b""
    last = 0
    for cut in [*sorted(min(c, len(data)) for c in cuts), len(data)]:
        scan = scan_telnet(rest + data[last:cut])
        text, answers, rest, last = text + scan.text, answers + scan.answers, scan.rest, cut
    whole = scan_telnet(data)
    assert (text, answers, rest) == (whole.text, whole.answers, whole.rest)


@given(st.lists(st.sampled_from(["ok\r\n", *Prompt, "APD", "1768> ", ">"])), st.lists(st.integers(0, 80), max_size=6))
def test_any_split_finds_the_same_prompts(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    heard: list[Heard] = []
    rest, last = "", 0
    for cut in [*sorted(min(c, len(text)) for c in cuts), len(text)]:
        listening = scan_prompts(rest + text[last:cut])
        heard += listening.heard
        rest, last = listening.rest, cut
    whole = scan_prompts(text)
    assert (tuple(heard), rest) == (whole.heard, whole.rest)


def test_prompts_of_a_login() -> None:
    listening = scan_prompts("Username: a\r\nPassword: \r\nAPD1768> HV")
    assert [heard.prompt for heard in listening.heard] == [Prompt.USERNAME, Prompt.PASSWORD, Prompt.COMMAND]
    assert listening.rest == "HV"


def test_reply_without_echo() -> None:
    assert console.reply_text("HVONOFF 1", "HVONOFF 1\r\nINFO - HV on\r\n") == "INFO - HV on"
    assert console.reply_text("HVONOFF 1", "INFO - HV on\r\n") == "INFO - HV on"
    assert console.reply_text("HVONOFF 1", "\r\n") == ""


def test_refusal() -> None:
    with pytest.raises(DeviceRefused, match="HVONOFF: ERR - bad parameter"):
        console.reply_text("HVONOFF 7", "HVONOFF 7\r\nERR - bad parameter\r\n")


def test_commands() -> None:
    assert console.set_voltage(5, 57.86) == "DACLTC2609 5 57.860"
    assert console.set_voltage(0, 0) == "DACLTC2609 0 0.000"
    assert console.switch_card(0, on=True) == "ADCFG 1 0"
    assert console.switch_hv(on=False) == "HVONOFF 0"
    assert console.set_range(100) == "HVRANGE 100"
    assert console.set_slew_rate(250) == "SLEWRATE 250"


@pytest.mark.parametrize(
    "call",
    [
        lambda: console.set_voltage(17, 1),
        lambda: console.set_voltage(1, -0.1),
        lambda: console.set_voltage(1, 180.1),
        lambda: console.set_voltage(1, float("nan")),
        lambda: console.switch_card(-1, on=True),
        lambda: console.set_range(60),
        lambda: console.set_slew_rate(0),
        lambda: console.set_slew_rate(251),
    ],
)
def test_what_the_module_does_not_take(call) -> None:
    with pytest.raises(DeviceRefused):
        call()
