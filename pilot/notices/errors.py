"""The rules about what leaves the house, one named error each; and why something could not be delivered."""

from pilot.errors import Misconfigured, NotPermitted, Refused
from pilot.words import N_


class NotYourNotice(NotPermitted):
    """A notice is read by the person it was written to."""

    code = "not_your_notice"
    template = N_("This notice was written to another person.")


class UnsubscribeLinkNotValid(Refused):
    code = "unsubscribe_link_not_valid"
    template = N_("This link is not complete. Open it from the mail once more, or change your mail on your account.")


class MailUrlWrong(Misconfigured):
    code = "mail_url_wrong"
    template = N_(
        "PILOT_MAIL_URL cannot be read. Write smtp://user:password@mail.example.org:587 (STARTTLS), smtps://… (TLS), "
        "smtp://…?starttls=no (neither; no password then), or console:."
    )


class WebhookNeedsName(Refused):
    code = "webhook_needs_name"
    template = N_("A webhook needs a name of 1 to 300 characters.")


class WebhookNeedsEvent(Refused):
    code = "webhook_needs_event"
    template = N_("A webhook needs at least one event to be called for.")


class WebhookUrlNotTaken(Refused):
    """The form of the address; where it leads is asked each time it is called."""

    code = "webhook_url_not_taken"
    template = N_(
        "“{url}” cannot be called. A webhook's address begins with https://, names a host, and has no password in it."
    )


class NothingToRetry(Refused):
    code = "nothing_to_retry"
    template = N_("This delivery is {state}: there is nothing to try again.")
    marked = ("state",)


class NotDelivered(Refused):
    """Why an attempt failed. ``is_final``: another attempt would fail the same way, so there is none."""

    code = "not_delivered"
    is_final = False


class HostUnknown(NotDelivered):
    code = "host_unknown"
    template = N_("There is no address for {host}.")


class AddressNotPublic(NotDelivered):
    """A webhook must not reach into the network that this installation stands in."""

    code = "address_not_public"
    template = N_(
        "{host} leads to {address}, which is not a public address, so it was not called. PILOT_WEBHOOK_ALLOW_PRIVATE "
        "allows it for receivers in your own network."
    )
    is_final = True


class NoConnection(NotDelivered):
    code = "no_connection"
    template = N_("{host} could not be reached: {problem}")


class BadAnswer(NotDelivered):
    code = "bad_answer"
    template = N_("{host} answered {status}; a receiver answers 200 to 299.")


class TooManyRedirects(NotDelivered):
    code = "too_many_redirects"
    template = N_("{host} sends on more than {most} times.")


class RedirectNotTaken(NotDelivered):
    code = "redirect_not_taken"
    template = N_("{host} sends on to “{url}”, which cannot be called.")
    is_final = True


class MailServerFailed(NotDelivered):
    code = "mail_server_failed"
    template = N_("The mail server {host} did not take the message: {problem}")


class MailboxRefused(NotDelivered):
    code = "mailbox_refused"
    template = N_("The mail server {host} does not take mail for this address: {problem}")
    is_final = True
