"""Passwords: argon2id, one turn after another, and nothing that tells of users."""

from __future__ import annotations

import threading

import pytest
from argon2 import Parameters, extract_parameters, profiles

from strategy_optimizer.access.passwords import Passwords, check_password
from strategy_optimizer.errors import AccountError, TooManyRequestsError

PASSWORD = "correct horse battery staple"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(profiles.CHEAPEST)


def test_the_default_is_what_the_rfc_recommends() -> None:
    passwords = Passwords()
    stored = passwords.hash(PASSWORD, name="ada")
    parameters = extract_parameters(stored)
    assert stored.startswith("$argon2id$")
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (64 * 1024, 3, 4)
    assert passwords.matches(stored, PASSWORD)


def test_the_same_password_is_stored_differently_each_time(passwords: Passwords) -> None:
    one, other = (passwords.hash(PASSWORD, name="ada") for _ in range(2))
    assert one != other
    assert PASSWORD not in one
    assert passwords.matches(one, PASSWORD)
    assert passwords.matches(other, PASSWORD)


def test_two_ways_to_type_a_letter_are_one_password(passwords: Passwords) -> None:
    stored = passwords.hash("caf\u00e9 au lait, merci", name="ada")
    assert passwords.matches(stored, "cafe\u0301 au lait, merci")


@pytest.mark.parametrize("stored", [None, "", "$argon2id$broken", "plain"])
def test_where_there_is_no_hash_nothing_matches(passwords: Passwords, stored: str | None) -> None:
    assert not passwords.matches(stored, "nobody has this password")


def test_a_user_who_is_not_there_costs_one_check_too(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = passwords.hash(PASSWORD, name="ada")
    passwords.matches(None, "x")  # from here on the hash of nobody is there
    checked = []
    right = type(passwords._hasher).verify
    monkeypatch.setattr(
        type(passwords._hasher),
        "verify",
        lambda self, one, text: checked.append(extract_parameters(one)) or right(self, one, text),
    )
    assert not passwords.matches(stored, "wrong")
    assert not passwords.matches(None, "wrong")
    assert len(checked) == 2
    assert checked[0] == checked[1]


def test_a_hash_with_old_parameters_is_made_anew(passwords: Passwords) -> None:
    stored = passwords.hash(PASSWORD, name="ada")
    assert passwords.renewed(stored, PASSWORD) is None
    old = profiles.CHEAPEST
    stronger = Passwords(
        Parameters(old.type, old.version, old.salt_len, old.hash_len, 2, 16, old.parallelism)
    )
    renewed = stronger.renewed(stored, PASSWORD)
    assert renewed is not None
    assert extract_parameters(renewed).memory_cost == 16
    assert stronger.matches(renewed, PASSWORD)


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "12 to 256 letters; this one has 5"),
        (257 * "a", "this one has 257"),
        (6 * "ab", "5 different letters; this one has 2"),
        ("Administrator", "not the user's name"),
        ("half of \ud83d a letter", "half of a letter"),
    ],
)
def test_passwords_that_are_no_good(password: str, words: str) -> None:
    with pytest.raises(AccountError, match=words) as caught:
        check_password(password, "administrator")
    assert password not in str(caught.value)


def test_so_many_at_once(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hash(PASSWORD, name="ada")
    running, most, lock, go_on = 0, 0, threading.Lock(), threading.Event()
    right = type(passwords._hasher).verify

    def verify(self: object, *arguments: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go_on.wait(0.05)
        with lock:
            running -= 1
        return right(self, *arguments)

    monkeypatch.setattr(type(passwords._hasher), "verify", verify)
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(passwords.matches(stored, PASSWORD)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 10
    assert most == 2


def test_who_waits_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(profiles.CHEAPEST, at_once=1, patience=0.01)
    with passwords._turn(), pytest.raises(TooManyRequestsError, match="too many passwords"):
        passwords.hash(PASSWORD, name="ada")
    assert passwords.hash(PASSWORD, name="ada")
