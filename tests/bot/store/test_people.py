"""People in the store, on SQLite and on Postgres."""

from __future__ import annotations

from bot.events import Person, Platform
from bot.store import Store


async def test_tastes_are_those_of_people_who_agreed_and_rated_enough_on_an_allowed_platform(
    store: Store,
) -> None:
    people: dict[str, tuple[Platform, bool | None, float]] = {
        "ann": (Platform.WEB, True, 12.0),
        "bob": (Platform.WEB, None, 40.0),
        "cid": (Platform.WEB, True, 11.5),
        "discord:1": (Platform.DISCORD, True, 40.0),
        "eve": (Platform.WEB, True, 30.0),
    }
    for key, (platform, learning, count) in people.items():
        await store.people.meet(Person(key=key, platform=platform))
        await store.people.change(key, learning=learning, taste={"ratings": count})
    await store.people.meet(Person(key="fay", platform=Platform.WEB))
    await store.people.change("fay", learning=True)
    found = await store.people.tastes([Platform.WEB], min_ratings=12, at_most=10)
    assert sorted(taste["ratings"] for taste in found) == [12.0, 30.0]
    assert len(await store.people.tastes([Platform.WEB], min_ratings=12, at_most=1)) == 1
