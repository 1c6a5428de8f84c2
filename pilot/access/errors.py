"""The rules about people, passwords, links and keys, each with its name."""

from pilot.errors import NotPermitted, PilotError, Refused
from pilot.words import N_


class NotAuthenticated(NotPermitted):
    """Who is asking is not known: HTTP 401."""

    code = "not_authenticated"


class SignInRefused(NotAuthenticated):
    """Never says which of the two is wrong, nor whether there is such a person."""

    code = "sign_in_refused"
    template = N_("This e-mail address and password do not belong together. An administrator can send a new link.")


class TooManyAttempts(PilotError):
    """HTTP 429."""

    code = "too_many_attempts"
    template = N_("Too many failed attempts. Wait {minutes} minutes and try again.")


class LinkNotValid(Refused):
    code = "link_not_valid"
    template = N_("This link is not valid: it was used, replaced by a newer one, or is too old. Ask for a new one.")


class WeakPassword(Refused):
    code = "weak_password"
    template = N_("A password has {least} to {most} characters and is not your e-mail address or name. Choose another.")


class WrongPassword(Refused):
    code = "wrong_password"
    template = N_("The present password is not right.")


class EmailNotValid(Refused):
    code = "email_not_valid"
    template = N_("“{email}” is not an e-mail address. Write it as name@example.org.")


class NameNeeded(Refused):
    code = "name_needed"
    template = N_("A {kind} needs a name of 1 to 300 characters.")


class EmailTaken(Refused):
    code = "email_taken"
    template = N_("There already is a person with the e-mail address {email}.")


class AdministratorExists(Refused):
    code = "administrator_exists"
    template = N_(
        "This installation has its people already. An administrator invites others; “pilot user link” resets."
    )


class LastAdministrator(Refused):
    code = "last_administrator"
    template = N_("{email} is the only active administrator. Make somebody else an administrator first.")


class KeyRefused(NotAuthenticated):
    code = "key_refused"
    template = N_("This API key is not known, has expired or was revoked. An administrator makes a new one.")


class KeyWithoutScope(Refused):
    code = "key_without_scope"
    template = N_("An API key needs at least one scope of: {scopes}.")


class KeyIsRevoked(Refused):
    code = "key_is_revoked"
    template = N_("The key {key} is revoked or expired. Make a new key instead.")


class UnknownPreference(Refused):
    code = "unknown_preference"
    template = N_("“{value}” is not a known {kind}. Choose one from the list.")
