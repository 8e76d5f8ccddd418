"""How long requests are waited for: replies that keep coming extend the deadline of many, silence ends it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

from sipmdcs.channels import PvValue
from sipmdcs.channels_ca_requests import CHANNELS_PER_TIMEOUT, CaChannel, Requests
from sipmdcs.errors import ChannelTimeout, NotConnected
from sipmdcs.libca import Eca
from tests.sipmdcs.channels.conftest import BaseIoc, OpenClient

TIMEOUT_S = 1.0
GAP_S = 0.5


def requests_to(count: int) -> tuple[Requests[int], list[int]]:
    """Requests to connected channels, and the keys they were sent under."""
    channels = [CaChannel(f"PV{index}") for index in range(count)]
    for channel in channels:
        channel.connected = True
        channel.forget()
    sent: list[int] = []
    return Requests(channels, lambda _channel, key: sent.append(key), lambda _channel, _args: 1), sent


def reply_in_bursts(requests: Requests[int], sent: list[int], bursts: int, silent: int) -> None:
    """Answer all but the last ``silent`` requests, with pauses that together are longer than the time-out."""
    args: Any = SimpleNamespace(status=Eca.NORMAL)
    answered = len(sent) - silent
    for burst in range(bursts):
        time.sleep(GAP_S)  # the passing of time is what this is about
        for key in sent[answered * burst // bursts : answered * (burst + 1) // bursts]:
            requests.reply(key, args)


def run(count: int, silent: int) -> tuple[dict[str, Any], float]:
    requests, sent = requests_to(count)

    def flush() -> None:
        if len(sent) == count:
            threading.Thread(target=reply_in_bursts, args=(requests, sent, 4, silent), daemon=True).start()

    start = time.monotonic()
    return dict(requests.run(flush, TIMEOUT_S)), time.monotonic() - start


def test_replies_that_keep_coming_extend_the_deadline_of_many_requests() -> None:
    count = 4 * CHANNELS_PER_TIMEOUT
    answers, took_s = run(count, silent=1)
    assert took_s > 4 * GAP_S
    last = answers.pop(f"PV{count - 1}")
    assert isinstance(last, ChannelTimeout)
    assert set(answers.values()) == {1}


def test_few_requests_end_at_their_timeout_whatever_comes() -> None:
    answers, _ = run(100, silent=1)
    assert sum(isinstance(answer, ChannelTimeout) for answer in answers.values()) > 1


def test_silence_ends_the_waiting_for_many() -> None:
    channels = [CaChannel(f"PV{index}") for index in range(20 * CHANNELS_PER_TIMEOUT)]
    start = time.monotonic()
    answers = Requests(channels, lambda *_: None, lambda *_: 1).run(lambda: None, 0.2)
    assert time.monotonic() - start < 4.0  # the limit of so many would be 4 s
    assert all(isinstance(answer, NotConnected) for answer in answers.values())


def test_a_real_server_that_is_held_up_for_longer_than_the_time_out_answers_all(ioc: BaseIoc, open_client: OpenClient) -> None:
    count, timeout_s = 12 * CHANNELS_PER_TIMEOUT, 3.0
    ioc.start("".join(f'record(ai, "P{index}") {{ field(VAL, "{index}") field(PINI, "YES") }}\n' for index in range(count)))
    names = [f"P{index}" for index in range(count)] + ["DEAD"]
    held_up = threading.Event()

    def hold_up() -> None:
        while not held_up.wait(0.02):
            ioc.pause(timeout_s / 3)

    client = open_client(ioc.address)
    pausing = threading.Thread(target=hold_up)
    pausing.start()
    threading.Timer(2 * timeout_s, held_up.set).start()
    try:
        answers = client.get(names, timeout=timeout_s)
    finally:
        held_up.set()
        pausing.join()
    assert isinstance(answers.pop("DEAD"), NotConnected)
    assert [one.value if isinstance(one, PvValue) else one for one in answers.values()] == [*range(count)]
