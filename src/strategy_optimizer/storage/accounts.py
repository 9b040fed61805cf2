"""Users, their keys and sessions, their quotas, and the audit log. Hashing is done above: digests come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, LargeBinary, Row, Table, delete, func, literal, select, update

from strategy_optimizer.errors import LastAdminError, StorageError
from strategy_optimizer.storage.account_records import (
    ApiKeyRecord,
    AuditRecord,
    KeyHolder,
    Quota,
    SessionHolder,
    SessionRecord,
    TicketRecord,
    Usage,
    UserRecord,
)
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.table_access import TableAccess, new_id, record_columns
from strategy_optimizer.storage.tables import (
    api_keys,
    audit,
    datasets,
    quotas,
    sessions,
    tasks,
    tickets,
    usage,
    users,
)
from strategy_optimizer.storage.task_records import TASK_MEMORY

R = TypeVar("R")
_NO_DIGEST = bytes(32)
_ADMINS = select(users.c.id).where(users.c.role == "admin", users.c.disabled.is_(False)).order_by(users.c.id)


class Accounts(TableAccess):
    """Who may use the service, and what they did."""

    # -- users -----------------------------------------------------------------------------------------------

    def add_user(
        self, name: str, role: str, *, password_hash: str | None = None, user_id: str | None = None
    ) -> UserRecord:
        """Store a user.

        Raises
        ------
        DuplicateError
            When the name or the id is taken.
        """
        user = UserRecord(user_id or new_id("user"), name, role, password_hash, False, self.now())
        self.insert_once(users, vars(user), f"the user name {name!r}")
        return user

    def user(self, user_id: str) -> UserRecord:
        """Return a user, or raise a `NotStoredError`."""
        return self.get_row(users, UserRecord, users.c.id == user_id, f"there is no user {user_id!r}")

    def find_user(self, name: str) -> UserRecord | None:
        """Return the user of a name."""
        return self.find_row(users, UserRecord, users.c.name == name)

    def users(self) -> list[UserRecord]:
        """Return all users by name."""
        return self.list_rows(users, UserRecord, order=[users.c.name])

    def page_of_users(self, listing: Listing) -> Page[UserRecord]:
        """Return a part of the users."""
        return self.page_rows(users, UserRecord, listing)

    def change_user(self, user_id: str, **values: Any) -> UserRecord:
        """Change role, password_hash or disabled.

        All sessions of a user end when the user is disabled or the password changes.

        Raises
        ------
        LastAdminError
            When there are admins, and this would leave none who is not disabled.
        """

        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            # Two admins who demote each other at once wait for each other here.
            admins = connection.execute(_ADMINS.with_for_update()).scalars().all()
            connection.execute(update(users).where(users.c.id == user_id).values(**values))
            if admins and connection.execute(_ADMINS).first() is None:
                raise LastAdminError(f"{user_id} is the last admin; make another first")
            if values.get("disabled") or "password_hash" in values:
                connection.execute(delete(sessions).where(sessions.c.user_id == user_id))

        unknown = values.keys() - {"role", "password_hash", "disabled"}
        if unknown:
            raise StorageError(f"{', '.join(sorted(unknown))} of a user cannot be changed")
        if values:
            self._database.write(work)
        return self.user(user_id)

    def replace_password_hash(self, user_id: str, old: str, new: str) -> None:
        """Store another hash of the same password; one that was changed meanwhile stays."""
        self.change_rows(users, (users.c.id == user_id) & (users.c.password_hash == old), password_hash=new)

    def add_first_admin(
        self, name: str, *, key_name: str, prefix: str, digest: bytes, scopes: Sequence[str]
    ) -> bool:
        """Store an admin and a key of theirs, unless there is any user; return whether there was none.

        Of several processes that call it at once, on whatever machines, one gets True.
        """
        user_id, key_id = new_id("user"), new_id("key")

        def work(transaction: Transaction) -> bool:
            connection = transaction.connection
            found = connection.execute(select(users.c.id).limit(2)).scalars().all()
            if found:
                return transaction.is_repeated and found == [user_id]
            now = transaction.now()
            user = UserRecord(user_id, name, "admin", None, False, now)
            # Where two found nobody, the second waits here for the first, and adds nothing.
            adding = transaction.insert(users).values(**vars(user)).on_conflict_do_nothing()
            if connection.execute(adding.returning(users.c.id)).first() is None:
                return False
            key = ApiKeyRecord(
                key_id, user_id, key_name, prefix, digest, tuple(scopes), now, None, None, None
            )
            connection.execute(transaction.insert(api_keys).values(**vars(key)))
            return True

        return self._database.write(work)

    # -- keys ------------------------------------------------------------------------------------------------

    def add_key(
        self,
        user_id: str,
        *,
        name: str,
        prefix: str,
        digest: bytes,
        scopes: Sequence[str] = (),
        expires: datetime | None = None,
    ) -> ApiKeyRecord:
        """Store a key by the SHA-256 of it; `prefix` is how it is found."""
        key = ApiKeyRecord(
            new_id("key"), user_id, name, prefix, digest, tuple(scopes), self.now(), expires, None, None
        )
        self.insert_once(api_keys, vars(key), f"the key prefix {prefix!r}")
        return key

    def find_key(self, prefix: str) -> ApiKeyRecord | None:
        """Return the key of a prefix, revoked and expired ones too: the caller compares digest and times."""
        found = self.find_row(api_keys, ApiKeyRecord, api_keys.c.prefix == prefix)
        return None if found is None else _scopes_as_tuple(found)

    def key(self, key_id: str, *, user_id: str | None = None) -> ApiKeyRecord:
        """Return a key; with `user_id`, somebody else's does not exist.

        Raises
        ------
        NotStoredError
            When there is none.
        """
        wanted = api_keys.c.id == key_id
        if user_id is not None:
            wanted &= api_keys.c.user_id == user_id
        found = self.get_row(api_keys, ApiKeyRecord, wanted, f"there is no key {key_id!r}")
        return _scopes_as_tuple(found)

    def key_digest(self, prefix: str) -> bytes:
        """Return the digest of the key of a prefix, zeros where there is none; both take the same steps and time."""
        found = select(api_keys.c.digest).where(api_keys.c.prefix == prefix).scalar_subquery()
        statement = select(func.coalesce(found, literal(_NO_DIGEST, LargeBinary)))
        return self._database.read(
            lambda transaction: bytes(transaction.connection.execute(statement).scalar_one())
        )

    def key_holder(self, prefix: str | None = None, *, key_id: str | None = None) -> KeyHolder | None:
        """Return a key, by its prefix or its id, with its user."""
        columns = [*_labelled(api_keys, ApiKeyRecord, "key"), *_labelled(users, UserRecord, "user")]
        statement = select(*columns).join(users, users.c.id == api_keys.c.user_id)
        wanted = api_keys.c.prefix == prefix if key_id is None else api_keys.c.id == key_id

        def work(transaction: Transaction) -> KeyHolder | None:
            now = transaction.now()
            row = transaction.connection.execute(statement.where(wanted)).one_or_none()
            if row is None:
                return None
            key = _scopes_as_tuple(_part(row, ApiKeyRecord, "key"))
            return KeyHolder(key, _part(row, UserRecord, "user"), now)

        return self._database.read(work)

    def keys(self, user_id: str) -> list[ApiKeyRecord]:
        """Return a user's keys, the oldest first."""
        found = self.list_rows(
            api_keys,
            ApiKeyRecord,
            api_keys.c.user_id == user_id,
            order=[api_keys.c.created, api_keys.c.id],
        )
        return [_scopes_as_tuple(key) for key in found]

    def page_of_keys(self, user_id: str, listing: Listing) -> Page[ApiKeyRecord]:
        """Return a part of a user's keys."""
        page = self.page_rows(api_keys, ApiKeyRecord, listing, api_keys.c.user_id == user_id)
        return replace(page, rows=[_scopes_as_tuple(key) for key in page.rows])

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; the first time counts."""
        self.change_rows(
            api_keys, (api_keys.c.id == key_id) & api_keys.c.revoked.is_(None), revoked=self.now()
        )

    def note_key_used(self, key_id: str, *, after: timedelta = timedelta(0)) -> None:
        """Note that a key was used now, unless it was noted less than `after` ago."""
        now = self.now()
        is_due = api_keys.c.last_used.is_(None) | (api_keys.c.last_used <= now - after)
        self.change_rows(api_keys, (api_keys.c.id == key_id) & is_due, last_used=now)

    # -- sessions --------------------------------------------------------------------------------------------

    def add_session(self, user_id: str, *, digest: bytes, expires: datetime) -> SessionRecord:
        """Store a session by the SHA-256 of its cookie."""
        session = SessionRecord(digest, user_id, self.now(), expires)
        self.insert_once(sessions, vars(session), "the session")
        return session

    def session_holder(self, digest: bytes) -> SessionHolder | None:
        """Return a session that has not expired, with its user."""
        columns = [*_labelled(sessions, SessionRecord, "session"), *_labelled(users, UserRecord, "user")]
        statement = select(*columns).join(users, users.c.id == sessions.c.user_id)

        def work(transaction: Transaction) -> SessionHolder | None:
            now = transaction.now()
            alive = (sessions.c.digest == digest) & (sessions.c.expires > now)
            row = transaction.connection.execute(statement.where(alive)).one_or_none()
            if row is None:
                return None
            return SessionHolder(_part(row, SessionRecord, "session"), _part(row, UserRecord, "user"), now)

        return self._database.read(work)

    def extend_session(self, digest: bytes, expires: datetime) -> None:
        """Let a session last until a later moment."""
        is_earlier = (sessions.c.digest == digest) & (sessions.c.expires < expires)
        self.change_rows(sessions, is_earlier, expires=expires)

    def end_session(self, digest: bytes) -> None:
        """Remove a session, and the tickets that were made with it."""
        self.remove_rows(sessions, sessions.c.digest == digest)

    # -- tickets ---------------------------------------------------------------------------------------------

    def add_ticket(
        self,
        user_id: str,
        *,
        digest: bytes,
        lasts: timedelta,
        key_id: str | None = None,
        session: bytes | None = None,
    ) -> TicketRecord:
        """Store a ticket by the SHA-256 of it, with the key or the session that it stands for.

        Raises
        ------
        NotStoredError
            When the key or the session is gone.
        """
        ticket = TicketRecord(digest, user_id, key_id, session, self.now() + lasts)
        self.insert_once(tickets, vars(ticket), "the ticket")
        return ticket

    def take_ticket(self, digest: bytes) -> TicketRecord | None:
        """Return a ticket and remove it: of several who ask, one gets it, and nobody after its end."""

        def work(transaction: Transaction) -> TicketRecord | None:
            alive = (tickets.c.digest == digest) & (tickets.c.expires > transaction.now())
            statement = delete(tickets).where(alive).returning(*record_columns(tickets, TicketRecord))
            row = transaction.connection.execute(statement).one_or_none()
            return None if row is None else TicketRecord(**row._mapping)

        return self._database.write(work)

    # -- quotas ----------------------------------------------------------------------------------------------

    def set_quota(self, user_id: str, quota: Quota) -> None:
        """Set what a user may use."""

        def work(transaction: Transaction) -> None:
            statement = transaction.insert(quotas).values(user_id=user_id, **vars(quota))
            transaction.connection.execute(
                statement.on_conflict_do_update(index_elements=[quotas.c.user_id], set_=vars(quota))
            )

        self.user(user_id)
        self._database.write(work)

    def quota(self, user_id: str) -> Quota:
        """Return what a user may use; without limits where nothing was set."""
        return self.find_row(quotas, Quota, quotas.c.user_id == user_id) or Quota()

    def usage(self, user_id: str) -> Usage:
        """Return what a user uses now."""

        def work(transaction: Transaction) -> Usage:
            connection = transaction.connection
            memory = func.sum(func.coalesce(tasks.c.memory, TASK_MEMORY))
            states = connection.execute(
                select(tasks.c.state, func.count().label("tasks"), memory.label("memory"))
                .where(tasks.c.owner == user_id, tasks.c.state.in_(("queued", "running")))
                .group_by(tasks.c.state)
            )
            by_state = {row.state: (row.tasks, int(row.memory)) for row in states}
            running, taken = by_state.get("running", (0, 0))
            today = transaction.now().date().isoformat()
            trials = select(usage.c.trials).where(usage.c.user_id == user_id, usage.c.day == today)
            kept = select(func.count()).select_from(datasets).where(datasets.c.owner == user_id)
            return Usage(
                by_state.get("queued", (0, 0))[0],
                running,
                connection.execute(trials).scalar_one_or_none() or 0,
                connection.execute(kept).scalar_one(),
                taken,
            )

        return self._database.read(work)

    # -- audit -----------------------------------------------------------------------------------------------

    def note(
        self,
        actor: str | None,
        action: str,
        target: str = "",
        *,
        address: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one line of the audit log."""
        entry_id, details = uuid4().hex, dict(details or {})

        def work(transaction: Transaction) -> None:
            statement = transaction.insert(audit).values(
                id=entry_id,
                at=transaction.now(),
                actor=actor,
                action=action,
                target=target,
                address=address,
                details=details,
            )
            transaction.connection.execute(statement.on_conflict_do_nothing(index_elements=[audit.c.id]))

        self._database.write(work)

    def log(
        self, *, actor: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """Return lines of the audit log, the newest first; `before` is the last number of the page before."""
        wanted: list[ColumnElement[bool]] = []
        if actor is not None:
            wanted.append(audit.c.actor == actor)
        if before is not None:
            wanted.append(audit.c.number < before)
        return self.list_rows(audit, AuditRecord, *wanted, order=[audit.c.number.desc()], limit=limit)


def _scopes_as_tuple(key: ApiKeyRecord) -> ApiKeyRecord:
    """Return a key whose scopes, a list in JSON, are a tuple."""
    return replace(key, scopes=tuple(key.scopes))


def _labelled(table: Table, record: type[Any], label: str) -> list[Any]:
    return [column.label(f"{label}_{column.name}") for column in record_columns(table, record)]


def _part(row: Row[Any], record: type[R], label: str) -> R:
    """Return the record whose columns have a label in a joined row."""
    return record(**{item.name: row._mapping[f"{label}_{item.name}"] for item in fields(record)})  # type: ignore[arg-type]
