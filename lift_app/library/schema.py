"""The tables, and how an older file becomes a newer one.

Owns the SQL of the schema and nothing else. `MIGRATIONS` is only ever appended to; the position
of a migration is the version that it leads to, kept in the file's `user_version`, so that opening
an up-to-date file needs a look at its version and its seal, and no import of sqlite-utils.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite_utils

OLDEST_SQLITE = (3, 37)
"""The first SQLite that knows STRICT tables; FTS5's trigram tokenizer is older."""
WORD_TOKENIZER = "porter unicode61 remove_diacritics 2"
"""Finds words whatever their ending, case or accents."""
TRIGRAM_TOKENIZER = "trigram"
"""Finds any three characters: for scripts that do not put spaces between words."""

# books.number and jobs.number are private to the index: they keep the many rows of pages,
# passages and events narrow, and two owners of one file apart.
_FIRST = f"""
CREATE TABLE books (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    format TEXT NOT NULL,
    pages INTEGER NOT NULL,
    words INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    tokens_exact INTEGER NOT NULL,
    text_sha256 TEXT NOT NULL,
    chapters TEXT NOT NULL,
    metadata TEXT NOT NULL,
    report TEXT NOT NULL,
    added TEXT NOT NULL,
    UNIQUE (owner, id)
) STRICT;

CREATE TABLE pages (
    book INTEGER NOT NULL REFERENCES books(number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    label TEXT NOT NULL,
    chapter INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (book, number)
) STRICT;

CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    book INTEGER NOT NULL REFERENCES books(number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    page INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    unspaced INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX passages_of_book ON passages (book, number, page, start, "end");

CREATE VIRTUAL TABLE passages_fts USING fts5(
    text, content='passages', content_rowid='id', tokenize='{WORD_TOKENIZER}'
);
CREATE VIRTUAL TABLE passages_trigram USING fts5(
    text, content='passages', content_rowid='id', tokenize='{TRIGRAM_TOKENIZER}'
);
CREATE VIRTUAL TABLE passages_fts_terms USING fts5vocab(passages_fts, instance);
CREATE VIRTUAL TABLE passages_trigram_terms USING fts5vocab(passages_trigram, instance);

CREATE TRIGGER passages_inserted AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER passages_inserted_unspaced AFTER INSERT ON passages WHEN new.unspaced BEGIN
    INSERT INTO passages_trigram(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER passages_deleted AFTER DELETE ON passages BEGIN
    INSERT INTO passages_fts(passages_fts, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER passages_deleted_unspaced AFTER DELETE ON passages WHEN old.unspaced BEGIN
    INSERT INTO passages_trigram(passages_trigram, rowid, text)
    VALUES ('delete', old.id, old.text);
END;

CREATE TABLE recipes (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE adapters (
    key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    book_id TEXT NOT NULL,
    model TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipes(hash),
    bytes INTEGER NOT NULL,
    files TEXT NOT NULL,
    summary TEXT NOT NULL,
    created TEXT NOT NULL,
    FOREIGN KEY (owner, book_id) REFERENCES books(owner, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX adapters_of_book ON adapters (owner, book_id);

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    book_id TEXT NOT NULL,
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipes(hash),
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
    wanted TEXT NOT NULL CHECK (wanted IN ('run', 'pause', 'cancel')),
    stage TEXT,
    step INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    progress TEXT NOT NULL,
    error_code TEXT,
    error_message TEXT,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    FOREIGN KEY (owner, book_id) REFERENCES books(owner, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX jobs_of_book ON jobs (owner, book_id);
CREATE UNIQUE INDEX jobs_unfinished ON jobs (owner, key)
    WHERE state IN ('queued', 'running', 'paused');

CREATE TABLE job_events (
    job INTEGER NOT NULL REFERENCES jobs(number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE segment_losses (
    job INTEGER NOT NULL REFERENCES jobs(number) ON DELETE CASCADE,
    segment INTEGER NOT NULL,
    first REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (job, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE chats (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    book_id TEXT NOT NULL,
    title TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    FOREIGN KEY (owner, book_id) REFERENCES books(owner, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX chats_of_book ON chats (owner, book_id);

CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    chat INTEGER NOT NULL REFERENCES chats(number) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    answer TEXT,
    created TEXT NOT NULL
) STRICT;
CREATE INDEX messages_of_chat ON messages (chat, number);

CREATE TABLE calibration (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated TEXT NOT NULL
) STRICT;
"""


def _first(database: sqlite_utils.Database) -> None:
    database.executescript(_FIRST)


MIGRATIONS: tuple[tuple[str, Callable[[sqlite_utils.Database], None]], ...] = (("first", _first),)
"""(name, function) in order. Append; never change or remove one that was released."""

VERSION = len(MIGRATIONS)
"""The schema version of this code."""


def migrate(database: sqlite_utils.Database) -> None:
    """Apply what is missing. Call it inside a transaction: all of it happens, or nothing."""
    from sqlite_utils import Migrations

    migrations = Migrations("lift_reader")
    for name, function in MIGRATIONS:
        migrations(name=name)(function)
    migrations.apply(database)


def seal(connection: sqlite3.Connection) -> int:
    """A sum of the schema's text, which the file keeps as its `application_id`.

    SQLite takes a damaged name for a name: a column would be missing, and nothing would say why.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    return zlib.crc32(repr([tuple(row) for row in rows]).encode()) & 0x7FFFFFFF


def is_sealed(connection: sqlite3.Connection) -> bool:
    """Whether the schema is as it was made; a file from before there were seals has 0."""
    kept = connection.execute("PRAGMA application_id").fetchone()[0]
    return kept in (0, seal(connection))
