-- What is quarantined is summed up with what is ready, and is the last to go. read_until of such an entry is when it was quarantined.
create index cache_entries_quarantined on cache_entries (workspace, repository, read_until, size) where state = 'quarantined';

-- How often the bytes of what is gone or damaged could not be deleted; they are tried again at read_until.
alter table cache_entries add column purge_tries bigint not null default 0;

-- A state more: purged. The bytes are away, and the entry still counts as one of those that were made in its minute.
create index cache_entries_purged on cache_entries (created) where state = 'purged';
