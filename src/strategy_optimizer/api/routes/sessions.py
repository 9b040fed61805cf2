"""Sessions of browsers, and tickets for their sockets."""

from __future__ import annotations

from fastapi import Request, Response

from strategy_optimizer.access.origins import check_origin
from strategy_optimizer.access.sessions import COOKIE, LONGEST
from strategy_optimizer.api.authentication import address_of
from strategy_optimizer.api.dependencies import Caller, TheService
from strategy_optimizer.api.routing import Router
from strategy_optimizer.models.accounts import LoginIn, SessionOut, TicketOut

router = Router(prefix="/api/v1", tags=["sessions"])


@router.post("/sessions", status_code=201)
def log_in(login: LoginIn, service: TheService, request: Request, response: Response) -> SessionOut:
    """Begin a session; the cookie is sent along by the browser from then on."""
    origin = request.headers.get("origin")
    if origin is not None:  # another site must not log the browser in as somebody else
        check_origin(origin, request.headers.get("host"), service.settings.origins)
    session = service.gate.log_in(login.name, login.password, address_of(request))
    request.state.principal = session.principal
    response.set_cookie(
        COOKIE,
        session.cookie,
        max_age=int(LONGEST.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request, service.settings.secure_cookies),
    )
    who = session.principal
    return SessionOut(user_id=who.user_id, name=who.name, role=who.role, ends_at=session.ends)


@router.delete("/sessions/current", status_code=204)
def log_out(caller: Caller, service: TheService, request: Request, response: Response) -> None:
    """End the session; a key stays what it is."""
    service.gate.sessions.log_out(caller)
    response.delete_cookie(
        COOKIE,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request, service.settings.secure_cookies),
    )


@router.post("/ws-tickets", status_code=201)
def make_ticket(caller: Caller, service: TheService) -> TicketOut:
    """Make a ticket, which opens one socket within 30 seconds: browsers cannot send a key with a socket."""
    ticket = service.gate.tickets.issue(caller)
    return TicketOut(ticket=ticket.text, expires_at=ticket.expires)


def _is_secure(request: Request, always: bool) -> bool:
    return always or request.url.scheme == "https"
