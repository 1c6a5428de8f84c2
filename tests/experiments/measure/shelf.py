"""A shelf in memory, where tests put what was reduced once."""

import pyarrow as pa


class Shelf:
    """What was put under a key is found under it."""

    def __init__(self) -> None:
        self.kept: dict[str, pa.Table] = {}

    def take(self, key: str) -> pa.Table | None:
        return self.kept.get(key)

    def put(self, key: str, reduced: pa.Table) -> None:
        self.kept[key] = reduced
