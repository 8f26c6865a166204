-- id: positive, below 2^53 and random, because clients take it as a number and may not guess others. state: pending, ready, damaged.
-- live: holds its key (pending, ready). folded: the key as keys are compared. blob: random, unlisted. digest: see docs/cache.md.
create table cache_entries (
    id bigint not null primary key,
    workspace text not null references workspaces (id),
    repository text not null,
    scope text not null,
    version text not null,
    key text not null,
    folded text not null,
    state text not null,
    live boolean not null,
    blob text not null unique,
    staged_bytes bigint not null,
    staged_count bigint not null,
    committed boolean not null,
    size bigint not null,
    digest bytea,
    subject text not null,
    provenance text not null,
    created bigint not null,
    pending_until bigint not null,
    ready_at bigint not null,
    used_at bigint not null
);

create unique index cache_entries_key on cache_entries (workspace, repository, scope, version, folded) where live;
create index cache_entries_pending on cache_entries (pending_until) where state = 'pending';

-- What was uploaded, each body once. block: the client's block id, '@' and the offset for a v1 chunk, '' for a whole blob.
-- digests: SHA-256 of each MiB, 32 bytes each, the last of what is left.
create table cache_segments (
    blob text not null,
    segment text not null,
    block text not null,
    length bigint not null,
    digests bytea not null,
    primary key (blob, segment)
);

create index cache_segments_block on cache_segments (blob, block);

-- Which segments make the entry, at which position; a segment may stand at several.
create table cache_layout (
    blob text not null,
    position bigint not null,
    segment text not null,
    length bigint not null,
    primary key (blob, position)
);
