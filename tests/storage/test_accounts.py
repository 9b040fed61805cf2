"""Users, keys, sessions, quotas, the audit log; datasets and schedules."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from storage_worlds import Clock, add_task, put_content
from strategy_optimizer.errors import DuplicateError, LastAdminError, NotStoredError, StorageError
from strategy_optimizer.storage import NewSchedule, Quota, Store

DIGEST = bytes(range(32))


def test_users(store: Store, clock: Clock) -> None:
    user = store.accounts.add_user("eve", "viewer", password_hash="$argon2id$x")
    assert store.accounts.user(user.id) == store.accounts.find_user("eve") == user
    assert (user.role, user.disabled, user.created) == ("viewer", False, clock.now)
    assert [one.name for one in store.accounts.users()] == ["ada", "ben", "eve"]
    changed = store.accounts.change_user(user.id, role="admin", password_hash=None)
    assert (changed.role, changed.password_hash) == ("admin", None)
    assert store.accounts.find_user("nobody") is None
    with pytest.raises(NotStoredError, match=r"^there is no user 'nobody'$"):
        store.accounts.user("nobody")
    with pytest.raises(DuplicateError, match="the user name 'eve' is taken"):
        store.accounts.add_user("eve", "viewer")
    with pytest.raises(StorageError, match="name of a user cannot be changed"):
        store.accounts.change_user(user.id, name="eva")


def test_keys(store: Store, clock: Clock) -> None:
    expires = clock.now + timedelta(days=1)
    key = store.accounts.add_key(
        "ada", name="laptop", prefix="so_1", digest=DIGEST, scopes=["read", "run"], expires=expires
    )
    assert store.accounts.find_key("so_1") == key
    assert (key.digest, key.scopes, key.expires, key.revoked) == (DIGEST, ("read", "run"), expires, None)
    assert store.accounts.keys("ada") == [key]
    assert store.accounts.keys("ben") == []
    assert store.accounts.find_key("so_2") is None
    with pytest.raises(DuplicateError, match="so_1"):
        store.accounts.add_key("ben", name="other", prefix="so_1", digest=DIGEST)
    with pytest.raises(NotStoredError):
        store.accounts.add_key("nobody", name="other", prefix="so_3", digest=DIGEST)
    store.accounts.note_key_used(key.id)
    revoked_at = clock.move(hours=1)
    store.accounts.revoke_key(key.id)
    clock.move(hours=1)
    store.accounts.revoke_key(key.id)
    found = store.accounts.find_key("so_1")
    assert found is not None
    assert (found.revoked, found.last_used) == (revoked_at, revoked_at - timedelta(hours=1))


def test_sessions(store: Store, clock: Clock) -> None:
    digests = [bytes([number]) * 32 for number in range(3)]
    for digest in digests:
        store.accounts.add_session("ada", digest=digest, expires=clock.now + timedelta(hours=1))
    holder = store.accounts.session_holder(digests[0])
    assert holder is not None
    assert holder.session.user_id == "ada"
    store.accounts.end_session(digests[0])
    assert store.accounts.session_holder(digests[0]) is None
    clock.move(minutes=59)
    assert store.accounts.session_holder(digests[1]) is not None
    clock.move(minutes=1)
    assert store.accounts.session_holder(digests[1]) is None


def test_a_disabled_user_has_no_session(store: Store, clock: Clock) -> None:
    store.accounts.add_session("ada", digest=DIGEST, expires=clock.now + timedelta(hours=1))
    store.accounts.change_user("ada", disabled=True)
    assert store.accounts.session_holder(DIGEST) is None


def test_a_new_password_ends_all_sessions(store: Store, clock: Clock) -> None:
    store.accounts.add_session("ada", digest=DIGEST, expires=clock.now + timedelta(hours=1))
    store.accounts.change_user("ada", password_hash="$argon2id$1")
    assert store.accounts.session_holder(DIGEST) is None


def test_another_hash_of_the_same_password_ends_no_session(store: Store, clock: Clock) -> None:
    store.accounts.change_user("ada", password_hash="$argon2id$1")
    store.accounts.add_session("ada", digest=DIGEST, expires=clock.now + timedelta(hours=1))
    store.accounts.replace_password_hash("ada", "$argon2id$1", "$argon2id$2")
    store.accounts.replace_password_hash("ada", "$argon2id$1", "$argon2id$3")  # was changed meanwhile
    assert store.accounts.user("ada").password_hash == "$argon2id$2"
    assert store.accounts.session_holder(DIGEST) is not None


def test_sessions_with_their_users(store: Store, clock: Clock) -> None:
    expires = clock.now + timedelta(hours=1)
    session = store.accounts.add_session("ada", digest=DIGEST, expires=expires)
    holder = store.accounts.session_holder(DIGEST)
    assert holder is not None
    assert (holder.session, holder.user, holder.now) == (session, store.accounts.user("ada"), clock.now)
    assert store.accounts.session_holder(bytes(32)) is None
    store.accounts.extend_session(DIGEST, expires + timedelta(hours=1))
    store.accounts.extend_session(DIGEST, expires)  # never shorter
    clock.move(minutes=119)
    assert store.accounts.session_holder(DIGEST) is not None
    clock.move(minutes=1)
    assert store.accounts.session_holder(DIGEST) is None


def test_keys_with_their_users(store: Store, clock: Clock) -> None:
    key = store.accounts.add_key("ada", name="laptop", prefix="so_1", digest=DIGEST, scopes=["read", "run"])
    store.accounts.add_key("ben", name="laptop", prefix="so_2", digest=bytes(32))
    holder = store.accounts.key_holder("so_1")
    assert holder is not None
    assert (holder.key, holder.user, holder.now) == (key, store.accounts.user("ada"), clock.now)
    assert store.accounts.key_holder(key_id=key.id) == holder
    assert [store.accounts.key_digest(prefix) for prefix in ("so_1", "so_3")] == [DIGEST, bytes(32)]
    assert store.accounts.key_holder("so_3") is None
    assert store.accounts.key(key.id, user_id="ada") == store.accounts.key(key.id) == key
    with pytest.raises(NotStoredError, match="there is no key"):
        store.accounts.key(key.id, user_id="ben")


def test_the_use_of_a_key_is_noted_once_in_a_while(store: Store, clock: Clock) -> None:
    key = store.accounts.add_key("ada", name="laptop", prefix="so_1", digest=DIGEST)
    seen = []
    for _ in range(5):
        store.accounts.note_key_used(key.id, after=timedelta(minutes=1))
        seen.append(store.accounts.key(key.id).last_used)
        clock.move(seconds=30)
    start = clock.now - timedelta(seconds=150)
    assert [(moment - start).total_seconds() for moment in seen if moment is not None] == [0, 0, 60, 60, 120]


def test_one_admin_is_left(store: Store) -> None:
    store.accounts.add_user("eve", "admin", user_id="eve")
    for change in ({"role": "operator"}, {"disabled": True}):
        with pytest.raises(LastAdminError, match="eve is the last admin"):
            store.accounts.change_user("eve", **change)
    assert store.accounts.user("eve").role == "admin"
    store.accounts.change_user("ada", role="admin")
    store.accounts.change_user("eve", role="viewer", disabled=True)
    with pytest.raises(LastAdminError):
        store.accounts.change_user("ada", disabled=True)


def test_two_admins_who_demote_each_other_at_once_leave_one(store: Store) -> None:
    for _ in range(10):
        for name in ("ada", "ben"):
            store.accounts.change_user(name, role="admin")
        refused = _at_once(
            lambda name: store.accounts.change_user(name, role="viewer"), ["ada", "ben"], LastAdminError
        )
        assert len(refused) == 1
        assert [user.role for user in store.accounts.users()].count("admin") == 1


def test_a_ticket_is_taken_once(store: Store, clock: Clock) -> None:
    key = store.accounts.add_key("ada", name="laptop", prefix="so_1", digest=DIGEST)
    digests = [bytes([number]) * 32 for number in range(20)]
    for digest in digests:
        store.accounts.add_ticket("ada", digest=digest, lasts=timedelta(seconds=30), key_id=key.id)
    taken = []
    for digest in digests:
        _at_once(lambda _, digest=digest: taken.append(store.accounts.take_ticket(digest)), range(3))
    tickets = [ticket for ticket in taken if ticket is not None]
    assert sorted(ticket.digest for ticket in tickets) == digests
    assert {(ticket.user_id, ticket.key_id, ticket.session) for ticket in tickets} == {("ada", key.id, None)}


def test_a_ticket_ends(store: Store, clock: Clock) -> None:
    key = store.accounts.add_key("ada", name="laptop", prefix="so_1", digest=DIGEST)
    for number in range(3):
        store.accounts.add_ticket(
            "ada", digest=bytes([number]) * 32, lasts=timedelta(seconds=30), key_id=key.id
        )
    clock.move(seconds=29)
    assert store.accounts.take_ticket(bytes(32)) is not None
    clock.move(seconds=1)
    assert store.accounts.take_ticket(bytes([1]) * 32) is None
    clock.move(seconds=1)
    assert store.tidy().tickets == 2


def test_a_ticket_goes_with_its_session(store: Store, clock: Clock) -> None:
    store.accounts.add_session("ada", digest=DIGEST, expires=clock.now + timedelta(hours=1))
    store.accounts.add_ticket("ada", digest=DIGEST, lasts=timedelta(seconds=30), session=DIGEST)
    store.accounts.end_session(DIGEST)
    assert store.accounts.take_ticket(DIGEST) is None
    with pytest.raises(NotStoredError):
        store.accounts.add_ticket("ada", digest=DIGEST, lasts=timedelta(seconds=30), session=DIGEST)
    with pytest.raises(StorageError):  # of neither a key nor a session
        store.accounts.add_ticket("ada", digest=DIGEST, lasts=timedelta(seconds=30))


def test_the_first_admin_is_made_once(url: str) -> None:
    with Store(url) as store:
        made = []
        _at_once(
            lambda number: made.append(
                store.accounts.add_first_admin(
                    "admin",
                    key_name="first",
                    prefix=f"so_{number}",
                    digest=bytes([number]) * 32,
                    scopes=["admin"],
                )
            ),
            range(6),
        )
        assert sorted(made) == [False] * 5 + [True]
        (admin,) = store.accounts.users()
        (key,) = store.accounts.keys(admin.id)
        assert (admin.name, admin.role, key.name, key.scopes) == ("admin", "admin", "first", ("admin",))


def test_there_is_no_first_admin_where_there_are_users(store: Store) -> None:
    assert not store.accounts.add_first_admin("admin", key_name="k", prefix="p", digest=DIGEST, scopes=[])
    assert store.accounts.find_user("admin") is None


def test_quotas(store: Store) -> None:
    assert store.accounts.quota("ada") == Quota()
    store.accounts.set_quota("ada", Quota(running_tasks=2, trials_a_day=10**12))
    store.accounts.set_quota("ada", Quota(running_tasks=3, memory=2**40, queued_tasks=7))
    assert store.accounts.quota("ada") == Quota(running_tasks=3, memory=2**40, queued_tasks=7)
    with pytest.raises(NotStoredError):
        store.accounts.set_quota("nobody", Quota())


def test_the_audit_log(store: Store, clock: Clock) -> None:
    for number in range(5):
        store.accounts.note("ada", "task.cancel", f"opt_{number}", address="127.0.0.1", details={"n": number})
        clock.move(seconds=1)
    store.accounts.note(None, "login.failed")
    newest = store.accounts.log(limit=2)
    assert [(entry.actor, entry.action, entry.target) for entry in newest] == [
        (None, "login.failed", ""),
        ("ada", "task.cancel", "opt_4"),
    ]
    older = store.accounts.log(actor="ada", before=newest[-1].number)
    assert [entry.details["n"] for entry in older] == [3, 2, 1, 0]
    assert older[-1].address == "127.0.0.1"


def test_datasets(store: Store, clock: Clock) -> None:
    put_content(store, "d" * 64)
    put_content(store, "e" * 64)
    data = store.datasets.add("ada", "prices", digest="d" * 64, size=2**33, details={"bars": 5000})
    assert store.datasets.get(data.id) == store.datasets.find("ada", "prices") == data
    assert (data.created, data.size) == (clock.now, 2**33)
    store.datasets.add("ben", "prices", digest="d" * 64, size=1, details={})
    assert [one.owner for one in store.datasets.all()] == ["ada", "ben"]
    assert store.datasets.all(owner="ada") == [data]
    assert store.accounts.usage("ada").datasets == 1
    with pytest.raises(DuplicateError, match="the dataset name 'prices' of ada is taken"):
        store.datasets.add("ada", "prices", digest="e" * 64, size=1, details={})
    with pytest.raises(NotStoredError, match="there is no dataset"):
        store.datasets.get(data.id, owner="ben")
    store.datasets.remove(data.id)
    assert store.datasets.is_used("d" * 64)
    store.datasets.remove(store.datasets.all()[0].id)
    assert not store.datasets.is_used("d" * 64)


def test_schedules(store: Store, clock: Clock) -> None:
    new = NewSchedule(
        "ada", "momentum", "nasdaq", "0 6 * * 1", {"budget": 100}, clock.now + timedelta(hours=1)
    )
    schedule = store.schedules.add(new)
    assert store.schedules.get(schedule.id) == schedule
    assert store.schedules.all(owner="ada") == [schedule]
    assert store.schedules.due(clock.now) == []
    now = clock.move(hours=1)
    assert store.schedules.due(now) == [schedule]
    task_id = add_task(store)
    changed = store.schedules.change(schedule.id, cron="0 7 * * 1", last_task=task_id, enabled=False)
    assert (changed.cron, changed.last_task) == ("0 7 * * 1", task_id)
    assert store.schedules.due(now) == []
    with pytest.raises(StorageError, match="owner of a schedule cannot be changed"):
        store.schedules.change(schedule.id, owner="ben")
    with pytest.raises(NotStoredError):
        store.schedules.get(schedule.id, owner="ben")
    store.schedules.remove(schedule.id)
    assert store.schedules.all() == []


def test_one_of_several_takes_a_due_run(store: Store, clock: Clock) -> None:
    store.schedules.add(NewSchedule("ada", "momentum", "nasdaq", "@daily", {}, clock.now))
    (seen,) = store.schedules.due(clock.now)
    tomorrow = clock.now + timedelta(days=1)
    taken = [store.schedules.claim(seen, next_run=tomorrow, now=clock.now) for _ in range(3)]
    assert taken == [True, False, False]
    (after,) = store.schedules.all()
    assert (after.next_run, after.last_run) == (tomorrow, clock.now)
    assert store.schedules.due(clock.now) == []


def test_the_last_task_of_a_schedule_may_be_deleted(store: Store, clock: Clock) -> None:
    schedule = store.schedules.add(NewSchedule("ada", "momentum", "nasdaq", "@daily", {}, clock.now))
    task_id = add_task(store)
    store.schedules.change(schedule.id, last_task=task_id)
    store.tasks.cancel(task_id)
    store.tasks.delete(task_id)
    assert store.schedules.get(schedule.id).last_task is None


def _at_once(call, arguments, expected: type[Exception] | None = None) -> list[Exception]:
    """Call from several threads at once; return the errors of the kind that is expected, raise others."""
    errors: list[Exception] = []
    barrier = threading.Barrier(len(arguments))

    def run(argument: object) -> None:
        barrier.wait()
        try:
            call(argument)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        if expected is None or not isinstance(error, expected):
            raise error
    return errors
