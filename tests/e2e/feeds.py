"""Lines of feeds, seeded: recorded changes of wikis and made-up people, varied, among lines that are none."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.doubles.random_user import People

RECORDED = Path(__file__).parents[2] / "examples/wikimedia-recentchange.ndjson"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NO_CHANGES = [
    b"{",
    b"[]",
    b'{"meta":{"id":"x","dt":"2026-11-21T12:00:00Z"},"type":"edit"}',
    b'{"wiki":"enwiki"}',
]
NO_PEOPLE = [b"\xc3\xa9", b'{"person":{}}', b'{"polled_at":"2026-11-21T12:00:00Z","person":{"login":{}}}']


def changes(count: int, seed: int) -> list[bytes]:
    """The recorded edits as they are, and changes of every kind made of them; NO_CHANGES among them."""
    chance = random.Random(seed)
    recorded = RECORDED.read_bytes().splitlines()
    made = [_change(json.loads(chance.choice(recorded)), chance) for _ in range(count)]
    return _shuffled([*recorded, *map(_line, made), *NO_CHANGES], chance)


def _change(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    event["meta"]["dt"] = _time(chance)
    event["wiki"] = chance.choice(["enwiki", "wikidatawiki", "commonswiki"])
    event["type"] = chance.choice(["edit", "edit", "new", "log", "categorize"])
    event["bot"] = chance.random() < 1 / 3
    event["minor"] = chance.random() < 1 / 4
    event["user"] = chance.choice(["Ann", "Zoë", "198.51.100.7", event["user"], None])
    if event["type"] == "new":
        event["length"], event["revision"]["old"] = {"old": None, "new": chance.randrange(5000)}, None
    elif event["type"] != "edit":
        for name in ("length", "revision", "minor"):
            del event[name]
    return event


def people(count: int, seed: int) -> list[bytes]:
    """Sign-ups of fewer people than that, some of unknown age or country; NO_PEOPLE among them."""
    chance = random.Random(seed)
    crowd = People(seed).some(count // 2)
    lines = [_line({"polled_at": _time(chance), "person": _person(crowd, chance)}) for _ in range(count)]
    return _shuffled([*lines, *NO_PEOPLE], chance)


def _person(crowd: Sequence[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    person: dict[str, Any] = json.loads(json.dumps(chance.choice(crowd)))
    person["location"]["country"] = chance.choice(["Peru", "Türkiye", "New Zealand", None])
    person["dob"]["age"] = chance.choice([None, chance.randrange(18, 99)])
    person["login"]["uuid"] = chance.choice([str.upper, str.lower])(person["login"]["uuid"])
    return person


def _time(chance: random.Random) -> str:
    return (START + timedelta(microseconds=chance.randrange(25 * 60 * 1_000_000))).isoformat()


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _shuffled(lines: list[bytes], chance: random.Random) -> list[bytes]:
    chance.shuffle(lines)
    return lines
