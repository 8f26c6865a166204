-- Look-ups read hundreds of keys and take one: all that they compare stands in the index. Only what can be found is in it.
drop index cache_entries_newest;
create index cache_entries_newest on cache_entries (workspace, repository, scope, version, created, id, folded) where live and state = 'ready';
create index cache_entries_found on cache_entries (workspace, repository, scope, version, folded, created, id) where live and state = 'ready';
