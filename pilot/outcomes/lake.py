"""The lake of receipts: one Delta table, partitioned by business month, written once, read at any version."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pilot.outcomes.delta import DeltaStore
from pilot.outcomes.engine import Engine, engine_of
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis

MONTH = "business_month"
_FIELDS: list[Any] = [
    pa.field("receipt_id", pa.string(), nullable=False),
    pa.field("store_id", pa.int64(), nullable=False),
    pa.field("till", pa.string()),
    pa.field("number", pa.string()),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("refers_to", pa.string()),
    pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("business_date", pa.date32(), nullable=False),
    pa.field("customer_key", pa.int64()),
    pa.field("net_minor", pa.int64(), nullable=False),
    pa.field("vat_minor", pa.int64(), nullable=False),
    pa.field("discount_minor", pa.int64(), nullable=False),
    pa.field("cost_minor", pa.int64()),
    pa.field("reward_minor", pa.int64(), nullable=False),
    pa.field("n_items", pa.int64(), nullable=False),
    pa.field("offer_id", pa.int64()),
    pa.field("received_at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("batch_id", pa.string(), nullable=False),
]
SCHEMA = pa.schema(_FIELDS)
_ORDER = ("business_date", "store_id", "receipt_id")


class Lake(DeltaStore):
    """The lake of one installation, where ``PILOT_LAKE_URL`` says or in its home."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, settings.lake_root, SCHEMA, partition=MONTH, order=_ORDER, removed_days=1)
        self.engine: Engine = engine_of(settings, self.storage)

    @property
    def path(self) -> Path:
        """The folder of a lake on this machine."""
        return Path(self.root)

    def files(self, version: int | None = None, months: Sequence[str] | None = None) -> list[str]:
        """The Parquet files that hold ``version``, of all months or of some; raises as ``receipts`` does."""
        return super().files(version, months)

    def receipts(self, version: int | None = None, months: Sequence[str] | None = None) -> "ibis.Table":
        """The receipts as they were known at ``version`` (None: now), an Ibis table with ``SCHEMA``'s columns.

        ``months`` (``"2017-01"``) limits the files that are read; filter on ``business_date`` beside. Raises
        ``NoSuchLakeVersion`` and ``LakeVersionVacuumed``.
        """
        return self.engine.read_parquet(self.files(version, months), self.table_schema, root=self.root)
