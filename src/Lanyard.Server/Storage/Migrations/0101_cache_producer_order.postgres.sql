-- Patterns of refs are ranges, so refs sort by their bytes, as they do in SQLite.
alter table cache_entries alter column producer_ref type text collate "C";
