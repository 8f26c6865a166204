-- listed: bytes of what the last list (or whole upload) makes; -1 before there is one; with it comes the digest. spare: segments are stored that no list names.
-- An upload under way while this is applied is not finished: its client saves again.
alter table cache_entries add column listed bigint not null default -1;
alter table cache_entries add column spare boolean not null default false;

-- The newest first: for a prefix that very many keys begin with.
create index cache_entries_newest on cache_entries (workspace, repository, scope, version, created, id, folded) where live;

-- GMAC of each 256 KiB, 16 bytes each, by which reads of files are checked; absent or empty: by digests.
alter table cache_segments add column tags bytea;
