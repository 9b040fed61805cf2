"""The commands ``users`` and ``keys``: administration straight on the store, for whoever may read the data folder."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from strategy_optimizer.cli.option_types import AsJson
from strategy_optimizer.cli.service_commands import DatabaseUrl, DataDir
from strategy_optimizer.cli.service_options import StoreOptions

UserName: TypeAlias = Annotated[str, typer.Argument(metavar="USER", help="The name of a user.")]
RoleName: TypeAlias = Annotated[
    str, typer.Option("--role", metavar="ROLE", help="viewer, operator or admin.")
]

users = typer.Typer(no_args_is_help=True, help="Look after the users of the service.", rich_markup_mode=None)
keys = typer.Typer(no_args_is_help=True, help="Look after the keys of the service.", rich_markup_mode=None)


def add_account_commands(app: typer.Typer) -> None:
    """Add them to the program."""
    app.add_typer(users, name="users", short_help="Look after the users of the service.")
    app.add_typer(keys, name="keys", short_help="Look after the keys of the service.")


@users.command("list")
def list_users(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> int:
    """List the users."""
    from strategy_optimizer.cli.accounts import run_list_users

    return run_list_users(StoreOptions(data_dir=data_dir, database_url=database_url), as_json)


@users.command("add", epilog="\b\nExample:\n  strategy-optimizer users add ada --role operator")
def add_user(
    user: UserName,
    role: RoleName = "viewer",
    password: Annotated[bool, typer.Option("--password", help="Ask for a password, twice.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Make a user, and print a first key of theirs, which is shown this once."""
    from strategy_optimizer.cli.accounts import run_add_user

    return run_add_user(StoreOptions(data_dir=data_dir, database_url=database_url), user, role, password)


@users.command("change", epilog="\b\nExample:\n  strategy-optimizer users change ada --disable")
def change_user(
    user: UserName,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="viewer, operator or admin.")
    ] = None,
    disabled: Annotated[
        bool | None,
        typer.Option("--disable/--enable", help="Refuse all keys and sessions of the user, or not."),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Change the role of a user, or disable the user; a service that runs obeys within two seconds."""
    from strategy_optimizer.cli.accounts import run_change_user

    return run_change_user(StoreOptions(data_dir=data_dir, database_url=database_url), user, role, disabled)


@users.command("password", epilog="\b\nExample:\n  strategy-optimizer users password ada")
def set_password(user: UserName, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Ask for a new password of a user, twice; all sessions of the user end."""
    from strategy_optimizer.cli.accounts import run_set_password

    return run_set_password(StoreOptions(data_dir=data_dir, database_url=database_url), user)


@keys.command("list")
def list_keys(
    user: UserName, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> int:
    """List the keys of a user."""
    from strategy_optimizer.cli.accounts import run_list_keys

    return run_list_keys(StoreOptions(data_dir=data_dir, database_url=database_url), user, as_json)


@keys.command(
    "new", epilog="\b\nExample:\n  strategy-optimizer keys new ada --name cron --scope read --days 90"
)
def new_key(
    user: UserName,
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="What the key is called.")
    ] = "command line",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="read, run or admin; several times. All of the user's by default.",
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", metavar="DAYS", help="After so long it ends by itself.")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Make a key of a user and print it; it is shown this once."""
    from strategy_optimizer.cli.accounts import run_new_key

    options = StoreOptions(data_dir=data_dir, database_url=database_url)
    return run_new_key(options, user, name, scope, days)


@keys.command("revoke", epilog="\b\nExample:\n  strategy-optimizer keys revoke so_4fGh81Zq")
def revoke_key(
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="What the key begins with, so_ and 8 letters.")
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Revoke a key for ever; a service that runs obeys within two seconds."""
    from strategy_optimizer.cli.accounts import run_revoke_key

    return run_revoke_key(StoreOptions(data_dir=data_dir, database_url=database_url), prefix)


@keys.command("admin", epilog="\b\nExample:\n  strategy-optimizer keys admin")
def admin_key(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Make the administrator's key anew when it is lost, in admin.key of the data folder; the old one is revoked."""
    from strategy_optimizer.cli.accounts import run_admin_key

    return run_admin_key(StoreOptions(data_dir=data_dir, database_url=database_url))
