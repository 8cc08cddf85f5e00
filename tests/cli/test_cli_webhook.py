"""``anchorline webhook`` and the daemon that tells: on a copy of the prepared home, with a receiver on this machine."""

import signal

from tests.cli.commands import World
from tests.cli.daemons import daemon, stopped, wait_for
from tests.simulators.webhook_receiver import receiving
from tests.waiting import wait_until


def test_a_webhook_is_told_by_the_daemon(world: World) -> None:
    """Added, tested, told of a seal and of its anchor; refused once and sent again by hand; removed."""
    with receiving() as receiver:
        made = world.ok("webhook", "add", receiver.url, "--for-tests", "--json").facts
        assert made["secret"].startswith("whsec_")
        assert ["anchored", "failed", "final", "reorged", "sealed"] == made["news"]
        name = made["webhook"]
        assert "status 204" in world.ok("webhook", "test", name).text
        receiver.statuses = [503]
        world.ok("add", "acme", "-", stdin=b"to be told")
        with daemon(world) as process:
            wanted = {"checkpoint.sealed", "checkpoint.anchored"}
            wait_until(lambda: wanted <= {body["type"] for body in receiver.bodies}, lambda: receiver.bodies)
            wait_for(process, f"event=told webhook={name} ")
            stopped(process, signal.SIGTERM)
    logged = world.ok("webhook", "log", name, "--json").facts["tries"]
    assert 503 in [line["status"] for line in logged]
    event = next(line["event"] for line in logged if line["status"] == 503)
    assert 1 == world.ok("webhook", "replay", name, "--event", str(event), "--json").facts["queued"]
    listed = world.ok("webhook", "list")
    assert name in listed.text
    for shown in (listed.text, world.ok("webhook", "list", "--json").text, world.ok("webhook", "log", name).text):
        assert made["secret"] not in shown
        assert "whsec" not in shown
    world.ok("webhook", "remove", name)
    assert "No webhook." in world.ok("webhook", "list").text


def test_what_makes_no_sense_is_refused(world: World) -> None:
    """Other addresses, other news, unknown webhooks: one sentence, and nothing is stored."""
    for arguments, said in (
        (("add", "http://hooks.example/"), "expected https://HOST/PATH"),
        (("add", "https://hooks.example/", "--for-tests"), "expected http://HOST/PATH"),
        (("add", "https://hooks.example/", "--news", "sold"), "expected one of sealed, anchored, final"),
        (("replay", "wh_0000000000000000"), "say what"),
        (("test", "wh_0000000000000000"), "no webhook"),
        (("remove", "x"), "no webhook"),
    ):
        done = world.run("webhook", *arguments)
        assert done.exit_code in {1, 2}
        assert said in done.err
    assert {"webhooks": []} == world.ok("webhook", "list", "--json").facts
