"""Notices are delivered once each, within Discord's limits, and can mention nobody."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.forges.local import LocalForge
from hundredfold.notices import others
from hundredfold.notices.delivery import CHANNEL, Delivered, Delivery
from hundredfold.notices.discord import Webhook, checked_url
from hundredfold.notices.embed import message
from hundredfold.notices.forge import WithNotices
from hundredfold.notices.pace import Pace
from hundredfold.notices.telling import Telling
from hundredfold.payloads import Notice
from hundredfold.settings import NoticesSettings
from hundredfold.sources.git import open_repository
from hundredfold.store import notices
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, now_us
from hundredfold.store.items import keep_project
from hundredfold.store.notices import Told
from hundredfold.vocabulary import Proposal
from tests.support.discord import DiscordServer, discord_server, problem
from tests.support.repositories import RepositoryMaker

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
FAST = 40.0  # how much faster the clocks of these tests run


@pytest.fixture
def server() -> Iterator[DiscordServer]:
    with discord_server(FAST) as running:
        yield running


@pytest.fixture
def outbox(database: Database) -> Database:
    keep_project(database, "p", Path("/p"))
    return database


def put(database: Database, number: int, slot: str = "", picture: str = "") -> str:
    told = Told(f"Notice {number}", "words", picture)
    return notices.put(database, "p", CHANNEL, "notice", told, key=str(number), slot=slot)


def deliver(database: Database, blobs: Path, server: DiscordServer, within_s: float = 3600) -> Delivered:
    async def run() -> Delivered:
        async with aiohttp.ClientSession() as session:
            return await Delivery(
                database,
                "p",
                Blobs(blobs),
                Webhook(server.url, session),
                clock=server.now,
                sleep=lambda seconds: asyncio.sleep(seconds / FAST),
            ).deliver(within_s)

    return asyncio.run(run())


def hurry(database: Database) -> None:
    """As if every pause were over."""
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE notices SET due_us = 0")


def test_of_two_hundred_none_is_lost_and_none_is_over_the_limits(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    if not outbox.is_sqlite:
        pytest.skip("the pace does not depend on the database")
    picture = Blobs(tmp_path).put(PNG)
    for number in range(200):
        put(outbox, number, picture=picture if number % 10 == 0 else "")
    began = server.now()
    done = deliver(outbox, tmp_path, server)
    assert (done.sent, done.failed, done.left) == (200, 0, 0)
    titles = [one["embeds"][0]["title"] for one in server.messages.values()]
    assert titles == [f"Notice {number}" for number in range(200)], "each once, in order"
    assert server.violations == 0 and server.refused == []
    assert len(server.pictures) == 20
    assert server.now() - began >= 6 * 60, "30 a minute"


def test_faults_lose_nothing_and_every_notice_arrives(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    for number in range(12):
        put(outbox, number)
    server.faults.extend([429, 500, 502, 0, 404, 429, 503])
    for _ in range(8):
        done = deliver(outbox, tmp_path, server)
        hurry(outbox)
        if not done.left:
            break
    titles = sorted(one["embeds"][0]["title"] for one in server.messages.values())
    assert titles == sorted(f"Notice {number}" for number in range(12))
    assert not server.faults and server.violations == 0


def test_a_failed_delivery_waits_longer_each_time_and_says_why(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    put(outbox, 1)
    server.faults.extend([500, 500])
    pauses = []
    for _ in range(2):
        assert "500" in deliver(outbox, tmp_path, server).why
        (row,) = notices.newest(outbox, "p")
        pauses.append(row.due_us - now_us())
        assert deliver(outbox, tmp_path, server).sent == 0, "it is not due yet"
        hurry(outbox)
    assert row.tries == 2 and pauses[1] > pauses[0] > 0
    assert deliver(outbox, tmp_path, server).sent == 1


def test_one_that_is_refused_for_good_does_not_hold_up_the_others(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    for number in range(3):
        put(outbox, number)
    server.faults.append(400)
    assert deliver(outbox, tmp_path, server).sent == 2
    assert notices.counts(outbox, "p", CHANNEL) == {"sent": 2, "refused": 1}


def test_a_slot_is_one_message_edited_in_place_and_made_anew_if_somebody_deletes_it(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    for number in range(3):
        put(outbox, number, slot="status")
        deliver(outbox, tmp_path, server)
    assert len(server.messages) == 1 and server.edits == 2
    (shown,) = server.messages.values()
    assert shown["embeds"][0]["title"] == "Notice 2"
    for number in range(3, 6):
        put(outbox, number, slot="status")
    assert deliver(outbox, tmp_path, server).sent == 1, "only the newest matters"
    server.messages.clear()
    put(outbox, 7, slot="status")
    assert deliver(outbox, tmp_path, server).sent == 1
    (shown,) = server.messages.values()
    assert shown["embeds"][0]["title"] == "Notice 7"
    assert len(notices.newest(outbox, "p")) == 1, "what a slot said before is not kept"


def test_time_that_is_up_leaves_the_rest_in_the_outbox(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    for number in range(40):
        put(outbox, number)
    done = deliver(outbox, tmp_path, server, within_s=45.0)
    assert 0 < done.sent <= 30 and done.sent + done.left == 40


def test_the_same_is_not_told_twice(outbox: Database) -> None:
    assert put(outbox, 1) == put(outbox, 1)
    assert len(notices.due(outbox, "p", CHANNEL, now_us())) == 1


def test_a_picture_that_is_gone_or_none_leaves_the_words(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    put(outbox, 1, picture="0" * 32)
    put(outbox, 2, picture=Blobs(tmp_path).put(b"not a picture"))
    assert deliver(outbox, tmp_path, server).sent == 2
    assert server.pictures == {}


@settings(deadline=None, max_examples=120)
@given(st.text(max_size=5000), st.text(max_size=9000), st.booleans())
def test_whatever_is_told_discord_takes_the_message(title: str, body: str, simulated: bool) -> None:
    made = message("alert", Told(title, body, simulated=simulated), picture=True)
    json.dumps(made).encode()
    assert problem(made, {"files[0]": PNG}) == ""


@pytest.mark.parametrize(
    "text",
    [
        "@everyone", "@here", "<@123>", "<@!123>", "<@&9>", "<#5>", "</cmd:1>", "<:smile:1>", "<t:1>",
        "<id:home>", "@\u200beveryone", "[click](https://evil.example)", "\u202eevil", "<!-- marker -->",
        "AKIA" + "IOSFODNN7EXAMPLF", "https://discord.gg/abc",
    ],
)  # fmt: skip
def test_hostile_text_reaches_nobody(text: str) -> None:
    made = message("alert", Told(text, f"before {text} after"), picture=False)
    shown = json.dumps(made["embeds"], ensure_ascii=False)
    assert text not in shown
    assert made["allowed_mentions"] == {"parse": []}
    assert problem(made, {}) == ""


def test_long_text_is_cut_and_says_so() -> None:
    made = message("alert", Told("t" * 999, "😀" * 65_000), picture=False)
    assert "cut here" in made["embeds"][0]["description"]
    assert problem(made, {}) == ""


def test_simulated_results_are_labelled() -> None:
    made = message("status", Told("x", simulated=True), picture=False)
    assert "Simulated" in made["embeds"][0]["footer"]["text"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://discord.com/api/webhooks/1/a",
        "https://discord.com/",
        "ftp://x/api/webhooks/1/a",
        "javascript:1",
    ],
)
def test_what_is_no_webhook_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_url(url + "SECRET", "HOOK")
    assert "$HOOK" in str(refused.value) and "SECRET" not in str(refused.value)


def test_the_pace_keeps_to_every_window_and_to_what_it_is_told() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    sent: list[float] = []
    while len(sent) < 100:
        now[0] += pace.wait_s()
        assert pace.wait_s() == 0
        pace.sent()
        sent.append(now[0])
    for count, seconds in ((5, 2.0), (30, 60.0)):
        assert all(later - earlier > seconds for earlier, later in zip(sent, sent[count:], strict=False))
    pace.told(retry_after_s=500)
    assert pace.wait_s() > 500


def test_an_approved_notice_is_posted_once_and_undone_by_deleting_it(
    outbox: Database, tmp_path: Path, server: DiscordServer
) -> None:
    maker = RepositoryMaker(tmp_path / "repo")
    maker.commit({"a": "a"})
    repository = open_repository(maker.root)
    forge = WithNotices(LocalForge(tmp_path / "forge", repository, by="Ada"), outbox, "p", repository)
    proposal = Proposal(
        "p-000000000000", "p", "benchmarks", "i", "notice", "SIMULATED: slower", "by 5 %", payload=Notice()
    )
    receipt = forge.apply(proposal, "x-1")
    assert forge.apply(proposal, "x-1") == receipt
    deliver(outbox, tmp_path, server)
    (shown,) = server.messages.values()
    assert "Simulated" in shown["embeds"][0]["footer"]["text"]
    assert "deleted" in forge.undo(receipt, "x-1")
    deliver(outbox, tmp_path, server)
    assert server.messages == {}
    assert forge.undo(receipt, "x-1") == ""


def test_a_status_that_says_nothing_new_is_not_sent_and_a_digest_is_one_a_day(outbox: Database) -> None:
    telling = Telling(outbox, "p", "shop", simulated=True)
    for states in ({"queued": 1}, {"queued": 1}, {"done": 1}, {"queued": 1}):
        telling.status("n-1", states, "$1", 3.0, "")
    rows = notices.newest(outbox, "p")
    assert [row.state for row in rows].count("waiting") == 1 and len(rows) == 3
    assert rows[0].told.title == "SIMULATED: shop: running"
    telling.stopped("n-1", "a budget", "raise it")
    telling.stopped("n-1", "a budget", "raise it")
    assert [row.kind for row in notices.newest(outbox, "p")].count("alert") == 1
    assert not telling.digest(datetime.now(UTC) + timedelta(days=1), ""), "nothing happened"


def test_a_service_that_is_not_there_takes_no_time(outbox: Database, tmp_path: Path) -> None:
    put(outbox, 1)
    dead = DiscordServer(FAST)
    dead.url = "http://127.0.0.1:9/api/webhooks/1/x"
    began = time.monotonic()
    done = deliver(outbox, tmp_path, dead)
    assert "not reached" in done.why and done.left == 1
    assert time.monotonic() - began < 120


def test_other_services_get_harmless_text_through_apprise(
    outbox: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTHERS", f"json://127.0.0.1:{listener.server_port}/")
    urls = others.addresses(NoticesSettings(apprise_env="OTHERS"))
    told = Told("hello @everyone", "<@1> here")
    notices.put(outbox, "p", others.CHANNEL, "alert", told, key="1")
    assert others.deliver(outbox, "p", urls) == 1
    assert others.deliver(outbox, "p", urls) == 0, "once"
    listener.shutdown()
    listener.server_close()
    notices.put(outbox, "p", others.CHANNEL, "alert", told, key="2")
    assert others.deliver(outbox, "p", urls) == 0
    assert notices.counts(outbox, "p", others.CHANNEL) == {"sent": 1, "waiting": 1}
    (body,) = bodies
    assert "@everyone" not in body["title"] and "<@" not in body["message"]
    with pytest.raises(UnavailableError, match="can't be read"):
        hurry(outbox)
        others.deliver(outbox, "p", ["no-such-service://x"])
