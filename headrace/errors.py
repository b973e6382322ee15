"""Every error that headrace raises, in one tree, each with its fate.

    HeadraceError
    ├── RetryError              the same call may succeed later: back off and try again
    │   ├── KinesisUnavailable      no answer or a 5xx
    │   │   ├── KinesisThrottled        more than the stream, the shard or the account may ask
    │   │   └── StreamInUse             being made, changed or deleted; or it exists already
    │   ├── IteratorExpired         a place in a shard, or in a listing, was kept too long: ask anew
    │   ├── WarehouseUnavailable    no connection, a deadlock, a lost COMMIT reply
    │   ├── LedgerMoved             another writer committed first: split the batch again
    │   ├── ArchiveUnavailable      S3 gave no answer, or a 5xx, or asked for fewer requests
    │   ├── DatabaseUnavailable     MySQL gave no answer, or lost one on the way
    │   ├── TransformUnavailable    Lambda gave no answer, or does not have the function (yet)
    │   └── SpoolFull               the disk budget is used up: pause the source
    └── HaltError               trying again cannot help: stop, and say what to do
        ├── SettingsError           a setting is missing or wrong
        ├── KinesisRefused          the service will not accept this request as it is
        │   └── KinesisNotFound         no such stream, or no such shard (any more)
        ├── StreamRecreated         the stream is not the one that the offsets name
        ├── RecordsTrimmed          the stream dropped records before they were read
        ├── SpoolInUse              another producer holds the spool
        ├── SpoolUnusable           the spool's directory cannot be read or written
        ├── SourceUnreadable        the input file is missing, unreadable or no log
        ├── FencedOut               a newer job has taken over
        ├── BatchMismatch           a committed batch id came back with other end positions
        ├── QueryFailed             Spark ended the stream job's query for a reason of its own
        ├── LocalStackFailed        a part of the local stack is missing or did not start
        ├── DeploymentFailed        a stage was not deployed, or not destroyed, and why
        ├── WarehouseRefused        the warehouse will not accept this statement or these rows
        ├── ArchiveRefused          the archive's bucket, or an object of it, may not be read or written
        ├── MendFailed              the mending file is missing, or what it holds failed
        ├── InputRefused            a loan file is not one that can be taken
        ├── StorageUnusable         the batch pipeline's files cannot be read or written
        ├── BatchBusy               another batch command holds the metastore
        ├── LoadMismatch            what was loaded is not what the files hold
        ├── DatabaseRefused         MySQL will not accept this statement, these rows or these settings
        ├── ModelRefused            a model did not pass its gate, or does not fit the data
        ├── WriteOffRefused         the numbers are accounted for, or were never given out
        └── SchemaMismatch          the warehouse's tables are not those of this version

Bad input is no exception: the codec returns it as a `Rejection`, a value.
"""

from enum import Enum
from typing import ClassVar


class Fate(Enum):
    """What becomes of the work when an error is raised."""

    RETRY = "retry"
    HALT = "halt"


class HeadraceError(Exception):
    """The root; its text says what happened, where, and what to do next."""

    fate: ClassVar[Fate]


class RetryError(HeadraceError):
    """The same call may succeed later."""

    fate = Fate.RETRY


class HaltError(HeadraceError):
    """Trying again cannot help."""

    fate = Fate.HALT


class KinesisUnavailable(RetryError):
    """Kinesis gave no answer, or a 5xx; the call may have taken effect."""


class KinesisThrottled(KinesisUnavailable):
    """The call was more than the stream, the shard or the account may ask; it had no effect."""


class StreamInUse(KinesisUnavailable):
    """The stream is being made, changed or deleted; for CreateStream: it exists already."""


class IteratorExpired(RetryError):
    """A shard iterator (five minutes) or a listing's next token was kept too long."""


class WarehouseUnavailable(RetryError):
    """The warehouse gave no answer, or lost one on the way."""


class LedgerMoved(RetryError):
    """Another writer committed between the split and the transaction."""


class SpoolFull(RetryError):
    """The spool's disk budget is used up."""


class ArchiveUnavailable(RetryError):
    """S3 gave no answer, or a 5xx, or asked for fewer requests."""


class DatabaseUnavailable(RetryError):
    """MySQL gave no answer, or lost one on the way."""


class TransformUnavailable(RetryError):
    """Lambda gave no answer, or does not have the transform function (yet)."""


class SettingsError(HaltError):
    """A setting is missing or wrong."""


class KinesisRefused(HaltError):
    """Kinesis will not accept this request as it is."""


class KinesisNotFound(KinesisRefused):
    """There is no such stream, or no such shard (any more)."""


class StreamRecreated(HaltError):
    """The stream was deleted and made anew since the offsets were written."""


class RecordsTrimmed(HaltError):
    """The stream's retention dropped records before they were read."""


class SpoolInUse(HaltError):
    """Another producer holds the spool."""


class SpoolUnusable(HaltError):
    """The spool's directory cannot be read or written."""


class SourceUnreadable(HaltError):
    """The input is missing, unreadable, or not what it was said to be."""


class FencedOut(HaltError):
    """A newer job has taken the stream over."""


class BatchMismatch(HaltError):
    """A committed batch id came back with other end positions."""


class QueryFailed(HaltError):
    """Spark ended the stream job's query for a reason of its own."""


class LocalStackFailed(HaltError):
    """A part of the local stack is missing, or did not start or stop."""


class DeploymentFailed(HaltError):
    """A stage could not be deployed, shown or destroyed; the same command again goes on where it ended."""


class WarehouseRefused(HaltError):
    """The warehouse will not accept this statement, or these rows, as they are."""


class ArchiveRefused(HaltError):
    """The archive's bucket, or an object of it, may not be read or written."""


class MendFailed(HaltError):
    """The file with the mending function is missing, or what it holds failed."""


class InputRefused(HaltError):
    """A loan file is not one that can be taken: its name, its layout, or what it holds."""


class StorageUnusable(HaltError):
    """The batch pipeline's files cannot be read or written."""


class BatchBusy(HaltError):
    """Another batch command holds the metastore."""


class LoadMismatch(HaltError):
    """What was loaded is not what the files hold."""


class DatabaseRefused(HaltError):
    """MySQL will not accept this statement, these rows or these settings."""


class ModelRefused(HaltError):
    """A model did not pass its gate, or does not fit the data."""


class WriteOffRefused(HaltError):
    """The numbers to write off are accounted for, or were never given out."""


class SchemaMismatch(HaltError):
    """The warehouse's tables are not those of this version."""
