-- Prefixes are ranges of keys, so keys sort by their bytes, as they do in SQLite.
alter table cache_entries alter column folded type text collate "C";
