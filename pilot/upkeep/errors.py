"""The rules of backup, restore and upgrade, each with its name."""

from pilot.errors import Misconfigured, Refused
from pilot.words import N_


class TargetNotEmpty(Refused):
    code = "target_not_empty"
    template = N_("{path} is not empty. Name a folder that does not exist yet.")


class KeysInsideBackup(Refused):
    code = "keys_inside_backup"
    template = N_("The keys must not lie in the backup ({path}): who has both has everything. Name a file elsewhere.")


class NotABackup(Refused):
    code = "not_a_backup"
    template = N_("{path} is not a backup of Pilot: it has no manifest. Name a folder that “pilot backup” made.")


class BackupDamaged(Refused):
    code = "backup_damaged"
    template = N_("{file} in the backup is not what the backup wrote (it is missing or changed). Use another backup.")


class OtherDatabaseKind(Refused):
    code = "other_database_kind"
    template = N_("The backup was taken from {found}, this installation uses {wanted}. Set PILOT_DATABASE_URL.")


class HomeNotEmpty(Refused):
    code = "home_not_empty"
    template = N_("{home} or its database holds something already. Restore into an empty home and an empty database.")


class LakeNotEmpty(Refused):
    code = "lake_not_empty"
    template = N_("There is a lake at {place} already. Restore to an empty place (PILOT_LAKE_URL or another home).")


class BackupFromTheFuture(Refused):
    code = "backup_from_the_future"
    template = N_("The backup is at revision {revision}, which this version does not know. Install a newer one first.")


class SchemaDiffers(Misconfigured):
    code = "schema_differs"
    template = N_("After the upgrade the database differs from this version in {count} places. Restore {backup}.")


class DatabaseUnreachable(Misconfigured):
    code = "database_unreachable"
    template = N_(
        "The database cannot be opened: {problem}. Look at PILOT_DATABASE_URL, the home, its disk, and whether it runs."
    )


class NotAKeysFile(Refused):
    code = "not_a_keys_file"
    template = N_("{path} is not a file of keys that “pilot backup --with-keys” wrote. Nothing was restored.")
