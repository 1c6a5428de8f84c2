"""What the command line itself refuses, each rule with its name."""

from pilot.errors import Misconfigured, Refused
from pilot.words import N_


class NoInstallation(Misconfigured):
    code = "no_installation"
    template = N_("There is no installation in {home}. “pilot init” makes one; --home or PILOT_HOME names another.")


class InstallationExists(Refused):
    code = "installation_exists"
    template = N_("There is an installation in {home} already. “pilot upgrade” brings it to this version.")


class UnreadableFile(Refused):
    code = "unreadable_file"
    template = N_("{path} cannot be read: {problem}.")


class NobodyNamed(Refused):
    code = "nobody_named"
    template = N_("This changes what others rely on. Say in whose name: --as EMAIL, or PILOT_AS.")


class ForeignWeb(Misconfigured):
    """PyPI's web.py installs a top-level ``web`` that can hide ours."""

    code = "foreign_web"
    template = N_(
        "The package “web” that Python finds is not Pilot's but {found}. Install Pilot into a virtual environment of "
        "its own, or uninstall the other one."
    )


class NotLoopback(Refused):
    """The demonstration's passwords are printed: nobody else may reach it."""

    code = "not_loopback"
    template = N_("The demonstration has printed passwords and answers only on this machine; {address} is not its own.")


class NotReady(Refused):
    code = "mapping_incomplete"
    template = N_(
        "No column was found for: {fields}. Save the guess with "
        "“pilot mapping guess {kind} {file} --out mapping.json”, correct it, and import with --mapping mapping.json."
    )


class AddressTaken(Refused):
    code = "address_taken"
    template = N_("Cannot listen on {address}: {problem}. End what listens there, or choose another --port.")


class DiskIsFull(Misconfigured):
    """What a database or the system says while a command works."""

    code = "disk_is_full"
    template = N_(
        "There is no room on a disk: {problem}. Nothing half-done counts; make room and run the command again."
    )


class SystemRefused(Misconfigured):
    """No space, no right, no such folder: what the operating system says while a command works."""

    code = "system_refused"
    template = N_("The system refused: {problem}. Nothing half-done counts; put it right and run the command again.")
