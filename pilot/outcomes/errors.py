"""What the outcomes room refuses, one named error per rule."""

from pilot.errors import Misconfigured, NotFound, Refused
from pilot.words import N_


class ReceiptsClash(Refused):
    """Between staging and publishing another import stored receipts with the same keys and other content."""

    code = "receipts_clash"
    template = N_(
        "{n:,} receipts of this import are stored by now with other content (the first: line {line}, {reason}). "
        "Discard the import and stage the file again."
    )


class NoSuchLakeVersion(NotFound):
    code = "no_such_lake_version"
    template = N_("The lake has no version {version}; the latest is {latest}.")


class LakeVersionVacuumed(NotFound):
    """Compaction joined its files and vacuum took them away: no frozen report had named this version."""

    code = "lake_version_vacuumed"
    template = N_(
        "Version {version} of the lake cannot be read any more: no frozen report names it, and its files "
        "were vacuumed. The latest version holds the same receipts and later ones."
    )


class NothingKnownYet(NotFound):
    code = "nothing_known_yet"
    template = N_("At {at} (UTC) no receipts were known yet. Choose a later instant.")


class BatchLost(Refused):
    """What was written cannot be read back: the log does not hold the commit that was just made."""

    code = "batch_lost"
    template = N_(
        "The commit of batch “{batch}” cannot be read back from the lake at {place}. "
        "Nothing was taken as stored; look at the disk or the object store and try again."
    )


class LakeDiskFull(Misconfigured):
    code = "lake_disk_full"
    template = N_("The disk is full ({place}). Nothing of this step was stored; make room and try again.")


class EngineMemoryTooSmall(Misconfigured):
    code = "engine_memory_too_small"
    template = N_(
        "The engine's {megabytes} MB of memory are too few for this question, also with spilling to {spill}. Set "
        "PILOT_ENGINE_MEMORY_MB higher, look at the room on that disk, and try again; nothing was changed."
    )


class LakeLockLost(Misconfigured):
    """Somebody else may be writing by now, so this writer must not commit."""

    code = "lake_lock_lost"
    template = N_("The lock of the lake was lost: the connection to the database broke. Nothing was stored; try again.")


class ObjectStoreUnavailable(Misconfigured):
    code = "object_store_unavailable"
    template = N_(
        "The lake is at {root}, but what speaks to object stores is not installed. Install loyalty-pilot[s3]."
    )


class ObjectStoreRefused(Misconfigured):
    """No answer, no credentials, no right: what the object store or the way to it says."""

    code = "object_store_refused"
    template = N_(
        "The object store of the lake at {root} cannot be used: {problem}. Look at the AWS_… variables and at the "
        "store, and try again; what was stored stays."
    )


class SparkMissing(Misconfigured):
    code = "spark_missing"
    template = N_(
        "PILOT_ENGINE names {engine}, but {missing} was not found. Install loyalty-pilot[spark] and a Java runtime "
        "(17 or 21), or leave PILOT_ENGINE out: DuckDB needs neither."
    )


class SparkUnreachable(Misconfigured):
    code = "spark_unreachable"
    template = N_("The Spark master {engine} does not answer: {problem}. Start it, or leave PILOT_ENGINE out.")


class SparkNeedsAFolder(Misconfigured):
    code = "spark_needs_a_folder"
    template = N_(
        "The lake is at {root}, and Spark reads it from folders only. Leave PILOT_ENGINE out (DuckDB reads object "
        "stores), or keep the lake in a folder that every worker sees."
    )


class BadPeriod(Refused):
    code = "bad_period"
    template = N_("The period from {first:date} to {last:date} ends before it begins.")
