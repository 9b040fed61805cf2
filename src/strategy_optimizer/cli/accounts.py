"""The commands ``users`` and ``keys`` at work."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import typer
from rich.table import Table

from strategy_optimizer.access.first_key import make_admin_key
from strategy_optimizer.access.key_text import read_key_text
from strategy_optimizer.access.keys import Keys, check_name
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.principal import read_role
from strategy_optimizer.cli.exits import DONE
from strategy_optimizer.cli.service_options import StoreOptions
from strategy_optimizer.cli.serving import open_store
from strategy_optimizer.cli.terminal import console, note
from strategy_optimizer.errors import AccountError, NotAuthenticatedError, NotStoredError, nearest_name
from strategy_optimizer.storage import ApiKeyRecord, Store, UserRecord


def run_list_users(options: StoreOptions, as_json: bool) -> int:
    """List the users."""
    with open_store(options) as store:
        found = store.accounts.users()
    if as_json:
        _print_json([_user(user) for user in found])
    else:
        _print_table(("name", "role", "password", "disabled", "made"), [_user_row(user) for user in found])
    return DONE


def run_add_user(options: StoreOptions, name: str, role: str, asks: bool) -> int:
    """Make a user with a key."""
    check_name(name, "user")
    with open_store(options) as store:
        hashed = _ask_for_password(name) if asks else None
        user = store.accounts.add_user(name.strip(), read_role(role), password_hash=hashed)
        _audit(store, "user.create", user.id, role=role)
        key = Keys(store).create(user.id, "first key")
        _audit(store, "key.create", key.record.id)
    note(f"made the {role} {name}; the first key, shown this once, is")
    sys.stdout.write(key.text + "\n")
    return DONE


def run_change_user(options: StoreOptions, name: str, role: str | None, disabled: bool | None) -> int:
    """Change a user's role, or whether the user is let in."""
    if role is None and disabled is None:
        raise AccountError("nothing is to be changed; give --role, --disable or --enable")
    changes: dict[str, Any] = {} if role is None else {"role": read_role(role)}
    changes |= {} if disabled is None else {"disabled": disabled}
    with open_store(options) as store:
        user = store.accounts.change_user(_find(store, name).id, **changes)
        _audit(store, "user.change", user.id, **changes)
    note(f"{user.name} is {'disabled' if user.disabled else f'now {user.role}'}")
    return DONE


def run_set_password(options: StoreOptions, name: str) -> int:
    """Ask for a new password."""
    with open_store(options) as store:
        user = _find(store, name)
        store.accounts.change_user(user.id, password_hash=_ask_for_password(name))
        _audit(store, "password.set", user.id)
    note(f"{name} has a new password; all sessions have ended")
    return DONE


def run_list_keys(options: StoreOptions, name: str, as_json: bool) -> int:
    """List a user's keys."""
    with open_store(options) as store:
        found, now = store.accounts.keys(_find(store, name).id), store.accounts.now()
    if as_json:
        _print_json([_key(key) for key in found])
    else:
        heads = ("key", "name", "scopes", "made", "last used", "state")
        _print_table(heads, [_key_row(key, now) for key in found])
    return DONE


def run_new_key(
    options: StoreOptions, name: str, key_name: str, scopes: Sequence[str] | None, days: float | None
) -> int:
    """Make a key and print it."""
    with open_store(options) as store:
        ends = None if days is None else store.accounts.now() + timedelta(days=days)
        key = Keys(store).create(_find(store, name).id, key_name, scopes=scopes, expires=ends)
        _audit(store, "key.create", key.record.id)
    note(f"a key of {name} with the scopes {', '.join(key.record.scopes)}, shown this once:")
    sys.stdout.write(key.text + "\n")
    return DONE


def run_revoke_key(options: StoreOptions, prefix: str) -> int:
    """Revoke a key by what it begins with, or by the whole of it."""
    with open_store(options) as store:
        try:
            prefix = read_key_text(prefix).prefix
        except NotAuthenticatedError:
            prefix = prefix.removesuffix("_")
        key = store.accounts.find_key(prefix)
        if key is None:
            raise NotStoredError(f"there is no key that begins with {prefix[:11]!r}")
        store.accounts.revoke_key(key.id)
        _audit(store, "key.revoke", key.id)
    note(f"revoked {key.prefix}, {key.name!r}")
    return DONE


def run_admin_key(options: StoreOptions) -> int:
    """Make the administrator's key anew."""
    settings = options.read()
    with open_store(options) as store:
        key = make_admin_key(store, settings.data_dir)
    note(f"the administrator's new key, kept in {key.path}:")
    sys.stdout.write(key.text + "\n")
    return DONE


def _find(store: Store, name: str) -> UserRecord:
    user = store.accounts.find_user(name)
    if user is None:
        known = [user.name for user in store.accounts.users()]
        raise NotStoredError(f"there is no user {name!r}{nearest_name(name, known)}")
    return user


def _ask_for_password(name: str) -> str:
    password: str = typer.prompt(f"password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return Passwords().hash(password, name=name)


def _audit(store: Store, action: str, target: str, **details: Any) -> None:
    store.accounts.note(None, action, target, details={"where": "command line", **details})


def _user(user: UserRecord) -> dict[str, Any]:
    shown = asdict(user)
    shown["has_password"] = shown.pop("password_hash") is not None
    return shown


def _user_row(user: UserRecord) -> tuple[str, ...]:
    yes = {True: "yes", False: ""}
    has_password = user.password_hash is not None
    return user.name, user.role, yes[has_password], yes[user.disabled], _moment(user.created)


def _key(key: ApiKeyRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "digest"}


def _key_row(key: ApiKeyRecord, now: datetime) -> tuple[str, ...]:
    return (
        key.prefix,
        key.name,
        ", ".join(key.scopes),
        _moment(key.created),
        _moment(key.last_used),
        _state(key, now),
    )


def _state(key: ApiKeyRecord, now: datetime) -> str:
    if key.revoked is not None:
        return f"revoked {_moment(key.revoked)}"
    if key.expires is None:
        return "valid"
    return f"{'valid until' if key.expires > now else 'ended'} {_moment(key.expires)}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _print_json(values: Any) -> None:
    sys.stdout.write(json.dumps(values, indent=2, default=lambda moment: moment.isoformat()) + "\n")


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console().print(table)
