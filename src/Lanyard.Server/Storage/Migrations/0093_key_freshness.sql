-- Of a record whose keys were uploaded or are pushed: when its cluster last said that they are right, and since when that is in doubt.
alter table key_sets add column confirmed_at bigint;
alter table key_sets add column stale_since bigint;
