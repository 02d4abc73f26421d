"""How memcached's generations differ: one table, read by whoever hears, answers or stores.

A `Generation` is a row of named differences.  The class itself is the newest; an older one says
what was otherwise.  So nobody else compares versions, and what somebody asks of the table is
what he needs to know, not how old the server is.

Sources: memcached 1.6.18 and 1.6.45 as they answer, and the release notes between them (the text
parser is another since 1.6.40).  Knows no command, and does nothing.
"""

from __future__ import annotations

from ._errors import InvalidArgument
from ._requests import c_signed, c_unsigned, signed, unsigned
from ._tokens import U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Generation:
    """A server's ways, as of 1.6.45.

    Attributes:
        version: the release that it stands for.
        counts_words: lines with too few or too many words are unknown commands, whatever they
            ask; else too few are a bad line, and too many are not looked at.
        ends_lines_at_nul: what stands behind a NUL in a line is not seen.
        skips_blanks: blanks before the first word do not matter.
        leaves_blocks: the block behind a bad storage line is not swallowed but read as lines,
            though its length is known.
        silences_unknown: ``noreply`` silences the error of a command that is unknown.
        sorts_by_initials: a request of HTTP is told only if its first word begins as no command
            does; else it is an unknown command.
        has_bget: ``bget`` is another name of ``get``.
        largest_body: how long the body of a binary request may be, in bytes.
        gets_nothing: ``gat`` may be without keys.
        knows_delete_times: behind the key of ``delete`` there may be a 0; else anything.
        unsigned, signed: what a word is as a number up to a highest one, None: no number.  (Older
            ones read as C does: blanks and signs before it, blanks behind it, and what is too
            large loses its upper bits.)
        max_flags: how many flags a meta command may have.
        counts_size_as_flag: the size in ``ms`` is one of them; with too many the block is left.
        unknown_flags: letters that younger servers know.
        bytes_of_flags: flags whose letter is no letter or digit are told apart, not bad lines.
        modes_are_exact: a mode is one letter; else the first one counts.
        vague_about_delete: ``md`` does not say which of its flags was wrong.
        vague_about_keys: ``ma`` does not say that its key was too long.
        debug_needs_more: ``me`` finds its ``b`` only if something stands behind it.
        first_cas: the unique of the first item that is stored.
        absent_stats: statistics that others have.
        shows_creation: ``ma`` answers when it creates the item, quiet or not.
        compares_in_get: ``mg`` leaves out the value whose unique is that of ``C``.
        creates_by_append: ``ms`` with ``N`` appends to nothing.
        sizes_in_set: ``ms`` shows the size (``s``).
        touches_what_was_there: ``T`` of ``ma`` acts on the item that was counted, even if another
            has taken its place since the number got longer; likewise ``t`` shows that one's ttl.
        counts_down_in_debug: the ttl that ``me`` shows is the time until then, not since.
        opens_dumps: a dump begins with OK.
        dumps_flags: a dump shows the client's flags of each item.
        details_anyway: ``stats detail`` is answered even where dumps are not allowed.
        shutdown_error: the word of refusing a ``shutdown``.
        reserved_files: how many file descriptors a limit of connections includes that are none.
        has_mgdump: there is ``lru_crawler mgdump``.
        has_deletions: ``watch`` knows ``deletions``.
        tunes_automove: ``slabs automove`` knows ``freeratio`` and ``window``.
        quiets_crawler: ``lru_crawler`` takes ``noreply``; else it is one word too many.
        hangs_up_on_strangers: before authentication, a line of under six bytes is the end.
        limits_tokens: what is sent to authenticate has a limit.
    """

    __slots__ = ()

    version: str = "1.6.45"

    # Lines
    counts_words = False
    ends_lines_at_nul = False
    skips_blanks = False
    leaves_blocks = False
    silences_unknown = True
    sorts_by_initials = False
    has_bget = False
    largest_body = 1 << 30
    gets_nothing = False
    knows_delete_times = False
    unsigned = staticmethod(unsigned)
    signed = staticmethod(signed)

    # Meta commands
    max_flags = 18
    counts_size_as_flag = False
    unknown_flags: frozenset[str] = frozenset()
    bytes_of_flags = False
    modes_are_exact = False
    vague_about_delete = False
    vague_about_keys = True
    debug_needs_more = True

    # Admin commands, and who is there
    opens_dumps = True
    dumps_flags = True
    details_anyway = False
    shutdown_error = "SERVER_ERROR:"
    reserved_files = 13
    has_mgdump = True
    has_deletions = True
    tunes_automove = True
    quiets_crawler = True
    hangs_up_on_strangers = True
    limits_tokens = True

    # What commands do
    first_cas = 2
    absent_stats = frozenset(["slab_reassign_evictions_nomem"])
    shows_creation = False
    compares_in_get = True
    creates_by_append = True
    sizes_in_set = True
    touches_what_was_there = False
    counts_down_in_debug = True


class _Older(Generation):
    """A server's ways, as of 1.6.18."""

    __slots__ = ()

    version = "1.6.18"

    counts_words = True
    ends_lines_at_nul = True
    skips_blanks = True
    leaves_blocks = True
    silences_unknown = False
    sorts_by_initials = True
    has_bget = True
    largest_body = U32
    gets_nothing = True
    knows_delete_times = True
    unsigned = staticmethod(c_unsigned)
    signed = staticmethod(c_signed)

    max_flags = 17
    counts_size_as_flag = True
    unknown_flags = frozenset("Ex")
    bytes_of_flags = True
    modes_are_exact = True
    vague_about_delete = True
    vague_about_keys = False
    debug_needs_more = False

    opens_dumps = False
    dumps_flags = False
    details_anyway = True
    shutdown_error = "ERROR:"
    reserved_files = 12
    has_mgdump = False
    has_deletions = False
    tunes_automove = False
    quiets_crawler = False
    hangs_up_on_strangers = False
    limits_tokens = False

    first_cas = 1
    absent_stats = frozenset(
        ["slab_reassign_busy_nomem", "slab_reassign_last_busy_status", "client_flags_size"]
    )
    shows_creation = True
    compares_in_get = False
    creates_by_append = False
    sizes_in_set = False
    touches_what_was_there = True
    counts_down_in_debug = False


NEWEST: Final = Generation()

GENERATIONS: Final = {each.version: each for each in (_Older(), NEWEST)}
"""By the version that stands for it."""


def generation(like: str) -> Generation:
    """The row for a version.

    Raises:
        InvalidArgument: there is none for it.
    """
    found = GENERATIONS.get(like) if isinstance(like, str) else None
    if found is None:
        known = " or ".join(map(repr, GENERATIONS))
        raise InvalidArgument(f"like must be {known}, not {like!r}")
    return found
