-- Blobs whose bytes were taken away while an upload to them could still be under way on another replica: killed before it cleared up after itself, it leaves bytes that no entry knows.
-- They are looked for once more.
create table cache_leftovers (
    blob text primary key,
    look_at bigint not null
);
create index cache_leftovers_due on cache_leftovers (look_at);
