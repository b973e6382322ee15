"""How a file is known: by its inode and the first bytes of its content, whatever it is called.

Its name in the spool is `inode.length.digest`, the digest being of the first `length` bytes, 1024 at most. A
rotated file keeps its name, and a new file that got the same inode has another one. While a file is shorter
than 1024 bytes its name is replaced by a longer one each time that its head has doubled.
"""

from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256

FINGERPRINT_BYTES = 1024


def name_of(inode: int, head: bytes) -> str:
    """The longest name of a file that begins with these bytes."""
    length = min(len(head), FINGERPRINT_BYTES)
    return f"{inode:x}.{length}.{_digest(head[:length])}"


def length_in(name: str) -> int:
    """How many bytes a name vouches for; 0 where it names no file."""
    return _parts(name)[1]


def inode_in(name: str) -> int:
    """The inode of the file that had this name first; 0 where it names no file."""
    return _parts(name)[0]


def grows(name: str, head: bytes) -> bool:
    """Whether a longer name is due."""
    length, available = length_in(name), min(len(head), FINGERPRINT_BYTES)
    return available > length and (available == FINGERPRINT_BYTES or available >= 2 * length)


class Known:
    """How far each content is read, by its name."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places: dict[str, int] = {}
        self._by_content: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._lengths: dict[int, int] = defaultdict(int)
        for name, place in places.items():
            if length_in(name) > 0 and place.isdigit():
                self.move(name, int(place))

    def move(self, name: str, place: int) -> None:
        """It is read up to here."""
        if name not in self.places:
            _, length, digest = _parts(name)
            self._by_content[length, digest].add(name)
            self._lengths[length] += 1
        self.places[name] = place

    def forget(self, name: str) -> None:
        """It is known no longer."""
        if self.places.pop(name, None) is None:
            return
        _, length, digest = _parts(name)
        self._by_content[length, digest].discard(name)
        if not self._by_content[length, digest]:
            del self._by_content[length, digest]
        self._lengths[length] -= 1
        if not self._lengths[length]:
            del self._lengths[length]

    def alike(self, head: bytes) -> list[str]:
        """The names of all contents that begin like this one, the surest and furthest read first."""
        found: list[str] = []
        for length in sorted(self._lengths, reverse=True):
            if length <= len(head):
                names = self._by_content.get((length, _digest(head[:length])), ())
                found += sorted(names, key=lambda name: (-self.places[name], name))
        return found

    def same(self, inode: int, head: bytes, size: int | None) -> str | None:
        """The name of this very file, or of none; `size` is of its content, None where that is not known."""
        for name in self.alike(head):
            if _parts(name)[0] == inode and (size is None or self.places[name] <= size):
                return name
        return None


def _digest(head: bytes) -> str:
    return sha256(head).hexdigest()[:12]


def _parts(name: str) -> tuple[int, int, str]:
    inode, _, rest = name.partition(".")
    length, _, digest = rest.partition(".")
    try:
        return int(inode, 16), int(length), digest
    except ValueError:
        return 0, 0, ""
