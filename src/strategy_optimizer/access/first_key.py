"""The key of the first administrator: made when the service starts for the first time, and made anew when it is lost.

Whoever can read the data folder administers the service, as with every program that keeps its data in files.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from strategy_optimizer.access.key_text import new_key_text, read_key_text
from strategy_optimizer.access.principal import ROLE_SCOPES, in_order
from strategy_optimizer.errors import AccountError, NotAuthenticatedError
from strategy_optimizer.storage import Store, UserRecord

FILE = "admin.key"
ADMIN = "admin"
_NAME = "admin.key of the data folder"


@dataclass(frozen=True)
class AdminKey:
    """A key of an administrator that was just made; `path` has it too."""

    text: str = field(repr=False)
    path: Path


def make_first_key(store: Store, data_dir: Path) -> AdminKey | None:
    """Make the user ``admin`` with a key, unless there is any user; None where there is.

    Of several processes that start at once, with this data folder or others, one gets the key. A process that is
    killed on the way leaves the file; the next start takes the key that is in it.

    Raises
    ------
    AccountError
        When there is an admin.key already that others can read, or that holds no key.
    """
    if store.accounts.users():
        return None
    path = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    text, is_ours = _key_in(path)
    key = read_key_text(text)
    is_made = store.accounts.add_first_admin(
        ADMIN,
        key_name=_NAME,
        prefix=key.prefix,
        digest=key.digest,
        scopes=in_order(ROLE_SCOPES["admin"]),
    )
    if is_made:
        return AdminKey(text, path)
    if is_ours and store.accounts.find_key(key.prefix) is None:
        path.unlink(missing_ok=True)  # the first admin was made with another data folder
    return None


def make_admin_key(store: Store, data_dir: Path) -> AdminKey:
    """Make another key for the user ``admin``, in place of the one that is lost, which is revoked.

    The user is made where it is missing, and is an administrator afterwards, whatever it was.
    """
    admin = _admin(store)
    text, path = new_key_text(), data_dir / FILE
    key = read_key_text(text)
    data_dir.mkdir(parents=True, exist_ok=True)
    old = [found for found in store.accounts.keys(admin.id) if found.name == _NAME and found.revoked is None]
    store.accounts.add_key(
        admin.id,
        name=_NAME,
        prefix=key.prefix,
        digest=key.digest,
        scopes=in_order(ROLE_SCOPES["admin"]),
    )
    _write_beside(path, text).replace(path)
    for found in old:
        store.accounts.revoke_key(found.id)
    store.accounts.note(None, "key.replace", key.prefix, details={"user": admin.id, "where": "command line"})
    return AdminKey(text, path)


def _admin(store: Store) -> UserRecord:
    found = store.accounts.find_user(ADMIN)
    if found is None:
        return store.accounts.add_user(ADMIN, "admin")
    if found.role != "admin" or found.disabled:
        return store.accounts.change_user(found.id, role="admin", disabled=False)
    return found


def _key_in(path: Path) -> tuple[str, bool]:
    """Return the key of a file, and whether this call made it; all who call at once get the same."""
    temporary = _write_beside(path, new_key_text())
    try:
        os.link(temporary, path)  # unlike a rename, it fails where there is one
        is_ours = True
    except FileExistsError:
        is_ours = False
    finally:
        temporary.unlink()
    try:
        return _read(path), is_ours
    except FileNotFoundError:  # whoever made it found that it is not needed
        return _key_in(path)


def _write_beside(path: Path, text: str) -> Path:
    """Write a new file that only its owner can read, and return it."""
    temporary = path.with_name(f"{path.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _read(path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode) or (os.name == "posix" and mode & 0o077):
        raise AccountError(
            f"{path} can be read or changed by others (mode {stat.S_IMODE(mode):04o}); remove it and start again"
        )
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        read_key_text(text)
    except NotAuthenticatedError as error:
        raise AccountError(f"{path} holds no key; remove it and start again") from error
    return text
