"""The simulated PADME-NIM does what its documents say."""

from __future__ import annotations

import pytest

from iocs.drivers.padme_nim_pages import BOARD_PAGE, CHANNEL_PAGE, Card, decode_board, decode_cards
from iocs.simulators.climate import Climate
from iocs.simulators.faults import Faults, Knob
from iocs.simulators.output import Load
from iocs.simulators.padme_nim_device import KNOBS, PadmeNimDevice
from iocs.simulators.sipm import Sipm


class Bench:
    """A device with a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.faults = Faults(16, KNOBS)
        climate = Climate("HV13")
        loads = {ch: Load("HV13", ch, Sipm(52.0), climate, self.faults) for ch in range(1, 17)}
        self.device = PadmeNimDevice("HV13", loads, self.faults)

    def do(self, *lines: str) -> list[str]:
        return [self.device.command(line, self.now) for line in lines]

    def cards(self, later: float = 0.0) -> list[Card]:
        self.now += later
        page = self.device.page(CHANNEL_PAGE, self.now)
        assert page is not None
        return list(decode_cards(page))


ON = ("DACLTC2609 0 57", "HVONOFF 1", "ADCFG 1 0")


def test_board_page() -> None:
    page = Bench().device.page(BOARD_PAGE, 0.0)
    assert page is not None
    assert decode_board(page).name == "PADME-NIM"
    assert Bench().device.page("/index.html", 0.0) is None


def test_first_page_shows_all_cards_without_voltage() -> None:
    cards = Bench().cards()
    assert [card.channel for card in cards] == list(range(1, 17))
    assert all(card.status == 1 and card.requested_V == 0 and card.level_V == 0 for card in cards)


def test_outputs_slew_to_what_is_asked() -> None:
    bench = Bench()
    bench.do("SLEWRATE 20", *ON)
    assert bench.cards(1)[0].level_V == pytest.approx(20, abs=0.15)
    assert bench.cards(3)[0].level_V == pytest.approx(57, abs=0.15)
    bench.do("DACLTC2609 1 50")
    assert bench.cards(0.1)[0].level_V == pytest.approx(55, abs=0.15)


def test_a_card_that_refuses_keeps_what_it_has_until_the_high_voltage_goes_off() -> None:
    bench = Bench()
    bench.do("SLEWRATE 100", *ON)
    bench.faults.turn(5, Knob.REFUSE, "1")
    assert bench.do("DACLTC2609 5 50", "ADCFG 0 5", "DACLTC2609 6 50", "DACLTC2609 0 40", "ADCFG 0 0") == [
        "ERR - card 5 refuses\r\n",
        "ERR - card 5 refuses\r\n",
        "INFO - LTC2609  CH06: 50.000 V\r\n",
        "INFO - LTC2609  CH00: 40.000 V\r\n",
        "INFO - card 0 disabled\r\n",
    ]
    cards = bench.cards()
    assert [card.channel for card in cards if card.status and card.requested_V > 50] == [5]
    bench.do("HVONOFF 0")
    assert bench.cards(5)[4].level_V < 1
    bench.faults.turn(5, Knob.REFUSE, "0")
    assert bench.do("DACLTC2609 5 50") == ["INFO - LTC2609  CH05: 50.000 V\r\n"]


def test_dark_current_of_a_biased_channel() -> None:
    bench = Bench()
    bench.do(*ON)
    assert all(0.06 < card.current_uA < 0.2 for card in bench.cards(10))


@pytest.mark.parametrize(("line", "off"), [("HVONOFF 0", range(16)), ("ADCFG 0 3", [2]), ("ADCFG 0 0", range(16))])
def test_switches(line: str, off: list[int]) -> None:
    bench = Bench()
    bench.do(*ON)
    bench.cards(10)
    bench.do(line)
    levels = [card.level_V for card in bench.cards(1)]
    assert [index for index, level in enumerate(levels) if level < 1] == list(off)
    assert all(card.requested_V == 57 for card in bench.cards())


def test_range_limits_the_output() -> None:
    bench = Bench()
    bench.do("HVRANGE 50", *ON)
    assert bench.cards(10)[0].level_V == pytest.approx(50, abs=0.1)


@pytest.mark.parametrize(
    "line",
    ["DACLTC2609 17 5", "DACLTC2609 1 181", "DACLTC2609 1", "DACLTC2609 one 5", "HVONOFF 2", "HVRANGE 60", "SLEWRATE 0",
     "SLEWRATE 251", "ADCFG 2 1", "ADCFG 1", "NONSENSE"],
)  # fmt: skip
def test_refusals(line: str) -> None:
    (reply,) = Bench().do(line)
    assert reply.startswith("ERR - ")


@pytest.mark.parametrize("line", ["ADSTS 1", "OWDENUMERATE", "SHOW", "ENTEST 1 1", "CALDATA 1 1.0 0.0", "help"])
def test_other_commands_are_answered(line: str) -> None:
    (reply,) = Bench().do(line)
    assert reply
    assert not reply.startswith("ERR")


def test_empty_line() -> None:
    assert Bench().do("", "  ") == ["", ""]


def test_adconvert_lists_all_levels() -> None:
    bench = Bench()
    bench.do(*ON)
    bench.now = 10
    (reply,) = bench.do("ADCONVERT")
    assert reply.splitlines()[4] == "INFO - LTC2489  CH05: 57.000 V"


def test_power_cycle_forgets_everything() -> None:
    bench = Bench()
    bench.do(*ON)
    bench.cards(10)
    bench.device.power_up(bench.now)
    assert all(card.requested_V == 0 and card.level_V == 0 for card in bench.cards(1))


def test_knobs() -> None:
    bench = Bench()
    bench.do(*ON)
    bench.cards(10)
    bench.faults.turn(5, Knob.EXTRA_CURRENT, "10")
    bench.faults.turn(6, Knob.TEMPERATURE, "40")
    bench.faults.turn(7, Knob.CARD_ERROR, "3")
    bench.faults.turn(8, Knob.SENSOR, "1")
    cards = {card.channel: card for card in bench.cards()}
    assert cards[5].current_uA == pytest.approx(10, abs=0.3)
    assert cards[6].sensor_C == pytest.approx(40, abs=0.2)
    assert (cards[7].error_status, cards[7].last_error) == (3, "Error 3")
    assert cards[8].sensor_C < -200
    assert cards[1].error_status == 0
