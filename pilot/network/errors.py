"""What the network refuses, one named error per rule."""

from pilot.errors import Misconfigured, Refused
from pilot.words import N_


class NetworkNotSetUp(Misconfigured):
    code = "network_not_set_up"
    template = N_("The network has no currency, time zone and business-day cut-off yet. Set them first (pilot init).")


class UnknownCurrency(Refused):
    code = "unknown_currency"
    template = N_("“{currency}” is not a currency code such as EUR, USD or RUB.")


class UnknownTimeZone(Refused):
    code = "unknown_time_zone"
    template = N_("“{timezone}” is not a time zone of the IANA list, such as Europe/Helsinki.")


class CutoffOutOfRange(Refused):
    code = "cutoff_out_of_range"
    template = N_("The business-day cut-off is an hour from 0 (midnight) to 12; {hour} is not.")


class SettingsInUse(Refused):
    code = "network_settings_in_use"
    template = N_(
        "{setting} cannot change any more: receipts were imported with it, and their amounts and business dates follow."
    )


class SegmentRefused(Refused):
    code = "segment_refused"
    template = N_("The rule of segment “{segment}” is not right: {problem}.")


class SegmentCodeRefused(Refused):
    code = "segment_code_refused"
    template = N_("“{segment}” is not a segment code: use lower-case letters, digits, - and _.")
