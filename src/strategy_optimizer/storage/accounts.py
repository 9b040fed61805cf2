"""Users, their keys and sessions, their quotas, and the audit log. Hashing is done above: digests come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, select, update

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.records import (
    ApiKeyRecord,
    AuditRecord,
    Quota,
    SessionRecord,
    Usage,
    UserRecord,
)
from strategy_optimizer.storage.table_access import TableAccess, new_id
from strategy_optimizer.storage.tables import (
    api_keys,
    audit,
    datasets,
    quotas,
    sessions,
    tasks,
    usage,
    users,
)


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

    def change_user(self, user_id: str, **values: Any) -> UserRecord:
        """Change role, password_hash or disabled; a user who is disabled loses all sessions."""

        def work(transaction: Transaction) -> None:
            transaction.connection.execute(update(users).where(users.c.id == user_id).values(**values))
            if values.get("disabled"):
                transaction.connection.execute(delete(sessions).where(sessions.c.user_id == user_id))

        unknown = values.keys() - {"role", "password_hash", "disabled"}
        if unknown:
            raise StorageError(f"{', '.join(sorted(unknown))} of a user cannot be changed")
        if values:
            self._database.write(work)
        return self.user(user_id)

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
        return _with_scopes(self.find_row(api_keys, ApiKeyRecord, api_keys.c.prefix == prefix))

    def keys(self, user_id: str) -> list[ApiKeyRecord]:
        """Return a user's keys, the oldest first."""
        found = self.list_rows(
            api_keys,
            ApiKeyRecord,
            api_keys.c.user_id == user_id,
            order=[api_keys.c.created, api_keys.c.id],
        )
        return [key for key in map(_with_scopes, found) if key is not None]

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; the first time counts."""
        self.change_rows(
            api_keys, (api_keys.c.id == key_id) & api_keys.c.revoked.is_(None), revoked=self.now()
        )

    def note_key_used(self, key_id: str) -> None:
        """Note that a key was used now; call it once in a while, not with each request."""
        self.change_rows(api_keys, api_keys.c.id == key_id, last_used=self.now())

    # -- sessions --------------------------------------------------------------------------------------------

    def add_session(self, user_id: str, *, digest: bytes, expires: datetime) -> SessionRecord:
        """Store a session by the SHA-256 of its cookie."""
        session = SessionRecord(digest, user_id, self.now(), expires)
        self.insert_once(sessions, vars(session), "the session")
        return session

    def find_session(self, digest: bytes) -> SessionRecord | None:
        """Return a session that has not expired."""
        alive = (sessions.c.digest == digest) & (sessions.c.expires > self.now())
        return self.find_row(sessions, SessionRecord, alive)

    def end_session(self, digest: bytes) -> None:
        """Remove a session."""
        self.remove_rows(sessions, sessions.c.digest == digest)

    def end_sessions(self, user_id: str) -> None:
        """Remove all sessions of a user."""
        self.remove_rows(sessions, sessions.c.user_id == user_id)

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
            states = connection.execute(
                select(tasks.c.state, func.count().label("tasks"))
                .where(tasks.c.owner == user_id, tasks.c.state.in_(("queued", "running")))
                .group_by(tasks.c.state)
            )
            by_state = {row.state: row.tasks for row in states}
            today = transaction.now().date().isoformat()
            trials = select(usage.c.trials).where(usage.c.user_id == user_id, usage.c.day == today)
            kept = select(func.count()).select_from(datasets).where(datasets.c.owner == user_id)
            return Usage(
                by_state.get("queued", 0),
                by_state.get("running", 0),
                connection.execute(trials).scalar_one_or_none() or 0,
                connection.execute(kept).scalar_one(),
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


def _with_scopes(key: ApiKeyRecord | None) -> ApiKeyRecord | None:
    """Return a key whose scopes, a list in JSON, are a tuple."""
    return None if key is None else ApiKeyRecord(**{**vars(key), "scopes": tuple(key.scopes)})
